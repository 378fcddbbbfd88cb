"""Recordings: round trip, lost frames, killed recorder, damaged files."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone

import numpy as np
import pytest

from edge.core.clock import ClockState
from edge.core.types import RawFrame
from edge.sources.metadata import Origin, RecordingError
from edge.sources.recording import INDEX_ROW, Recorder, open_recording
from edge.twin.card import Packetizer
from tests.helpers.brokers import free_port
from tests.helpers.processes import child


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "night"


def raw(seq: int, size: int, received: int | None = None) -> RawFrame:
    data = np.random.default_rng(seq).bytes(size)
    return RawFrame(seq, 1_000_000 * seq, data, size if received is None else received)


def write(folder, chirp, frames):
    with Recorder(folder, chirp, "sdk") as recorder:
        for frame in frames:
            recorder.write(frame)


def test_what_is_written_comes_back(folder, mmecg):
    frames = [raw(seq, mmecg.frame_bytes) for seq in range(5, 25)]
    write(folder, mmecg, frames)
    recording = open_recording(folder)
    assert list(recording.frames()) == frames
    assert recording.iq_order == "sdk"
    assert recording.chirp.text == mmecg.text
    assert (folder / "adc.bin").read_bytes() == b"".join(frame.data for frame in frames)


def test_only_the_owner_reads_a_recording(folder, mmecg):
    write(folder, mmecg, [raw(0, mmecg.frame_bytes)])
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, folder / "adc.bin", folder / "frames.idx")}
    assert modes == {folder.name: 0o700, "adc.bin": 0o600, "frames.idx": 0o600}


def test_a_recording_contains_when_it_began_who_recorded_and_what_was_noted(folder, mmecg):
    before = datetime.now(timezone.utc).replace(microsecond=0)
    origin = Origin("bed-1", {"radar_firmware": "studio_cli", "card_fpga": "2.8"}, "after lunch, \u00b0\udce4")
    with Recorder(folder, mmecg, "sdk", origin=origin) as recorder:
        recorder.write(raw(0, mmecg.frame_bytes))
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["device"], meta["note"]) == ("bed-1", "after lunch, \u00b0\udce4")
    assert before <= datetime.fromisoformat(meta["date"]) <= datetime.now(timezone.utc)
    assert meta["boards"] == {"radar_firmware": "studio_cli", "card_fpga": "2.8"}
    assert open_recording(folder).metadata.note == "after lunch, \u00b0\udce4"


def test_a_recording_of_an_earlier_version_is_read(folder, mmecg):
    write(folder, mmecg, [raw(0, mmecg.frame_bytes)])
    meta = {"format": "radarecg.recording/1", "iq_order": "sdk", "frame_bytes": mmecg.frame_bytes}
    (folder / "meta.json").write_text(json.dumps(meta))
    assert len(open_recording(folder).index) == 1


def test_a_recording_remembers_whether_its_clock_was_held(folder, mmecg, monkeypatch):
    monkeypatch.setattr("edge.sources.metadata.clock_state", lambda: ClockState("ntp", True, 1000))
    write(folder, mmecg, [raw(0, mmecg.frame_bytes)])
    assert open_recording(folder).clock_synced
    assert not open_recording(folder / "adc.bin", cfg=folder / "chirp.cfg").clock_synced


def test_lost_frames_are_a_hole_so_time_stays_true_for_other_readers(folder, mmecg):
    size = mmecg.frame_bytes
    frames = [raw(0, size), raw(1, size, received=100), raw(5, size)]
    write(folder, mmecg, frames)
    out = list(open_recording(folder).frames())
    assert [(frame.seq, frame.complete) for frame in out] == [(0, True), (1, False), (5, True)]
    assert out == frames
    adc = (folder / "adc.bin").read_bytes()
    assert adc[2 * size : 5 * size] == bytes(3 * size)
    assert adc[5 * size :] == frames[-1].data


def test_a_restarted_card_continues_the_recording(folder, mmecg):
    frames = [raw(seq, mmecg.frame_bytes) for seq in (7, 8, 9, 0, 1)]
    write(folder, mmecg, frames)
    assert list(open_recording(folder).frames()) == frames


@pytest.mark.parametrize("cut", range(1, INDEX_ROW.itemsize + 1))
def test_a_row_cut_at_any_byte_loses_only_its_frame(folder, mmecg, cut):
    write(folder, mmecg, [raw(seq, mmecg.frame_bytes) for seq in range(3)])
    index = folder / "frames.idx"
    os.truncate(index, index.stat().st_size - cut)
    assert [frame.seq for frame in open_recording(folder).frames()] == [0, 1]


def test_a_frame_cut_short_is_not_replayed(folder, mmecg):
    write(folder, mmecg, [raw(seq, mmecg.frame_bytes) for seq in range(3)])
    os.truncate(folder / "adc.bin", 3 * mmecg.frame_bytes - 1)
    assert [frame.seq for frame in open_recording(folder).frames()] == [0, 1]


def test_sigkill_while_recording_loses_no_complete_frame(folder, tmp_path, mmecg):
    port = free_port()
    command = [sys.executable, "-m", "edge", "record", folder, "--cfg", mmecg.source]
    command += f"--host 127.0.0.1 --port {port}".split()
    packetizer, sent = Packetizer(), []
    deadline = time.monotonic() + 30
    with child(command, stderr=subprocess.DEVNULL), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.connect(("127.0.0.1", port))
        while not (folder / "frames.idx").exists() or (folder / "frames.idx").stat().st_size < 200 * INDEX_ROW.itemsize:
            assert time.monotonic() < deadline
            frame = raw(len(sent), mmecg.frame_bytes)
            sent.append(frame.data)
            for packet in packetizer.push(frame.data):
                try:
                    card.send(packet)
                except ConnectionRefusedError:
                    time.sleep(0.05)  # the recorder is still starting
            time.sleep(0.002)
    frames = list(open_recording(folder).frames())
    assert len(frames) >= 200
    assert all(frame.data == sent[frame.seq] for frame in frames if frame.complete)


def test_a_full_disk_ends_the_recording_and_keeps_its_complete_frames(folder, mmecg):
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from edge.core.types import RawFrame\nfrom edge.radar.chirp_file.parser import load_chirp\n"
        "from edge.sources.recording import Recorder\n"
        "size = 12288\nresource.setrlimit(resource.RLIMIT_FSIZE, (5 * size + 100,) * 2)\n"
        f"with Recorder(Path({str(folder)!r}), load_chirp({mmecg.source!r}), 'sdk') as recorder:\n"
        "    for seq in range(9): recorder.write(RawFrame(seq, seq, bytes([seq + 1]) * size, size))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "No space left" in done.stderr
    frames = list(open_recording(folder).frames())
    assert [set(frame.data) for frame in frames] == [{1}, {2}, {3}, {4}, {5}]


def test_recording_into_a_used_folder_is_refused(folder, mmecg):
    write(folder, mmecg, [raw(0, mmecg.frame_bytes)])
    with pytest.raises(FileExistsError, match="not empty"):
        Recorder(folder, mmecg, "sdk")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "meta.json").unlink(), "meta.json is missing"),
        (lambda f: (f / "meta.json").write_text("{"), "damaged"),
        (
            lambda f: (f / "meta.json").write_text(json.dumps({"format": "x/9", "iq_order": "sdk", "frame_bytes": 1})),
            "format 'x/9'",
        ),
        (lambda f: (f / "frames.idx").write_bytes(b""), "no complete frame"),
    ],
)
def test_damage_is_reported(folder, mmecg, damage, message):
    write(folder, mmecg, [raw(0, mmecg.frame_bytes)])
    damage(folder)
    with pytest.raises(RecordingError, match=message):
        open_recording(folder)


def test_a_row_that_points_outside_is_left_out(folder, mmecg):
    write(folder, mmecg, [raw(seq, mmecg.frame_bytes) for seq in range(3)])
    rows = np.fromfile(folder / "frames.idx", INDEX_ROW)
    rows["offset"][1] = 2**64 - 1
    rows.tofile(folder / "frames.idx")
    assert [frame.seq for frame in open_recording(folder).frames()] == [0, 2]


def test_a_byte_count_that_jumps_does_not_end_the_recording(folder, mmecg):
    """A wrong count of 2^48 bytes would be a place in the file that no file system has."""
    far = (1 << 48) // mmecg.frame_bytes
    frames = [raw(seq, mmecg.frame_bytes) for seq in (0, 1, far, far + 1)]
    write(folder, mmecg, frames)
    assert [(frame.seq, bytes(frame.data)) for frame in open_recording(folder).frames()] == [
        (frame.seq, frame.data) for frame in frames
    ]
    assert (folder / "adc.bin").stat().st_size == 4 * mmecg.frame_bytes
