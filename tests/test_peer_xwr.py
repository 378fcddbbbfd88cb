"""An independent receiver, the PyPI package xwr, sets up the emulated card and sees the frames that we see."""

import numpy as np
import pytest

from edge.radar.dca1000.data_port import DataPort
from edge.radar.iq import decode, encode
from tests.edge.radar.dca1000.test_control import CARD, HOST, answering
from tests.helpers.brokers import free_port

capture = pytest.importorskip("xwr.capture", exc_type=ImportError)


def test_xwr_sees_the_same_frames(mmecg):
    rng = np.random.default_rng(0)
    shape = mmecg.frame_shape
    sent = [encode((rng.normal(0, 500, (*shape, 2)) @ [1, 1j]).astype(np.complex64), "sdk") for _ in range(20)]
    data_port = free_port()
    with answering(data_port=data_port) as emulated:
        theirs = capture.DCA1000EVM(HOST, CARD, data_port, emulated.control_port, timeout=0.3)
        theirs.setup()
        theirs.start()
        for frame in [*sent, bytes(mmecg.frame_bytes)]:
            emulated.send(frame)
        received = list(theirs.stream([*shape[:-1], shape[-1] * 2]))
        theirs.stop()
        theirs.config_socket.close()
        theirs.data_socket.close()
        assert not emulated.recording

        ours = DataPort(HOST, data_port, mmecg.frame_bytes)
        emulated.recording = True
        emulated.restart()
        for frame in [*sent, bytes(mmecg.frame_bytes)]:
            emulated.send(frame)
        frames = ours.frames()
        mine = [frame.data for _ in sent if (frame := next(frames))]
        ours.close()
    assert [bytes(frame.data) for frame in received[: len(sent)]] == sent == [bytes(data) for data in mine]
    assert all(frame.complete for frame in received[: len(sent)])

    words = np.frombuffer(received[0].data, np.int16).reshape([*shape[:-1], shape[-1] * 2])
    iq = np.zeros(shape, np.complex64)  # as xwr's documentation reads it
    iq[..., 0::2] = 1j * words[..., 0::4] + words[..., 2::4]
    iq[..., 1::2] = 1j * words[..., 1::4] + words[..., 3::4]
    assert np.array_equal(iq, decode(mine[0], shape, "sdk"))
