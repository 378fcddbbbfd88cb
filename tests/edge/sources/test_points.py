"""Recordings of points: round trip, an interrupted recorder, problems, a full disk."""

import os
from pathlib import Path

import numpy as np
import pytest

from edge.core.types import Chest, RadarFrame, RawFrame, RcgBlock
from edge.radar.calibration import UNCALIBRATED
from edge.sources.metadata import RecordingError
from edge.sources.player import ReplayPlayer
from edge.sources.points import FRAME_ROW, PointsRecorder, PointsSource, open_points
from edge.sources.points_blocks import BLOCK_ROW
from edge.sources.recording import open_recording

PER_BLOCK = 4


def block(number: int, restarted: bool = False) -> RcgBlock:
    """A block of the fourth frame of its number: 3 channels, 20 samples, of very different ranges."""
    rng = np.random.default_rng(number)
    size = np.array([[1e-3], [1.0], [300.0]])
    return RcgBlock(
        t_ns=1000 + number * PER_BLOCK + PER_BLOCK - 1,
        displacement_mm=40 * number + size * rng.standard_normal((3, 20)),
        rcg_mm_s2=1e3 * size * rng.standard_normal((3, 20)),
        weights=rng.dirichlet(np.ones(3)),
        covered=rng.random(20) < 0.8,
        speed_mm_s=12.5 + number,
        chest=Chest(0.45, 20.0, number != 2),
        restarted=restarted,
        points_m=np.full((3, 3), 0.25) if number < 3 else np.full((3, 3), 0.5),
    )


class MadeUpFrontEnd:
    """A block after each four complete frames; restarts and has a problem at given frames."""

    def __init__(self) -> None:
        self.restarts, self.problem = 0, None
        self.blocks: list[RcgBlock] = []

    def push(self, frame: RadarFrame) -> RcgBlock | None:
        self.restarts += frame.seq == 12
        self.problem = "nothing moves" if 6 <= frame.seq < 9 else None
        if frame.seq % PER_BLOCK != PER_BLOCK - 1:
            return None
        number = frame.seq // PER_BLOCK
        self.blocks.append(block(number, restarted=number in (0, 3)))
        return self.blocks[-1]

    def restart(self) -> None:
        raise AssertionError


def write(folder, chirp, frames=20) -> list[RcgBlock]:
    front_end = MadeUpFrontEnd()
    data = bytes(range(1, 256)) * (chirp.frame_bytes // 255 + 1)
    with PointsRecorder(folder, chirp, "sdk", UNCALIBRATED, front_end) as recorder:
        for seq in range(frames):
            received = chirp.frame_bytes - 100 * (seq == 5)
            recorder.write(RawFrame(seq, 1000 + seq, data[: chirp.frame_bytes], received))
    return front_end.blocks


def replayed(folder):
    """What the front end gives for each frame, its problems and its restarts."""
    recording = open_points(folder)
    front_end = recording.front_end()
    out = []
    for frame in PointsSource(recording).frames():
        found = front_end.push(frame)
        out.append((frame, found, front_end.problem, front_end.restarts))
    return out


def test_what_is_written_comes_back(tmp_path, mmecg):
    blocks = write(tmp_path / "points", mmecg)
    out = replayed(tmp_path / "points")
    assert [(frame.seq, frame.t_ns, frame.complete) for frame, *_ in out] == [
        (seq, 1000 + seq, seq != 5) for seq in range(20)
    ]
    assert [frame.seq for frame, found, *_ in out if found] == [3, 7, 11, 15, 19]
    for found, given in zip([found for _, found, *_ in out if found], blocks, strict=True):
        # Half of the last of 16 bits; the range is rounded up to a power of two, and its end may be cut by one bit.
        rounding = 2.0**-14
        away_mm = given.displacement_mm - given.displacement_mm.mean(axis=1, keepdims=True)
        for values, kept, size in (
            (given.displacement_mm, found.displacement_mm, np.abs(away_mm).max(axis=1) + 1e-5),  # of the float32 mean
            (given.rcg_mm_s2, found.rcg_mm_s2, np.abs(given.rcg_mm_s2).max(axis=1)),
        ):
            assert (np.abs(kept - values).max(axis=1) <= rounding * size).all()
        np.testing.assert_allclose(found.weights, given.weights, rtol=1e-6)
        np.testing.assert_array_equal(found.covered, given.covered)
        np.testing.assert_array_equal(found.points_m, given.points_m)
        assert (found.t_ns, found.speed_mm_s, found.chest) == (given.t_ns, given.speed_mm_s, given.chest)
        assert found.restarted == given.restarted
    assert [problem for _, _, problem, _ in out] == [None] * 6 + ["nothing moves"] * 3 + [None] * 11
    assert [restarts for *_, restarts in out] == [0] * 12 + [1] * 8
    assert open_points(tmp_path / "points").problem_at(7) == "nothing moves"
    assert open_points(tmp_path / "points").problem_at(9) is None


def test_a_night_takes_less_than_a_fiftieth_of_the_raw_samples(twin_recordings):
    size = {name: sum(f.stat().st_size for f in (twin_recordings / name).iterdir()) for name in ("raw", "points")}
    seconds = len(open_points(twin_recordings / "points").index) / 100
    assert size["points"] / seconds < 55_000  # bytes; of the raw samples, twice as many frames a second are usual
    assert size["points"] < size["raw"] / 20


@pytest.mark.parametrize("name", ["frames.idx", "blocks.idx", "points.bin", "problems.jsonl"])
def test_a_file_cut_at_any_byte_loses_only_its_end(tmp_path, mmecg, name):
    blocks = write(tmp_path / "points", mmecg)
    file = tmp_path / "points" / name
    whole = file.stat().st_size
    for cut in (1, FRAME_ROW.itemsize, BLOCK_ROW.itemsize, whole // 2):
        os.truncate(file, whole - cut)
        out = replayed(tmp_path / "points")
        assert [frame.seq for frame, *_ in out] == list(range(len(out)))
        for frame, found, *_ in out:
            if found:
                np.testing.assert_array_equal(found.covered, blocks[frame.seq // PER_BLOCK].covered)
                assert found.t_ns == frame.t_ns
    assert len(out) >= 10


def test_a_full_disk_is_an_error(tmp_path, mmecg):
    recorder = PointsRecorder(tmp_path / "points", mmecg, "sdk", UNCALIBRATED, MadeUpFrontEnd())
    with recorder, Path("/dev/full").open("wb", buffering=0) as full:
        recorder._frames.close()
        recorder._frames = full
        with pytest.raises(OSError, match="No space left"):
            recorder.write(RawFrame(0, 0, b"\1" * mmecg.frame_bytes, mmecg.frame_bytes))


def test_commands_that_need_raw_samples_name_the_one_that_does_not(tmp_path, mmecg):
    write(tmp_path / "points", mmecg)
    with pytest.raises(RecordingError, match="points of the chest instead of raw samples; only radarecg replay"):
        open_recording(tmp_path / "points")


def test_a_used_folder_is_refused(tmp_path, mmecg):
    write(tmp_path / "points", mmecg)
    with pytest.raises(FileExistsError, match="not empty"):
        write(tmp_path / "points", mmecg)


def test_a_recording_can_be_played_from_a_later_frame(mmecg, tmp_path):
    write(tmp_path / "rec", mmecg)
    whole = [found for _, found, _, _ in replayed(tmp_path / "rec")][10:]
    part = open_points(tmp_path / "rec").from_frame(10)
    front_end = part.front_end()
    found = [front_end.push(frame) for frame in PointsSource(part).frames()]
    assert [one is None for one in found] == [one is None for one in whole]
    blocks, same = ([one for one in each if one] for each in (found, whole))
    for one, other in zip(blocks, same, strict=True):
        np.testing.assert_array_equal(one.displacement_mm, other.displacement_mm)
        assert one.t_ns == other.t_ns
    assert blocks[0].restarted
    player = ReplayPlayer(open_points(tmp_path / "rec"), 1.0, False, lambda state: None)
    assert next(player.stretches()) == 0
    front_end = player.front_end()
    assert sum(front_end.push(frame) is not None for frame in player.frames()) == 5
