"""The control port byte for byte, with an emulated card: every command, lost replies, asynchronous statuses."""

import threading
from contextlib import contextmanager
from itertools import groupby

import pytest

import edge.radar.dca1000.control as control
from edge.radar.dca1000.control import MAX_POLLED, Card, CardConfig, CardError, load_card
from edge.radar.dca1000.messages import Command, status_words
from edge.radar.dca1000.status_log import REPEAT_S, StatusLog
from edge.twin.card import EmulatedCard
from tests.conftest import ROOT
from tests.helpers.brokers import free_port

CONNECT, VERSION, RESET = "5AA509000000AAEE", "5AA50E000000AAEE", "5AA501000000AAEE"
GEN, PACKET = "5AA50300060001020102031EAAEE", "5AA50B000600C005350C0000AAEE"
START, STOP = "5AA505000000AAEE", "5AA506000000AAEE"
SET_UP = [CONNECT, VERSION, RESET, CONNECT, GEN, CONNECT, PACKET]
HOST, CARD = "127.0.0.1", "127.0.0.2"  # both loopback: card and host use the same port number, as real ones do


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.05)


@contextmanager
def answering(**settings):
    """An emulated card that replies on a separate thread."""
    emulated = EmulatedCard((HOST, settings.pop("data_port", 9)), (CARD, 0), **settings)
    stopped = threading.Event()

    def answer():
        while not stopped.wait(0.002):
            emulated.serve()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield emulated
    finally:
        stopped.set()
        thread.join()
        emulated.close()


def config_of(emulated):
    return CardConfig(CARD, HOST, emulated.control_port)


@pytest.fixture
def emulated():
    with answering() as emulated:
        yield emulated


@pytest.fixture
def statuses():
    return []


@pytest.fixture
def card(emulated, statuses):
    with Card(config_of(emulated), statuses.append) as card:
        yield card


def sent(emulated):
    """Returns the requests in order; repeated requests count once, as a busy machine may repeat any of them."""
    return [request for request, _ in groupby(message.hex().upper() for message in emulated.requests)]


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (Card.connect, [CONNECT]),
        (Card.version, [VERSION]),
        (Card.reset, [RESET, CONNECT]),
        (Card.stop, [STOP]),
        (Card.configure, SET_UP),
    ],
)
def test_each_command_is_the_documented_bytes(card, emulated, command, wire):
    command(card)
    assert sent(emulated) == wire


def test_the_version_is_unpacked(card):
    assert card.configure() == (2, 8, False)


def test_a_playback_card_is_refused(card, monkeypatch):
    monkeypatch.setattr("edge.twin.card.FPGA_VERSION", 1 | 1 << 14)
    with pytest.raises(CardError, match=r"playback image \(1\.0\)"):
        card.configure()


def test_a_refusal_names_command_and_card(card, emulated):
    with pytest.raises(CardError, match=rf"{CARD}:{emulated.control_port} rejected RECORD_START"):
        card.start()


def test_a_lost_reply_is_requested_again(card, emulated):
    emulated.lost_replies = 1
    card.configure()
    emulated.lost_replies = 1
    card.start()
    assert sent(emulated) == [*SET_UP, START]
    asked = [message.hex().upper() for message in emulated.requests]
    assert min(asked.count(CONNECT) - SET_UP.count(CONNECT), asked.count(START)) >= 1
    assert emulated.recording


def test_a_card_busy_configuring_is_waited_for(card, emulated):
    emulated.lost_replies = 3
    card.connect()
    assert len(emulated.requests) >= 4


def test_a_card_that_stops_answering_is_reported(card, emulated):
    card.configure()
    emulated.lost_replies = 99
    with pytest.raises(
        CardError, match=r"does not answer RECORD_START: check its power, the Ethernet cable, .* SW2\.6"
    ):
        card.start()
    with pytest.raises(CardError, match="does not answer SYSTEM_CONNECT"):
        card.connect()


def test_a_missing_card_is_reported():
    with Card(CardConfig(CARD, HOST, free_port())) as card, pytest.raises(CardError, match="does not answer"):
        card.connect()


def test_a_host_address_that_is_not_ours_is_reported():
    with pytest.raises(CardError, match=r"bind 192\.0\.2\.1:4096 .*192\.0\.2\.1/24"):
        Card(CardConfig(host_address="192.0.2.1"))


def test_a_port_in_use_is_reported(card, emulated):
    with pytest.raises(CardError, match="no other program uses UDP"):
        Card(config_of(emulated))


def test_statuses_before_a_reply_are_handed_on_and_not_taken_for_it(card, emulated, statuses, monkeypatch):
    card.connect()
    reply = emulated._reply
    monkeypatch.setattr(emulated, "_reply", lambda *words: (reply(0x0A, 1 << 7), reply(0x06, 1), reply(*words)))
    assert card.version() == (2, 8, False)  # the late reply to RECORD_STOP is ignored
    assert statuses == [1 << 7]


def test_statuses_while_recording_come_with_poll(card, emulated, statuses):
    card.configure()
    emulated.report(1 << 0)
    emulated.report(1 << 9 | 1 << 8)
    card.poll()
    assert statuses == [1, 1 << 9 | 1 << 8]


def test_noise_on_the_control_port_is_ignored(card, emulated, statuses):
    card.connect()
    for noise in (b"", b"x" * 8, bytes.fromhex("5AA50A000100AAEF"), bytes.fromhex("5AA50A000100AA"), b"y" * 1500):
        emulated._data.sendto(noise, emulated._host)
    card.poll()
    assert statuses == []
    card.connect()


def test_status_bits_in_words(caplog):
    assert all(len(status_words(1 << bit)) == 1 for bit in range(16))
    assert status_words(0) == ()
    first, second = status_words(1 << 7 | 1 << 15)
    assert "DDR memory full" in first
    assert second == "unknown status bit 15"
    StatusLog()(1 << 0)
    assert "the card reports: no LVDS data" in caplog.text
    StatusLog()(1 << 8)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_settings_file_contains_the_defaults():
    assert load_card(ROOT / "firmware_config/dca1000.toml") == CardConfig()


@pytest.mark.parametrize("line", ["packet_delay_us = 4", "packet_delay_us = 501", 'card_address = "x"', "eeprom = 1"])
def test_settings_out_of_range_are_reported(tmp_path, line):
    (tmp_path / "card.toml").write_text(line)
    with pytest.raises(CardError, match=r"card\.toml"):
        load_card(tmp_path / "card.toml")


def test_a_status_that_is_repeated_is_logged_at_a_limited_rate(caplog, monkeypatch):
    now_s, report = [0.0], StatusLog()
    monkeypatch.setattr("edge.radar.dca1000.status_log.time.monotonic", lambda: now_s[0])
    for _ in range(20_000):
        report(1 << 9)
    report(1 << 0)  # another one is not left out
    now_s[0] = REPEAT_S
    report(1 << 9)
    assert len(caplog.records) == 3
    assert "(19999 further reports)" in caplog.text


def test_statuses_that_arrive_faster_than_they_are_read_do_not_hold_the_caller(monkeypatch):
    with Card(CardConfig(card_address="127.0.0.2", host_address="127.0.0.1", control_port=free_port())) as card:
        received = []
        monkeypatch.setattr(card, "_receive", lambda _: received.append(1) or (Command.SYSTEM_ERROR, 1))
        card.poll()
    assert len(received) == MAX_POLLED
