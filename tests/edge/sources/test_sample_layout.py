"""Captures in the layouts of other boards and programs: each is detected; the card's own layout is never rejected."""

import numpy as np
import pytest

from edge.radar.iq import decode, encode
from edge.sources.metadata import RecordingError
from edge.sources.recording import open_recording
from edge.sources.sample_layout import find_foreign_frame, find_foreign_layout
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES


def words(parts) -> bytes:
    return np.clip(np.rint(parts), -32768, 32767).astype("<i2").tobytes()


def four_lanes(iq) -> bytes:
    by_sample = iq.swapaxes(-1, -2).reshape(-1, iq.shape[-2])
    return words(np.concatenate([by_sample.real, by_sample.imag], axis=1))


def four_lanes_of_two_receivers(iq) -> bytes:
    half = iq[:, :, :, :2].swapaxes(-1, -2).reshape(-1, 2)
    silent = np.zeros_like(half.real)
    return words(np.concatenate([half.real, silent, half.imag, silent], axis=1))


def real(iq) -> bytes:
    return words(iq.real)


def pairs(iq) -> bytes:
    return words(np.ascontiguousarray(iq).view(np.float32))


def offset_binary(iq) -> bytes:
    return (np.frombuffer(encode(iq, "studio"), "<u2") ^ 0x8000).tobytes()


FOREIGN = {
    four_lanes: "four LVDS lanes .xWR12xx, xWR14xx, AWR2243.*record with an xWR16xx",
    four_lanes_of_two_receivers: "some words of each 8 are always zero.*four LVDS lanes",
    real: "real, without Q: record complex samples: adcCfg 2 1",
    pairs: "pairs of I and Q: rewrite the file as I0 I1 Q0 Q1",
    offset_binary: "offset binary.*subtract 32768",
}


@pytest.fixture(scope="module")
def recorded(real_data, iwr6843):
    data = (real_data / "iwr6843_dca1000" / "demo.bin").read_bytes()
    size = iwr6843.frame_bytes
    frames = [data[k : k + size] for k in range(0, len(data), size)]
    return np.stack([decode(frame, iwr6843.frame_shape, "studio") for frame in frames])


@pytest.mark.parametrize("layout", FOREIGN, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("scene", ["still", "reflector"])
def test_another_layout_is_named(tmp_path, mmecg, layout, scene):
    iq = Fmcw(mmecg, SCENES[scene]).frames(0, 16)
    (tmp_path / "x.bin").write_bytes(layout(iq))
    with pytest.raises(RecordingError, match=f"x.bin: .*{FOREIGN[layout]}"):
        open_recording(tmp_path / "x.bin", mmecg.source)


@pytest.mark.parametrize("layout", FOREIGN, ids=lambda layout: layout.__name__)
def test_a_real_recording_in_another_layout_is_named(tmp_path, iwr6843, recorded, layout):
    (tmp_path / "x.bin").write_bytes(layout(recorded))
    with pytest.raises(RecordingError, match=FOREIGN[layout]):
        open_recording(tmp_path / "x.bin", iwr6843.source)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("order", ["sdk", "studio"])
def test_what_the_card_sends_is_taken(mmecg, iwr6843, scene, order):
    for chirp in (mmecg, iwr6843):
        data = encode(Fmcw(chirp, SCENES[scene]).frames(0, 16), order)
        assert find_foreign_layout(data, chirp) is None
        assert find_foreign_frame(data, chirp) is None


def test_noise_silence_and_a_real_recording_are_taken(mmecg, iwr6843, recorded):
    rng = np.random.default_rng(3)
    for data in (words(rng.normal(0, 30, 8 * mmecg.frame_bytes // 2)), bytes(8 * mmecg.frame_bytes)):
        assert find_foreign_layout(data, mmecg) is None
        assert find_foreign_frame(data, mmecg) is None
    for first in range(0, 400, 40):
        data = encode(recorded[first : first + 16], "studio")
        assert find_foreign_layout(data, iwr6843) is None
        assert find_foreign_frame(data, iwr6843) is None


def test_another_chirp_file_is_named(tmp_path, mmecg, iwr6843, recorded):
    (tmp_path / "x.bin").write_bytes(encode(recorded, "studio"))
    message = (
        r"awr1843_mmecg.cfg is not its chirp file: it gives frames of 12288 bytes, but the samples repeat every 1600"
    )
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / "x.bin", mmecg.source)
    twin = encode(Fmcw(mmecg, SCENES["still"]).frames(0, 32), "sdk")
    assert find_foreign_frame(twin, iwr6843) is not None
