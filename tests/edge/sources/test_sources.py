"""The contract of every source: ascending numbers, visible gaps, a clean stop."""

import socket
import threading
from itertools import pairwise

import numpy as np
import pytest

from edge.core.types import RawFrame
from edge.radar.iq import decode
from edge.sources.live import LiveSource
from edge.sources.recording import Recorder, open_recording
from edge.sources.replay import ReplaySource
from edge.twin.card import Packetizer

COUNT = 12
LOST = 5


@pytest.fixture(scope="module")
def frames(mmecg):
    return [np.random.default_rng(k).bytes(mmecg.frame_bytes) for k in range(COUNT)]


def replay_source(frames, chirp, tmp_path):
    with Recorder(tmp_path / "rec", chirp, "sdk") as recorder:
        for seq, data in enumerate(frames):
            if seq != LOST:
                recorder.write(RawFrame(seq, seq, data, len(data)))
    return ReplaySource(open_recording(tmp_path / "rec"))


def live_source(frames, chirp, tmp_path):
    source = LiveSource(chirp, "sdk", "127.0.0.1", 0)
    packetizer = Packetizer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        for seq, data in enumerate([*frames, bytes(chirp.frame_bytes)]):
            for packet in packetizer.push(data):
                if seq not in (LOST, LOST + 1):  # the packet across the border belongs to the next frame's push
                    card.sendto(packet, ("127.0.0.1", source.port))
    threading.Timer(0.5, source.close).start()
    return source


@pytest.mark.parametrize("make", [replay_source, live_source])
def test_contract(make, frames, mmecg, tmp_path):
    source = make(frames, mmecg, tmp_path)
    assert source.chirp.frame_bytes == mmecg.frame_bytes
    out = [frame for frame in source.frames() if frame is not None]
    seq = [frame.seq for frame in out]
    assert seq == sorted(set(seq))
    assert all(a.t_ns <= b.t_ns for a, b in pairwise(out))
    assert not any(frame.complete for frame in out if frame.seq == LOST)
    for frame in out:
        if frame.complete:
            np.testing.assert_array_equal(frame.iq, decode(frames[frame.seq], mmecg.frame_shape, "sdk"))
    assert {0, 1, 2, 3, 8, 9, 10} <= {frame.seq for frame in out if frame.complete}


@pytest.mark.parametrize("make", [replay_source, live_source])
def test_close_ends_the_stream(make, frames, mmecg, tmp_path):
    source = make(frames, mmecg, tmp_path)
    stream = source.frames()
    next(stream)
    source.close()
    source.close()
    assert len(list(stream)) <= 1
