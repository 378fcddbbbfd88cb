"""The front end in another process: the same results as in one process, and clear errors."""

import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from edge.analysis import open_recording
from edge.analysis import recording as recordings
from edge.dsp.frontend.rcg import RcgExtractor
from edge.front_end_process import FrontEndProcess
from edge.sources.recording import open_recording as open_raw_recording
from edge.sources.replay import ReplaySource


def test_a_replay_on_two_processes_gives_the_same(twin_result, twin_recordings, monkeypatch):
    monkeypatch.setattr(recordings, "MIN_RECORDED_S", np.inf)
    result = open_recording(twin_recordings / "raw").reconstruct()
    for name in ("ecg_mv", "r_peak_t_ns", "r_peak_confidence"):
        np.testing.assert_array_equal(getattr(result, name), getattr(twin_result, name))
    for field in fields(result.seconds):
        np.testing.assert_array_equal(getattr(result.seconds, field.name), getattr(twin_result.seconds, field.name))


def test_gaps_and_restarts_are_the_same(twin_recordings):
    """Lost frames, a gap that discards all, and frame numbers that begin again."""
    recording = open_raw_recording(twin_recordings / "raw")
    index = np.delete(recording.index, [450, 451, 700]).copy()
    index["seq"][800:] += 500
    index["seq"][1500:] -= 2000
    recording = replace(recording, index=index[:2200])
    extractor = RcgExtractor(recording.chirp, recording.calibration)
    with FrontEndProcess(recording) as ahead:
        pairs = [(frame, ahead.push(frame), ahead.problem, ahead.restarts) for frame in ahead.frames()]
    for (frame, block, problem, restarts), expected in zip(pairs, ReplaySource(recording).frames(), strict=True):
        wanted = extractor.push(expected)
        assert (frame.seq, frame.t_ns, frame.complete) == (expected.seq, expected.t_ns, expected.complete)
        assert (problem, restarts) == (extractor.problem, extractor.restarts)
        assert (block is None) == (wanted is None)
        if block and wanted:
            np.testing.assert_array_equal(block.rcg_mm_s2, wanted.rcg_mm_s2)
            assert (block.restarted, block.chest) == (wanted.restarted, wanted.chest)
    assert extractor.restarts == 2


def test_an_error_of_the_process_is_raised_here(twin_recordings):
    recording = open_raw_recording(twin_recordings / "raw")
    missing = replace(recording, raw=replace(recording.raw, files=(twin_recordings / "missing.bin",)))
    with FrontEndProcess(missing) as ahead, pytest.raises(FileNotFoundError, match=r"missing\.bin"):
        list(ahead.frames())


def test_a_process_that_dies_is_an_error(twin_recordings, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    recording = open_raw_recording(twin_recordings / "raw")
    with FrontEndProcess(recording) as ahead, pytest.raises(OSError, match="status 1"):
        list(ahead.frames())


def test_the_process_ends_with_the_replay(twin_recordings):
    with FrontEndProcess(open_raw_recording(twin_recordings / "raw")) as ahead:
        frames = ahead.frames()
        next(frames)
        ahead.close()
        assert list(frames) == []
    assert ahead._process.returncode is not None
