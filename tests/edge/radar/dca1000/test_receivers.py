"""The compiled receiver: the same frames and counters as the portable one, whatever arrives; times; limits."""

import errno
import os
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.compiled import load_library
from edge.radar.dca1000 import native
from edge.radar.dca1000.assembler import NEAR_BYTES, PAUSE_S, TAIL_S, pack_header
from edge.radar.dca1000.native import NativeReceiver
from edge.radar.dca1000.receivers import PortableReceiver, open_receiver
from edge.radar.dca1000.udp import Datagram, open_socket
from edge.twin.card import Packetizer
from tests.helpers.assemblers import NativeAssembler

RECEIVERS = [PortableReceiver, NativeReceiver]
FRAME = 12288
CARD, OTHER = "10.0.0.1", "10.0.0.2"
CLOCK_STEP_NS = 10_000_000  # as in `_capture.c`
PAYLOAD = bytes(k % 251 + 1 for k in range(1456))
PAUSES_NS = [0, 0, 0, 0, 100_000, 100_000_000, round(PAUSE_S * 1e9), round(PAUSE_S * 1e9) + 1]
PAUSES_NS += [10**9, round(TAIL_S * 1e9), round(TAIL_S * 1e9) + 1, -(10**9)]  # the last: the clock is set


def numbered(sequence, start, size):
    return pack_header(sequence, start % 2**48) + (PAYLOAD * 7)[:size]


@st.composite
def arrivals(draw):
    """Runs of packets: each continues, repeats or jumps, loses and delays some, and may end with a short one."""
    packets, t_ns, number, start = [], 10**18, 1, 0
    for _ in range(draw(st.integers(1, 6))):
        t_ns += draw(st.sampled_from(PAUSES_NS))
        near = st.integers(-20, 20).map(lambda k, number=number, start=start: (number + k, start + 1456 * k))
        far = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 1456, NEAR_BYTES + 1, 2**32 - 5, 2**48 - 1]))
        number, start = draw(st.one_of(st.just((number, start)), st.just((1, 0)), near, far))
        run = [(number + k, start + 1456 * k, 1456) for k in range(draw(st.integers(1, 30)))]
        if draw(st.booleans()):
            run[-1] = (*run[-1][:2], draw(st.sampled_from([0, 1, 368, 1455, 1457, 9000])))
        number, start = run[-1][0] + 1, run[-1][1] + run[-1][2]
        lost, late = draw(st.sets(st.integers(0, 29), max_size=4)), draw(st.sets(st.integers(0, 29), max_size=3))
        for k in sorted(set(range(len(run))) - lost, key=lambda k, late=late: k + 9 * (k in late)):
            t_ns += draw(st.sampled_from([50_000] * 12 + PAUSES_NS))
            sender = draw(st.sampled_from([CARD] * 15 + [OTHER]))
            packets += [Datagram(numbered(*run[k]), sender, t_ns, t_ns - 10**17)] * draw(st.sampled_from([1] * 9 + [2]))
    return packets


def portable_receiver(frame_bytes, senders):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        return PortableReceiver(unused, frame_bytes, PAUSE_S, TAIL_S, senders)


def counters(receiver):
    foreign = receiver.foreign_packets, receiver.foreign_sender, receiver.second_sender
    return receiver.restarts, receiver.ignored, receiver.has_incomplete_frame, *foreign


def take_all(portable):
    frames = []
    while taken := portable.take(0.0):
        frames += taken
    return frames


@pytest.mark.parametrize("senders", [None, [CARD], []])
@given(arrivals(), st.sampled_from([FRAME, FRAME, 256, 1456, 3200, 100_000]), st.integers(0, 60))
def test_both_give_the_same_frames_and_counters(senders, arrivals, frame_bytes, flush_at):
    portable = portable_receiver(frame_bytes, senders)
    compiled = NativeAssembler(frame_bytes, PAUSE_S, TAIL_S, senders)
    for k, packet in enumerate(arrivals):
        portable.push(packet)
        assert compiled.push(packet) == take_all(portable)
        if senders is not None:
            assert counters(compiled) == counters(portable)
        if k == flush_at:
            portable.flush()
            assert compiled.flush() == take_all(portable)
    portable.flush()
    assert compiled.flush() == take_all(portable)
    assert counters(compiled) == counters(portable)


@pytest.fixture(params=RECEIVERS)
def received(request):
    """A receiver of its own socket with a function that sends to it."""
    with open_socket("127.0.0.1", 0) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.connect(source.getsockname())
        yield request.param(source, FRAME, PAUSE_S, TAIL_S), card


def packets_of(frames):
    packetizer = Packetizer()
    return [packet for frame in [*frames, bytes(FRAME)] for packet in packetizer.push(frame)]


def test_frames_have_the_times_at_which_they_arrived(received):
    receiver, card = received
    before_ns, steady_before_ns = time.time_ns(), time.monotonic_ns()
    for packet in packets_of([bytes(FRAME)] * 3):
        card.send(packet)
    receiver.receive(0.01)
    frames = take_all(receiver)
    assert [frame.seq for frame in frames] == [0, 1, 2]
    t_ns = [before_ns, *(frame.t_ns for frame in frames), time.time_ns()]
    assert t_ns == sorted(t_ns)
    for frame in frames:  # a clock that drifts by less than CLOCK_STEP_NS between two calls is not seen as set
        assert steady_before_ns - CLOCK_STEP_NS <= frame.steady_ns <= time.monotonic_ns() + CLOCK_STEP_NS


def test_datagrams_of_any_length_are_received_over_a_socket(received):
    receiver, card = received
    for data in (b"", bytes(9), bytes(9000), *packets_of([bytes(FRAME)]), bytes(1467)):
        card.send(data)
    receiver.receive(0.01)
    assert [frame.complete for frame in take_all(receiver)] == [True]
    assert receiver.ignored == 4


def test_silence_is_the_time_without_packets(received):
    receiver, card = received
    created_s = receiver.last_frame_s
    receiver.receive(0.01)
    assert 0 < receiver.silence_s <= time.monotonic() - created_s
    sent_s = time.monotonic()
    card.send(packets_of([])[0])
    receiver.receive(0.01)
    assert receiver.silence_s <= time.monotonic() - sent_s
    assert receiver.last_frame_s == created_s


@pytest.mark.parametrize("step_s", [-4, 4, 3600])
def test_the_monotonic_time_does_not_follow_a_clock_that_is_set(step_s):
    """The clock is set between two calls: the state still has the offset between the clocks of the first."""
    with open_socket("127.0.0.1", 0) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        receiver = NativeReceiver(source, 1456, PAUSE_S, TAIL_S)
        receiver._state.offset_ns -= step_s * 10**9
        before_ns = time.monotonic_ns()
        card.sendto(pack_header(1, 0) + bytes(1456), source.getsockname())
        receiver.receive(0.0)
        (frame,) = receiver.take(0.0)
        assert before_ns <= frame.steady_ns <= time.monotonic_ns()  # the time of the call, not the kernel's
        assert abs(receiver._state.offset_ns - (time.time_ns() - time.monotonic_ns())) < 10**9


def test_frames_that_nobody_takes_are_dropped_and_the_newest_bytes_stay_in_order():
    compiled = NativeAssembler(64)
    data = packets_of([bytes(k % 256 for k in range(FRAME))] * 20)
    for k, packet in enumerate(data):
        compiled._library.capture_push(compiled._address, packet, len(packet), 1, k, k)
    taken = []
    while frames := compiled.take(0.0):
        taken += frames
    assert [frame.seq for frame in taken] == list(range(native.MAX_QUEUED_FRAMES))
    assert compiled._state.released_count > native.MAX_QUEUED_FRAMES


def test_frames_are_taken_by_another_thread_while_they_arrive():
    with open_socket("127.0.0.1", 0) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        receiver, taken = NativeReceiver(source, FRAME, PAUSE_S, TAIL_S), []
        frames = [os.urandom(FRAME) for _ in range(200)]

        def take():
            while len(taken) < len(frames):
                taken.extend(receiver.take(0.1))

        taking = threading.Thread(target=take)
        taking.start()
        for k, packet in enumerate(packets_of(frames)):
            card.sendto(packet, source.getsockname())
            if k % 20 == 0:
                receiver.receive(0.0)
        receiver.receive(0.0)
        taking.join()
    assert [bytes(frame.data) for frame in taken] == frames


def test_frames_are_held_back_until_as_many_as_wanted_are_there():
    with open_socket("127.0.0.1", 0) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        receiver, taken = NativeReceiver(source, FRAME, PAUSE_S, TAIL_S), []
        taking = threading.Thread(target=lambda: taken.extend(receiver.take(3600.0, 5)))
        taking.start()
        for packet in packets_of([os.urandom(FRAME) for _ in range(5)]):
            card.sendto(packet, source.getsockname())
            receiver.receive(0.0)
        taking.join()
        assert [frame.seq for frame in taken[:5]] == [0, 1, 2, 3, 4]


def test_an_error_of_the_socket_is_raised():
    source = open_socket("127.0.0.1", 0)
    receiver = NativeReceiver(source, FRAME, PAUSE_S, TAIL_S)
    source.close()
    with pytest.raises(OSError, match="cannot receive: EBADF") as raised:
        receiver.receive(0.0)
    assert raised.value.errno == errno.EBADF


@pytest.mark.parametrize("frame_bytes", [0, -1, 1 << 29, 1 << 62])
def test_a_frame_of_an_impossible_size_is_refused(frame_bytes):
    with pytest.raises(ValueError, match="it must have 1 byte to 256 MiB"):
        NativeAssembler(frame_bytes)


def test_without_the_compiled_capture_there_is_the_portable_one_and_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(native, "COMPILED", False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        assert isinstance(open_receiver(source, FRAME, PAUSE_S, TAIL_S, None), PortableReceiver)
    assert "the capture is not compiled" in caplog.text


def test_a_library_of_other_sources_is_refused():
    with pytest.raises(ImportError, match="built from another version of the sources"):
        load_library("edge.radar.dca1000._capture", "capture_layout", (1, 2))


def test_a_library_that_is_not_built_is_none():
    assert load_library("edge.radar.dca1000._missing", "capture_layout", ()) is None
