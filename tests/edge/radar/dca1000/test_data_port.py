"""Assembly of packets into frames: loss, reordering, duplicates, late start, restarts, long runs; over a socket."""

import random
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.radar.dca1000.assembler import pack_header
from edge.radar.dca1000.data_port import DataPort
from edge.radar.dca1000.udp import Datagram
from edge.twin.card import Packetizer
from tests.helpers.publishing import wait

FRAME = 12288


def stream(count: int, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [rng.bytes(FRAME) for _ in range(count)]


def packets_of(frames: list[bytes]) -> list[bytes]:
    packetizer = Packetizer()
    return [packet for frame in frames for packet in packetizer.push(frame)]


def assemble(packets, assembler):
    return [frame for packet in packets for frame in assembler.push(Datagram(packet, "card", 7))]


def test_header_bytes_are_as_documented():
    assert pack_header(1, 0) == bytes.fromhex("01000000 000000000000")
    assert pack_header(0x01020304, 0x0A0B0C0D0E0F) == bytes.fromhex("04030201 0f0e0d0c0b0a")


def test_packets_are_full_and_count_the_bytes_before_them():
    packets = packets_of(stream(91))
    assert len(packets) == 768  # frame and packet starts coincide every 91 frames
    assert {len(packet) for packet in packets} == {1466}
    assert struct.unpack_from("<IIH", packets[10]) == (11, 14560, 0)


def test_in_order_packets_give_the_frames_back(assembler_type):
    frames = stream(91)
    out = assemble(packets_of(frames), assembler_type(FRAME))
    assert [bytes(frame.data) for frame in out] == frames
    assert [frame.seq for frame in out] == list(range(91))
    assert all(frame.complete for frame in out)


@given(seed=st.integers(0, 10_000))
def test_nearby_reordering_and_duplicates_change_nothing(assembler_type, seed):
    frames = stream(30)
    packets = packets_of(frames)
    rng = random.Random(seed)
    shuffled = sorted(range(len(packets)), key=lambda k: k + rng.uniform(0, 6))
    noisy = [packets[k] for k in shuffled for _ in range(rng.choice((1, 1, 2)))]
    out = assemble(noisy, assembler_type(FRAME))
    assert [frame.seq for frame in out] == sorted(frame.seq for frame in out)
    complete = {frame.seq: bytes(frame.data) for frame in out if frame.complete}
    assert all(frames[seq] == data for seq, data in complete.items())
    assert set(range(2, 28)) <= complete.keys()


@given(lost=st.sets(st.integers(20, 200), max_size=40))
def test_a_lost_packet_marks_exactly_the_frames_it_touched(assembler_type, lost):
    frames = stream(40)
    packets = packets_of(frames)
    out = assemble([packet for k, packet in enumerate(packets) if k not in lost], assembler_type(FRAME))
    touched = {byte // FRAME for k in lost for byte in (k * 1456, k * 1456 + 1455)}
    by_seq = {frame.seq: frame for frame in out}
    for seq in range(36):
        if seq in touched:
            assert seq not in by_seq or not by_seq[seq].complete
        else:
            assert bytes(by_seq[seq].data) == frames[seq]
    for frame in out:
        assert frame.received <= FRAME
        if not frame.complete:
            received = np.frombuffer(frame.data, np.uint8)
            original = np.frombuffer(frames[frame.seq], np.uint8)
            assert np.all((received == original) | (received == 0))


def test_joining_a_running_stream_waits_for_a_complete_frame(assembler_type):
    frames = stream(30)
    out = assemble(packets_of(frames)[100:], assembler_type(FRAME))
    assert out[0].seq == -(-100 * 1456 // FRAME)
    assert all(frame.complete for frame in out)


def test_byte_counts_beyond_32_bits(assembler_type):
    start = (1 << 33) // FRAME * FRAME  # an hour at 2.46 MB/s
    assembler = assembler_type(FRAME)
    data = bytes(1456)
    out = []
    for k in range(30):
        out += assemble([pack_header(k + 1, start + k * 1456) + data], assembler)
    assert [frame.seq for frame in out] == [start // FRAME + k for k in range(3)]


def test_a_restarted_card_is_followed(assembler_type, caplog):
    packets = packets_of(stream(200))
    assembler = assembler_type(FRAME)
    before = assemble(packets, assembler)
    after = assemble(packets, assembler)
    assert before[-1].seq == 199 - 1 or before[-1].seq == 199
    assert [frame.seq for frame in after if frame.complete][:5] == [0, 1, 2, 3, 4]
    assert "the card restarted" in caplog.text


@pytest.mark.parametrize("count", [0, 1456, 1 << 40, (1 << 48) - 1456])
def test_one_stray_datagram_changes_nothing(assembler_type, count):
    frames = stream(400)
    packets = packets_of(frames)
    stray = pack_header(77, count) + bytes(1456)
    out = assemble([*packets[:2000], stray, *packets[2000:]], assembler_type(FRAME))
    assert [bytes(frame.data) for frame in out] == frames[: len(out)]
    assert len(out) >= 399


def test_a_stream_cut_for_a_minute_goes_on(assembler_type):
    far = (200 * 60) * FRAME
    assembler = assembler_type(FRAME)
    before = assemble(packets_of(stream(20)), assembler)
    later = [pack_header(9999 + k, far + k * 1456) + bytes(1456) for k in range(60)]
    after = assemble(later, assembler)
    assert before[-1].seq >= 18
    assert [frame.seq for frame in after if frame.complete][:3] == [12000, 12001, 12002]


@pytest.mark.parametrize("run", [6, 30, 60])
def test_a_card_restarted_at_once_is_followed(assembler_type, run):
    assembler = assembler_type(FRAME)
    assemble(packets_of(stream(run)), assembler)
    again = assemble(packets_of(stream(100, seed=1)), assembler)
    assert [frame.seq for frame in again if frame.complete][-5:] == [94, 95, 96, 97, 98]
    by_seq = {frame.seq: bytes(frame.data) for frame in again[-95:]}
    assert all(by_seq[seq] == data for seq, data in enumerate(stream(100, seed=1)) if seq in by_seq)


@given(frame_bytes=st.sampled_from([256, 512, 1024, 3200]), at=st.integers(30, 60))
def test_small_frames_survive_a_swap(assembler_type, frame_bytes, at):
    data = np.random.default_rng(0).bytes(1456 * 100)
    packets = [pack_header(k + 1, 1456 * k) + data[1456 * k : 1456 * (k + 1)] for k in range(100)]
    packets[at], packets[at + 1] = packets[at + 1], packets[at]
    out = assemble(packets, assembler_type(frame_bytes))
    assert all(frame.complete for frame in out)
    assert b"".join(frame.data for frame in out) == data[: frame_bytes * len(out)]
    assert len(out) >= 1456 * 98 // frame_bytes


@pytest.mark.parametrize("size", [0, 5, 10, 1467, 9000])
def test_a_datagram_that_is_no_packet_is_counted_and_ignored(assembler_type, size):
    assembler = assembler_type(FRAME)
    assert assemble([bytes(size)], assembler) == []
    assert assembler.ignored == 1


@pytest.mark.usefixtures("_each_receiver")
def test_over_a_real_socket():
    frames = stream(20)
    port = DataPort("127.0.0.1", 0, FRAME)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        for packet in packets_of([*frames, bytes(FRAME)]):
            card.sendto(packet, ("127.0.0.1", port.port))
    out = []
    for frame in port.frames():
        if frame is None:
            port.close()
        else:
            out.append(frame)
    assert [bytes(frame.data) for frame in out] == frames


CARD, FORGER = "127.0.0.2", "127.0.0.3"


def sender(address: str) -> socket.socket:
    source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    source.bind((address, 0))
    return source


@pytest.mark.usefixtures("_each_receiver")
def test_only_the_card_is_received_even_if_another_sends_first(caplog):
    mine, forged = stream(6), stream(4, seed=1)  # few enough for the buffer of an unprepared system
    port = DataPort("127.0.0.1", 0, FRAME, senders=[CARD])
    target, out = ("127.0.0.1", port.port), []
    with sender(CARD) as card, sender(FORGER) as forger:
        for packet in packets_of(forged):
            forger.sendto(packet, target)
        for packet in packets_of([*mine, bytes(FRAME)]):
            card.sendto(packet, target)
            forger.sendto(packet[:10] + bytes(1456), target)
        for frame in port.frames():
            if frame is None:
                port.close()
            else:
                out.append(frame)
    assert [bytes(frame.data) for frame in out] == mine
    assert port.foreign_packets == len(packets_of(forged)) + len(packets_of([*mine, bytes(FRAME)]))
    wait(lambda: f"packets from {FORGER} are dropped: the card's address is {CARD}" in caplog.text)


@pytest.mark.usefixtures("_each_receiver")
def test_a_second_sender_of_data_packets_is_a_fault_and_a_broadcast_is_not():
    port = DataPort("127.0.0.1", 0, FRAME, senders=[CARD])
    seen = iter(port.frames())
    with sender(FORGER) as forger:
        forger.sendto(b"who is there?", ("127.0.0.1", port.port))
        while port.foreign_packets < 1:
            assert next(seen) is None
        assert port.fault() is None
        forger.sendto(packets_of(stream(1))[0], ("127.0.0.1", port.port))
        while port.foreign_packets < 2:
            assert next(seen) is None
        assert port.fault() == f"a second sender, {FORGER}, sends data packets"
    port.close()


@pytest.mark.usefixtures("_each_receiver")
def test_silence_is_reported_while_another_sends_without_a_pause():
    port, stop = DataPort("127.0.0.1", 0, FRAME, senders=[CARD]), threading.Event()
    packet = packets_of(stream(1))[0]

    def flood():
        with sender(FORGER) as forger:
            while not stop.is_set():
                forger.sendto(packet, ("127.0.0.1", port.port))

    flooding = threading.Thread(target=flood)
    flooding.start()
    seen = port.frames()
    assert [next(seen) for _ in range(3)] == [None] * 3
    stop.set()
    flooding.join()
    port.close()


@pytest.mark.usefixtures("_each_receiver")
def test_a_port_in_use_is_reported():
    port = DataPort("127.0.0.1", 0, FRAME)
    with pytest.raises(OSError, match=rf"127.0.0.1:{port.port}"):
        DataPort("127.0.0.1", port.port, FRAME)
    port.close()


class Broken:
    def receive(self, timeout_s):
        raise OSError(12, "out of memory")

    def take(self, timeout_s, wanted):
        return []


def test_what_ends_the_receiving_is_raised(monkeypatch):
    monkeypatch.setattr("edge.radar.dca1000.data_port.open_receiver", lambda *_: Broken())
    port = DataPort("127.0.0.1", 0, 64)
    with pytest.raises(OSError, match="out of memory"):
        list(port.frames())
    port.close()
