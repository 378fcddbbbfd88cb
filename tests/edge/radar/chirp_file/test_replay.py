"""Chirp files of recordings: only what decoding needs is required."""

import pytest

from edge.radar.chirp import ChirpConfigError
from edge.radar.chirp_file.limits import LimitError
from tests.edge.radar.chirp_file.test_public_files import FRAME, MMECG, lines, profile

CROWDED = lines(
    (FRAME, "frameCfg 0 2 32 0 33.333 1 0"),
    ("calibMonCfg 0 0", "guiMonitor -1 0 0 0 0 0 0"),
    ("monCalibReportCfg 0 0 0", "clutterRemoval -1 0"),
    text=profile("0 77 245 7 15 0 0 100 1 64 9142 0 0 30"),
)


def test_a_recording_needs_only_what_decoding_needs(load):
    with pytest.raises(ChirpConfigError):
        load(CROWDED)
    assert load(CROWDED, for_replay=True).frame_shape == (32, 3, 4, 64)
    minimal = "\n".join(line for line in MMECG.splitlines() if line.split()[0] in _DECODING) + "\n# notes\nfoo\n"
    assert load(minimal, for_replay=True).frame_shape == (1, 3, 4, 256)
    with pytest.raises(LimitError, match="lvds_content"):
        load(lines(("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 1 1 0")), for_replay=True)
    with pytest.raises(LimitError, match="adc_layout"):
        load(lines(("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 0 1 0 1")), for_replay=True)


_DECODING = {"dfeDataOutputMode", "channelCfg", "adcCfg", "profileCfg", "chirpCfg", "frameCfg"}


def test_an_adcbufcfg_of_sdk_1_is_read_for_replay(load):
    old = lines(("adcbufCfg -1 0 1 1 1", "adcbufCfg 0 0 1 1"))
    assert load(old, for_replay=True).adc_layout == (0, 0, 1, 1)
    assert load(old, for_replay=True).iq_order == "studio"  # not swapped: I comes first
    with pytest.raises(ChirpConfigError, match="adcbufCfg needs 5 numbers, has 4"):
        load(old)


def test_several_transmitters_at_once_are_one_virtual_transmitter_of_a_recording(load):
    both = MMECG.replace("chirpCfg 1 1 0 0 0 0 0 2", "chirpCfg 1 1 0 0 0 0 0 5")
    assert load(both, for_replay=True).tx_order == (1, 13, 3)
    with pytest.raises(LimitError, match=r"chirp 1 of the frame fires 2 transmitters \(TX1 and TX3\)"):
        load(both)
