"""Bare captures: truncated, in packets, of chirp files for replay only, with several transmitters at once."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from edge.__main__ import main
from edge.radar.chirp_file.limits import LimitError
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.iq import encode
from edge.sources.metadata import RecordingError
from edge.sources.raw_file import MAX_GAP_BYTES
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource
from edge.twin.card import Packetizer
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene


def rate_of(capsys, path, cfg, *options) -> dict:
    assert main(["replay", str(path), "--cfg", str(cfg), "--summary", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_bare_file_needs_its_chirp_file(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(12288))
    with pytest.raises(RecordingError, match="--cfg"):
        open_recording(tmp_path / "x.bin")


@pytest.mark.parametrize(("size", "message"), [(0, "empty file"), (12287, "contains no complete frame of 12288 bytes")])
def test_a_bare_file_without_a_frame_is_reported(tmp_path, mmecg, size, message):
    (tmp_path / "x.bin").write_bytes(bytes(size))
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / "x.bin", cfg=mmecg.source)


@pytest.mark.parametrize("over", [1, 1456, 12287])
def test_a_bare_file_that_ends_within_a_frame_loses_only_that_frame(tmp_path, mmecg, caplog, over):
    data = np.random.default_rng(1).bytes(249 * mmecg.frame_bytes + over)
    (tmp_path / "x.bin").write_bytes(data)
    frames = list(open_recording(tmp_path / "x.bin", cfg=mmecg.source).frames())
    assert b"".join(frame.data for frame in frames) == data[:-over]
    assert [frame.seq for frame in frames] == list(range(249))
    assert all(frame.complete for frame in frames)
    assert f"{over} bytes follow the last complete frame of 12288 bytes" in caplog.text


def test_replay_reads_the_complete_frames_of_a_cut_file(tmp_path, iwr6843, capsys, caplog):
    (tmp_path / "x.bin").write_bytes(bytes(31 * iwr6843.frame_bytes + 800))
    assert rate_of(capsys, tmp_path / "x.bin", iwr6843.source)["frames_lost"] == 31  # of zeros
    assert (
        f"800 bytes follow the last complete frame of {iwr6843.frame_bytes} bytes: the recording ended" in caplog.text
    )


def test_a_bare_file_of_whole_frames_needs_no_note(tmp_path, mmecg, caplog):
    (tmp_path / "x.bin").write_bytes(np.random.default_rng(1).bytes(3 * mmecg.frame_bytes))
    assert len(open_recording(tmp_path / "x.bin", cfg=mmecg.source).index) == 3
    assert caplog.text == ""


def test_frames_of_packet_records_are_complete_or_marked(tmp_path, mmecg):
    data = np.random.default_rng(1).bytes(728 * mmecg.frame_bytes)  # 6144 packets
    packets = Packetizer().push(data)
    lost = {0, 100, 101, *range(200, 240)}
    (tmp_path / "adc_data_Raw_0.bin").write_bytes(
        b"".join(
            packet[:4] + struct.pack("<I", len(packet) - 10) + packet[4:]
            for number, packet in enumerate(packets)
            if number not in lost
        )
    )
    size, frames = mmecg.frame_bytes, list(open_recording(tmp_path / "adc_data_Raw_0.bin", cfg=mmecg.source).frames())
    missing = dict.fromkeys(range(728), 0)
    for byte in (byte for number in lost for byte in range(number * 1456, number * 1456 + 1456)):
        missing[byte // size] += 1
    assert {frame.seq: frame.received for frame in frames} == {
        seq: size - count for seq, count in missing.items() if count < size
    }
    assert 24 not in {frame.seq for frame in frames}
    for frame in frames:
        if frame.complete:
            assert frame.data == data[frame.seq * size : (frame.seq + 1) * size]
        assert frame.t_ns == frame.seq * 5_000_000


@pytest.mark.parametrize("jump_packets", [1 << 30, 20_000_000])
def test_a_packet_far_ahead_costs_no_memory(tmp_path, mmecg, caplog, jump_packets):
    """Of a loss beyond MAX_GAP_BYTES the packet is ignored; of a smaller one only the frames with data are listed."""
    packets = Packetizer().push(np.random.default_rng(1).bytes(728 * mmecg.frame_bytes))
    number, before = jump_packets + 1, jump_packets * 1456
    far = struct.pack("<IIIH", number, 1456, before & 0xFFFFFFFF, before >> 32) + bytes([1]) * 1456
    records = [packet[:4] + struct.pack("<I", len(packet) - 10) + packet[4:] for packet in packets]
    (tmp_path / "adc_data_Raw_0.bin").write_bytes(b"".join([*records, far]))
    frames = list(open_recording(tmp_path / "adc_data_Raw_0.bin", cfg=mmecg.source).frames())
    assert [frame.seq for frame in frames[:728]] == list(range(728))
    assert all(frame.complete for frame in frames[:728])
    is_ignored = before > MAX_GAP_BYTES
    assert ("1 packets with a damaged header are ignored" in caplog.text) == is_ignored
    if not is_ignored:
        assert [frame.seq for frame in frames[728:]] == [before // mmecg.frame_bytes][: len(frames) - 728]


def test_a_real_recording_as_packet_records_whose_end_is_cut_off(real_data, iwr6843, tmp_path, capsys):
    data = (real_data / "iwr6843_dca1000" / "demo.bin").read_bytes()[:-1000]
    records = (
        struct.pack("<IIIH", at // 1456 + 1, len(data[at : at + 1456]), at, 0) + data[at : at + 1456]
        for at in range(0, len(data), 1456)
    )
    (tmp_path / "demo_Raw_0.bin").write_bytes(b"".join(records))
    found = rate_of(capsys, tmp_path / "demo_Raw_0.bin", iwr6843.source, "--iq-order", "studio")
    assert (found["frames"], found["frames_lost"]) == (399, 0)
    assert found["breathing_rate_bpm"] == pytest.approx(15.2, abs=1)
    (tmp_path / "cut.bin").write_bytes(data)
    frames = open_recording(tmp_path / "cut.bin", iwr6843.source).frames()
    assert b"".join(frame.data for frame in frames) == data[: 399 * iwr6843.frame_bytes]


TDM = """dfeDataOutputMode 1
channelCfg 15 7 0
adcCfg 2 1
adcbufCfg -1 0 1 1 1
guiMonitor -1 0 0 0 0 0 0
profileCfg 0 77 245 7 15 0 0 100 1 64 9142 0 0 30
chirpCfg 0 0 0 0 0 0 0 1
chirpCfg 1 1 0 0 0 0 0 2
chirpCfg 2 2 0 0 0 0 0 4
frameCfg 0 2 32 0 33.333 1 0
lowPower 0 0
lvdsStreamCfg -1 0 1 0
"""


def test_a_chirp_file_that_breaks_limits_of_making_is_replayed(tmp_path):
    (tmp_path / "busy.cfg").write_text(TDM)
    with pytest.raises(LimitError, match="75%"):
        load_chirp(tmp_path / "busy.cfg")
    chirp = load_chirp(tmp_path / "busy.cfg", for_replay=True)
    iq = Fmcw(chirp, Scene(Heart())).frames(0, 2)
    (tmp_path / "busy.bin").write_bytes(encode(iq, "sdk"))
    source = ReplaySource(open_recording(tmp_path / "busy.bin", tmp_path / "busy.cfg"))
    np.testing.assert_array_equal([frame.iq for frame in source.frames()], iq)


def test_transmitters_that_fire_together_are_replayed_as_one(tmp_path, mmecg, capsys):
    """The echo of both transmitters is the sum of their single echoes."""
    text = mmecg.text.replace("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0 0 0 0 5")
    (tmp_path / "both.cfg").write_text(text.replace("frameCfg 0 2 1 0 5 1 0", "frameCfg 0 0 1 0 20 1 0"))
    with pytest.raises(LimitError, match=r"TX1 and TX3.* only a recording may have several"):
        load_chirp(tmp_path / "both.cfg")
    chirp = load_chirp(tmp_path / "both.cfg", for_replay=True)
    assert chirp.frame_shape == (1, 1, 4, 256)
    each = [Fmcw(replace(chirp, tx_order=(tx,)), Scene(Heart(72))).frames(0, 650) for tx in (1, 3)]
    (tmp_path / "both.bin").write_bytes(encode((each[0] + each[1]) / 2, "sdk"))
    assert rate_of(capsys, tmp_path / "both.bin", tmp_path / "both.cfg")["heart_rate_bpm"] == pytest.approx(72, abs=2)
