"""The data port's socket: all waiting datagrams are received, complete and with times; limits are reported."""

import time

import pytest

from edge.radar.dca1000.udp import BATCH, DatagramReceiver, open_socket
from edge.twin.card import EmulatedCard, Packetizer


def test_all_waiting_datagrams_are_received():
    with open_socket("127.0.0.1", 0) as source:
        receiver = DatagramReceiver(source, 1466)
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
    assert all(0 <= time.time_ns() - packet.t_ns < 60e9 for batch in batches for packet in batch)
    assert all(0 <= time.monotonic_ns() - packet.steady_ns < 60e9 for batch in batches for packet in batch)
    assert {packet.sender for batch in batches for packet in batch} == {"127.0.0.1"}
    assert [len(batch) for batch in batches] == [BATCH, 5]
    assert packets[: BATCH + 3] == Packetizer().push(bytes(1456 * (BATCH + 3)))
    assert [len(packet) for packet in packets[BATCH + 3 :]] == [0, 1467]  # truncated, one byte longer than the maximum


def test_an_interface_that_does_not_exist_is_reported():
    with pytest.raises(OSError, match=r"network interface eth77 only \(No such device\): correct interface"):
        open_socket("127.0.0.1", 0, "eth77")


def test_a_small_buffer_is_reported_with_its_remedy(caplog, monkeypatch):
    monkeypatch.setattr("edge.radar.dca1000.udp.WANTED_BUFFER_BYTES", 1 << 40 >> 10)
    open_socket("127.0.0.1", 0).close()
    assert "run: sudo sysctl -w net.core.rmem_max=1073741824" in caplog.text
