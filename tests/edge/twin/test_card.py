"""The emulated card: data rate, memory, delayed last packet, and when it ignores requests."""

import socket
import struct

import pytest

import edge.twin.card as module
from edge.radar.chirp_file.limits import broken_limits
from edge.radar.chirp_file.parser import parse_chirp
from edge.radar.dca1000.card_rate import RATES_MBIT_S, card_rate_bit_s
from edge.radar.dca1000.control import CardConfig, CardError, require_rate
from edge.radar.dca1000.messages import DATA_LOST, FPGA_GEN, Command, parse_reply, request
from edge.twin.card import EmulatedCard, Packetizer
from tests.conftest import ROOT

HOST, CARD = "127.0.0.1", "127.0.0.6"
TEXT = (ROOT / "firmware_config/awr1843_mmecg.cfg").read_text()


@pytest.fixture
def clock(monkeypatch):
    """The card's clock, which a test sets."""

    class Clock:
        now_s = 1000.0

        def monotonic(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Wire:
    """Replaces the card's socket: stores any number of packets."""

    def __init__(self):
        self.sent = []

    def sendto(self, data, address):
        self.sent.append(data)

    def close(self):
        pass


class Host:
    """A host that configures the card and receives its packets."""

    def __init__(self, delay_us=25, **settings):
        self.data, self.control = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for each in (self.data, self.control):
            each.bind((HOST, 0))
            each.setblocking(False)
        self.card = EmulatedCard(self.data.getsockname(), (CARD, 0), **settings)
        self.delay = struct.pack("<HHH", 1472, delay_us * 125, 0)

    def ask(self, command, payload=b""):
        self.control.sendto(request(command, payload), (CARD, self.card.control_port))
        self.card.serve()
        return [parse_reply(reply) for reply in taken(self.control)]

    def record(self, clock):
        assert self.ask(Command.CONFIG_FPGA_GEN, FPGA_GEN) == [(Command.CONFIG_FPGA_GEN, 0)]
        assert self.ask(Command.SYSTEM_CONNECT) == []  # busy
        clock.now_s += module.BUSY_S
        assert self.ask(Command.CONFIG_PACKET_DATA, self.delay) == [(Command.CONFIG_PACKET_DATA, 0)]
        assert self.ask(Command.RECORD_START) == [(Command.RECORD_START, 0)]

    def wired(self):
        self.card._data.close()
        self.card._data = Wire()
        return self.card._data

    def close(self):
        self.card.close()
        self.data.close()
        self.control.close()


def taken(source):
    """Returns the waiting datagrams; loopback delivers before the sender's call returns."""
    out = []
    while True:
        try:
            out.append(source.recv(2048))
        except BlockingIOError:
            return out


@pytest.fixture
def host(clock):
    host = Host()
    host.record(clock)
    yield host
    host.close()


def test_the_rest_is_held_back_for_two_seconds(host, clock):
    host.card.send(bytes(16384))
    assert [len(packet) for packet in taken(host.data)] == [1466] * 11
    clock.now_s += 1.99
    host.card.serve()
    assert taken(host.data) == []
    clock.now_s += 0.01
    host.card.serve()
    assert [packet[:10].hex() for packet in taken(host.data)] == ["0c000000903e00000000"]
    clock.now_s += 60
    host.card.serve()
    assert taken(host.data) == []
    host.card.send(bytes(1456))
    assert [struct.unpack_from("<II", packet) for packet in taken(host.data)] == [(13, 16384)]


def test_there_is_no_short_packet_where_bytes_fill_packets(host, clock):
    host.card.send(bytes(2 * 1456))
    clock.now_s += 60
    host.card.serve()
    assert [len(packet) for packet in taken(host.data)] == [1466, 1466]


def test_a_stopped_card_sends_nothing_more(host, clock):
    host.card.send(bytes(16384))
    taken(host.data)
    host.ask(Command.RECORD_STOP)
    clock.now_s += 3
    host.card.serve()
    host.card.send(bytes(1456))
    assert taken(host.data) == []


@pytest.mark.parametrize("delay_us", [5, 25, 100])
def test_the_packet_delay_bounds_the_rate(clock, delay_us):
    host = Host(delay_us)
    host.record(clock)
    wire = host.wired()
    host.card.send(bytes(1456 * 10_000))
    for _ in range(100):
        clock.now_s += 0.001
        host.card.serve()
    host.close()
    assert len(wire.sent) * 1456 * 8 == pytest.approx(card_rate_bit_s(delay_us) * 0.11, rel=0.01)


def test_a_full_memory_loses_bytes_before_they_are_counted_and_reports_it(clock):
    host = Host(memory_bytes=20 * 1456)
    host.record(clock)
    wire = host.wired()
    for _ in range(20):
        host.card.send(bytes(100 * 1456))  # at once: only the burst is sent meanwhile
    for _ in range(10):
        clock.now_s += 0.001
        host.card.serve()
    host.close()
    assert [parse_reply(each) for each in wire.sent if len(each) == 8] == [(Command.SYSTEM_ERROR, DATA_LOST)]
    packets = [each for each in wire.sent if len(each) > 8]
    assert [struct.unpack_from("<II", packet) for packet in packets] == [(k + 1, 1456 * k) for k in range(len(packets))]
    assert len(packets) < 2000


def test_a_short_packet_follows_the_count():
    packetizer = Packetizer()
    assert [len(packet) for packet in packetizer.push(bytes(1500))] == [1466]
    assert [packet[:10] for packet in packetizer.flush()] == [struct.pack("<IIH", 2, 1456, 0)]
    assert packetizer.flush() == []
    assert [packet[:10] for packet in packetizer.push(bytes(1456))] == [struct.pack("<IIH", 3, 1500, 0)]


@pytest.mark.parametrize(("delay_us", "mbit_s"), RATES_MBIT_S.items())
def test_the_documented_rates(delay_us, mbit_s):
    assert card_rate_bit_s(delay_us) == pytest.approx(mbit_s * 1e6)
    assert card_rate_bit_s(delay_us) == pytest.approx(1456 * 8e6 / (delay_us + 11), rel=0.035)


def test_a_longer_delay_never_carries_more():
    rates = [card_rate_bit_s(delay) for delay in range(5, 501)]
    assert rates == sorted(rates, reverse=True)


def fast(loops, period_ms):
    text = TEXT.replace("frameCfg 0 2 1 0 5 1 0", f"frameCfg 0 2 {loops} 0 {period_ms} 1 0")
    return parse_chirp(text.replace("profileCfg 0 77 10 6 60", "profileCfg 0 77 7 4 58"), "fast.cfg")


def test_the_delay_decides_what_the_card_carries():
    chirp = fast(4, 1)  # 4 loops x 3 TX x 4 RX x 256 samples every ms
    assert chirp.rate_bit_s == pytest.approx(393.2e6, rel=1e-3)
    assert "card_rate" not in [limit.name for limit in broken_limits(chirp)]
    for delay_us in (5, 10, 18):
        require_rate(chirp, CardConfig(packet_delay_us=delay_us))
    with pytest.raises(
        CardError, match=r"fast\.cfg sends 393 Mbit/s, .*carries 325 with packet_delay_us = 25 .*set it to 18 or less"
    ):
        require_rate(chirp, CardConfig())


def test_what_no_delay_carries_breaks_a_limit():
    chirp = fast(8, 1)
    assert "card_rate" in [limit.name for limit in broken_limits(chirp)]
    with pytest.raises(CardError, match="no delay is short enough"):
        require_rate(chirp, CardConfig(packet_delay_us=5))
