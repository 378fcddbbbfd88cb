"""The card's behaviour in public captures (FPGA 2.8): sends from port 1024, and the rest of a stream after 2.00 s.

Also other behaviour of card, host and network: other ports and hosts; late, repeated and malformed replies.
"""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

import edge.radar.dca1000.control as control
from edge.radar.dca1000.assembler import pack_header
from edge.radar.dca1000.control import Card, CardConfig, CardError, load_card
from edge.radar.dca1000.data_port import DataPort, pause_s
from edge.radar.dca1000.messages import parse_reply
from edge.radar.dca1000.udp import Datagram
from edge.twin.card import TAIL_S, EmulatedCard
from tests.helpers.brokers import free_port

HOST, CARD = "127.0.0.1", "127.0.0.5"  # an address of this file's own: port 1024 can be bound only once
FRAME = 16384  # of the capture: eleven full packets and 368 bytes


def capture(frames=1, sequence=1, start=0):
    """(seconds, packet) of a recording: packets 50 us apart, the last, short one 2.00 s after the one before it."""
    data = bytes(k % 251 + 1 for k in range(frames * FRAME))
    pieces = [data[k : k + 1456] for k in range(0, len(data), 1456)]
    at_s = [50e-6 * k for k in range(len(pieces))]
    if len(pieces[-1]) < 1456:
        at_s[-1] = at_s[-2] + 2.00
    headers = [pack_header(sequence + k, start + 1456 * k) for k in range(len(pieces))]
    return data, [(t, header + piece) for t, header, piece in zip(at_s, headers, pieces, strict=True)]


def assemble(assembler, packets, from_s=1e9):
    stamped = [Datagram(packet, "card", round((from_s + t) * 1e9)) for t, packet in packets]
    return [frame for packet in stamped for frame in assembler.push(packet)]


def test_the_last_packet_is_the_captured_one():
    _, packets = capture()
    assert (len(packets), len(packets[-1][1]) - 10, packets[-1][1][:10].hex()) == (12, 368, "0c000000903e00000000")


@pytest.mark.parametrize("frames", [1, 5])
def test_the_last_frame_is_complete_and_has_its_own_time(assembler_type, frames):
    data, packets = capture(frames)
    released = assemble(assembler_type(FRAME), packets)
    assert b"".join(bytes(frame.data) for frame in released) == data
    assert all(frame.complete for frame in released)
    assert released[-1].t_ns == round((1e9 + packets[-2][0]) * 1e9)  # the card delayed it


@pytest.mark.parametrize("frame_bytes", [256, 1456, 1520, 3200])
def test_a_stream_of_one_small_frame_is_a_stream(assembler_type, frame_bytes):
    packets = [(0.0, pack_header(1, 0) + bytes([1]) * min(1456, frame_bytes))]
    packets += [(2e-3, pack_header(2, 1456) + bytes([1]) * 1456)] * (frame_bytes > 2 * 1456)
    full = sum(len(packet) - 10 for _, packet in packets)
    if full < frame_bytes:
        packets.append((2.0, pack_header(len(packets) + 1, full) + bytes([1]) * (frame_bytes - full)))
    released = assemble(assembler_type(frame_bytes), packets)
    assert [(bytes(frame.data), frame.complete) for frame in released] == [(bytes([1]) * frame_bytes, True)]


def test_a_stream_goes_on_behind_a_short_packet(assembler_type):
    """As with a hardware trigger; sequence and byte count then no longer correspond."""
    assembler, released = assembler_type(FRAME), []
    for number in range(4):
        _, packets = capture(1, 1 + 12 * number, FRAME * number)
        released += assemble(assembler, packets, 1e9 + 60 * number)
    assert [(frame.seq, frame.complete) for frame in released] == [(number, True) for number in range(4)]
    assert assembler.restarts == 0


def test_the_rest_of_a_stream_comes_twice(assembler_type):
    data, packets = capture()
    released = assemble(assembler_type(FRAME), [*packets, packets[-1]])
    assert [bytes(frame.data) for frame in released] == [data]


def test_without_its_rest_a_frame_is_given_up_as_it_is(assembler_type):
    assembler = assembler_type(FRAME)
    _, packets = capture()
    assert assemble(assembler, packets[:-1]) == []
    assert assembler.has_incomplete_frame
    assert [(frame.seq, frame.received) for frame in assembler.flush()] == [(0, 16016)]
    assert assemble(assembler, packets[-1:], 1e9 + 1) == []


def test_a_new_recording_does_not_complete_the_frame_of_the_last(assembler_type):
    """Full packets after a pause are not the rest of a stream, even if the byte count fits."""
    assembler = assembler_type(FRAME)
    _, packets = capture(3)
    assemble(assembler, packets[:16])
    released = assemble(assembler, [(t + 2, packet) for t, packet in packets[16:-1]])
    assert [(frame.seq, frame.received) for frame in released if frame.seq == 1] == [(1, 16 * 1456 - FRAME)]


@pytest.mark.parametrize("period_s", [0.15, 0.5, 1.342])
def test_slow_frames_are_complete(assembler_type, iwr6843, period_s):
    """The end of a frame arrives with the beginning of the next one, a period later."""
    _, packets = capture(10)
    spread = [(period_s * (((k + 1) * 1456 - 1) // FRAME), packet) for k, (_, packet) in enumerate(packets[:-1])]
    chirp = replace(iwr6843, frame_period_s=period_s)
    released = assemble(assembler_type(FRAME, pause_s(chirp)), spread)
    assert [frame.complete for frame in released] == [True] * 9


def receive(port):
    return [frame for frame in port.frames() if frame]


@pytest.mark.usefixtures("_each_receiver")
def test_the_rest_is_waited_for_over_a_real_socket_from_any_port():
    """In real time: with the emulated card's delay of two seconds, and each packet from a different port."""
    data, packets = capture()
    port = DataPort(HOST, 0, FRAME)
    for t_s, packet in packets:
        time.sleep(t_s if t_s > 1 else 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
            card.bind((CARD, 0))
            card.sendto(packet, (HOST, port.port))
    port.finish()
    assert [bytes(frame.data) for frame in receive(port)] == [data]


@pytest.mark.usefixtures("_each_receiver")
def test_a_finished_port_ends_at_once_where_nothing_is_missing():
    port = DataPort(HOST, 0, 1456, tail_s=3600)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.sendto(pack_header(1, 0) + bytes(1456), (HOST, port.port))
    port.finish()
    assert [frame.complete for frame in receive(port)] == [True]


@pytest.mark.usefixtures("_each_receiver")
def test_a_finished_port_hands_over_what_came_of_a_frame_whose_rest_does_not_come():
    port = DataPort(HOST, 0, FRAME, tail_s=0.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        for _, packet in capture()[1][:-1]:
            card.sendto(packet, (HOST, port.port))
    port.finish()
    assert [frame.received for frame in receive(port)] == [16016]


@pytest.mark.usefixtures("_each_receiver")
def test_live_a_gap_is_silence_and_what_comes_late_is_dropped():
    port = DataPort(HOST, 0, FRAME, tail_s=0.0)
    _, packets = capture()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        for _, packet in packets[:-1]:
            card.sendto(packet, (HOST, port.port))
        frames = port.frames()
        assert next(frame for frame in frames if frame).received == 16016
        for _, packet in [*packets[-1:], *capture(2, 13, FRAME)[1][:-1]]:
            card.sendto(packet, (HOST, port.port))
        after = next(frame for frame in frames if frame)
    port.close()
    assert (after.seq, after.complete) == (1, True)


@contextmanager
def responder(answer, source=(CARD, 1024)):
    """Receives at the card's control port; `answer(request)` yields (socket's address or None, reply)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((CARD, 0))
        listening.settimeout(0.02)
        stopped = threading.Event()

        def run():
            while not stopped.is_set():
                try:
                    message, host = listening.recvfrom(2048)
                except TimeoutError:
                    continue
                for sender, reply in answer(message):
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                        sending.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        sending.bind(sender or source)
                        sending.sendto(reply, host)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopped.set()
            thread.join()


def reply_to(message, status=0):
    return message[:4] + status.to_bytes(2, "little") + bytes.fromhex("aaee")


# Datagrams that a card may send in addition to its reply.
ODDITIES = {
    "from port 1024": lambda message: [(None, reply_to(message))],
    "from any port": lambda message: [((CARD, 0), reply_to(message))],
    "with bytes behind the footer": lambda message: [(None, reply_to(message) + bytes(10))],
    "twice": lambda message: [(None, reply_to(message))] * 2,
    "behind an older reply": lambda message: [
        (None, bytes.fromhex("5aa507000100aaee")),
        (None, reply_to(message)),
    ],
    "behind noise": lambda message: [
        *[(None, noise) for noise in (b"", b"\0", reply_to(message)[:7], bytes(8), b"x" * 1472)],
        (None, reply_to(message)),
    ],
    "behind another host's refusal": lambda message: [
        (("127.0.0.9", 0), reply_to(message, 1)),
        (None, reply_to(message)),
    ],
}


@pytest.mark.parametrize("answer", ODDITIES.values(), ids=ODDITIES.keys())
def test_a_card_is_identified_by_its_address_and_its_reply_by_its_code(answer):
    def answers(message):
        if message[2] == 0x0E:  # the version, 2.9, as in a capture of another card
            return [(sender, bytes.fromhex("5aa50e008204aaee")) for sender, _ in answer(message)][-1:]
        return answer(message)

    with responder(answers) as port, Card(CardConfig(CARD, HOST, port)) as card:
        assert card.configure() == (2, 9, False)
        card.start()
        card.stop()


def test_another_host_is_not_the_card(monkeypatch):
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.05)
    with (
        responder(lambda message: [(("127.0.0.9", 0), reply_to(message))]) as port,
        Card(CardConfig(CARD, HOST, port)) as card,
        pytest.raises(CardError, match="does not answer SYSTEM_CONNECT"),
    ):
        card.connect(attempts=2)


def test_a_card_that_takes_longer_than_a_request_is_repeated_has_answered(monkeypatch):
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.02)
    waiting = []

    def late(message):
        waiting.append(message)
        return [(None, reply_to(waiting[-4]))] if len(waiting) > 3 else []

    with responder(late) as port, Card(CardConfig(CARD, HOST, port)) as card:
        card.start()
    assert set(waiting) == {bytes.fromhex("5aa505000000aaee")}


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        ("5aa509000000aaee", (0x09, 0)),
        ("5aa50e008204aaee", (0x0E, 2 | 9 << 7)),
        ("5aa50e000204aaee", (0x0E, 2 | 8 << 7)),
        ("5aa50a000300aaee", (0x0A, 3)),
        ("5aa50b000000aaee00", (0x0B, 0)),
        ("5aa50b000000aa", None),
        ("a55a00090000eeaa", None),
    ],
)
def test_replies_as_captured(wire, reply):
    assert parse_reply(bytes.fromhex(wire)) == reply


def test_card_and_host_are_two_addresses(tmp_path):
    """A request sent to the own address looks like a reply."""
    (tmp_path / "card.toml").write_text('card_address = "192.168.33.30"')
    with pytest.raises(CardError, match=r"card\.toml: .*both 192\.168\.33\.30"):
        load_card(tmp_path / "card.toml")


def test_the_emulated_card_sends_from_1024_or_reports_its_port(caplog):
    caplog.set_level("INFO")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.4", 1024))
        EmulatedCard((HOST, free_port()), ("127.0.0.4", 0)).close()
    assert "as 1024 is not available" in caplog.text
    card = EmulatedCard((HOST, free_port()), ("127.0.0.4", 0))
    assert card._data.getsockname() == ("127.0.0.4", 1024)
    card.close()
    assert TAIL_S == 2.0
