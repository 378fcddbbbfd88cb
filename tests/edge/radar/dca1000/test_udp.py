"""Receivers of the data port: all waiting datagrams are received, complete and with timestamps; limits are reported."""

import errno
import select
import socket
import time

import pytest

from edge.radar.dca1000.udp import BATCH, CLOCK_STEP_NS, BatchReceiver, SingleReceiver, open_socket, receiver
from edge.twin.card import EmulatedCard, Packetizer


@pytest.mark.parametrize("kind", [SingleReceiver, BatchReceiver])
def test_both_receivers_take_what_waits(kind):
    with open_socket("127.0.0.1", 0) as source:
        receiver = kind(source, 1466)
        assert receiver.receive() == []
        card = EmulatedCard(source.getsockname())
        card.send(bytes(1456 * (BATCH + 3)))
        card._data.sendto(b"", source.getsockname())
        card._data.sendto(bytes(9000), source.getsockname())
        card.close()
        batches = []
        while batch := receiver.receive():
            batches.append([packet._replace(data=bytes(packet.data)) for packet in batch])
    packets = [packet.data for batch in batches for packet in batch]
    assert len({packet.sender for batch in batches for packet in batch}) == 1
    assert all(0 <= time.time_ns() - packet.t_ns < 60e9 for batch in batches for packet in batch)
    assert all(0 <= time.monotonic_ns() - packet.steady_ns < 60e9 for batch in batches for packet in batch)
    assert {packet.sender for batch in batches for packet in batch} == {"127.0.0.1"}
    assert [len(batch) for batch in batches] == [BATCH, 5]
    assert packets[: BATCH + 3] == Packetizer().push(bytes(1456 * (BATCH + 3)))
    assert [len(packet) for packet in packets[BATCH + 3 :]] == [0, 1467]  # truncated, one byte longer than the maximum


@pytest.mark.parametrize("step_s", [-4, 4, 3600])
def test_the_monotonic_time_does_not_follow_a_clock_that_is_set(monkeypatch, step_s):
    set_by_ns, unix_ns = [0], time.time_ns
    monkeypatch.setattr("edge.radar.dca1000.udp.time.time_ns", lambda: unix_ns() + set_by_ns[0])
    with open_socket("127.0.0.1", 0) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        receiver, stamps = BatchReceiver(source, 1466), []
        for step in (0, step_s, 0):  # the kernel's times stay, so this process sees the clock as set
            set_by_ns[0] = -step * 10**9
            before_ns = time.monotonic_ns()
            card.sendto(bytes(1466), source.getsockname())
            select.select([source], [], [])
            (packet,) = receiver.receive()
            stamps.append((before_ns, packet.steady_ns, time.monotonic_ns()))
    for before_ns, steady_ns, after_ns in stamps:
        # A clock that drifts by less than CLOCK_STEP_NS between the calls is not seen as set.
        assert before_ns - CLOCK_STEP_NS <= steady_ns <= after_ns + CLOCK_STEP_NS


def test_an_interface_that_does_not_exist_is_reported():
    with pytest.raises(OSError, match=r"network interface eth77 only \(No such device\): correct interface"):
        open_socket("127.0.0.1", 0, "eth77")


class Unstamped(socket.socket):
    """A socket of an emulated Linux, which does not support timestamps."""

    def setsockopt(self, level, option, *value):
        raise OSError(errno.ENOPROTOOPT, "Protocol not available")


def test_where_datagrams_are_not_stamped_they_are_taken_all_the_same():
    with Unstamped(socket.AF_INET, socket.SOCK_DGRAM) as source:
        assert isinstance(receiver(source, 1466), SingleReceiver)


def test_a_small_buffer_is_reported_with_its_remedy(caplog, monkeypatch):
    monkeypatch.setattr("edge.radar.dca1000.udp.WANTED_BUFFER_BYTES", 1 << 40 >> 10)
    open_socket("127.0.0.1", 0).close()
    assert "run: sudo sysctl -w net.core.rmem_max=1073741824" in caplog.text
