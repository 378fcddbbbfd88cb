"""Control of both boards, with an emulated card and an emulated radar: the order of steps, and all failures."""

import termios
from contextlib import contextmanager
from dataclasses import replace

import pytest

import edge.radar.dca1000.control as control
from edge.radar import boards as module
from edge.radar.awr1843 import driver as awr1843
from edge.radar.awr1843 import serial_port as uart
from edge.radar.awr1843.serial_port import RadarError
from edge.radar.boards import open_boards
from edge.radar.chirp_file.parser import parse_chirp
from edge.radar.dca1000.control import CardConfig, CardError
from edge.radar.dca1000.data_port import DataPort
from edge.twin.awr1843_emulator import Awr1843Emulator
from tests.edge.radar.dca1000.test_control import CARD, HOST, SET_UP, START, STOP, answering, config_of, sent
from tests.helpers.brokers import free_port
from tests.helpers.publishing import wait


@pytest.fixture(autouse=True)
def short_waits(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.1)
    for name, seconds in {"_IDLE_TIMEOUT_S": 0.02, "_REPLY_TIMEOUT_S": 4.0, "_START_TIMEOUT_S": 4.0}.items():
        monkeypatch.setattr(awr1843, name, seconds)
    for name, seconds in {"CHECK_INTERVAL_S": 0.01, "RESTART_DELAY_S": 0.02, "NO_DATA_TIMEOUT_S": 0.05}.items():
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def short_replies(monkeypatch):
    """For a board that does not reply. Others reply at once, but on a busy machine this can take long."""
    for name in ("_REPLY_TIMEOUT_S", "_START_TIMEOUT_S"):
        monkeypatch.setattr(awr1843, name, 1.5)


@pytest.fixture
def card():
    with answering() as card:
        yield card


@pytest.fixture
def recorded():
    """Whether the card was recording, each time the radar started or stopped."""
    return []


@contextmanager
def radar_beside(card, recorded):
    def note():
        recorded.append(card.recording)

    with Awr1843Emulator("studio_cli", note, note) as radar:
        yield radar


@pytest.fixture
def radar(card, recorded):
    with radar_beside(card, recorded) as radar:
        yield radar


def flowing():
    """The silence while data arrive."""
    return 0.0


def test_the_card_records_before_the_radar_streams_and_longer_and_again(mmecg, card, radar, recorded, caplog):
    for _ in range(2):
        with open_boards(mmecg, radar.port, config_of(card)) as driven:
            assert not radar.running
            assert not card.recording
            driven.start(flowing)
            assert radar.running
        assert not radar.running
        assert not card.recording
    assert recorded == [True, True] * 2
    assert sent(card) == [*SET_UP, START, STOP] * 2
    messages = [record.message for record in caplog.records[: len(caplog.records) // 2]]
    assert messages == [
        "the card is configured (FPGA 2.8)",
        f"the radar at {radar.port} is configured with {mmecg.source}",
        "the card records",
        "the radar streams",
        "the radar is stopped",
        "the card is stopped",
    ]


def test_frames_of_an_earlier_stream_are_not_received(mmecg, card, radar):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        radar._firmware.running = card.recording = False  # so that it stays as it is
        left = radar._firmware
    left.running = card.recording = True
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        assert not radar.running
        data = DataPort(HOST, 0, mmecg.frame_bytes)
        card._target = (HOST, data.port)
        card.send(b"\1" * mmecg.frame_bytes)
        driven.start(flowing)
        for _ in range(2):
            card.send(b"\2" * mmecg.frame_bytes)
        first = next(frame for frame in data.frames() if frame)
        data.close()
    assert (first.seq, first.data[:1], first.complete) == (0, b"\2", True)


def test_a_radar_that_does_not_start_leaves_the_card_stopped(mmecg, card, radar):
    lame = replace(mmecg, text="\n".join(line for line in mmecg.text.splitlines() if "profileCfg" not in line))
    with pytest.raises(RadarError, match="Error -57"), open_boards(lame, radar.port, config_of(card)) as driven:
        driven.start(flowing)
    assert sent(card)[-2:] == [START, STOP]
    assert not card.recording


def test_a_card_that_is_not_there_leaves_the_radar_stopped(mmecg, card, radar, monkeypatch):
    monkeypatch.setattr(control, "REPLY_TIMEOUT_S", 0.01)
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        left = radar._firmware
    left.running = True
    with pytest.raises(CardError, match="does not answer"), open_boards(mmecg, radar.port, CardConfig(CARD, HOST, 1)):
        pass
    assert not radar.running


def test_a_card_that_does_not_record_leaves_the_radar_stopped(mmecg, card, radar, recorded):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        card.lost_replies = 99
        with pytest.raises(CardError, match="RECORD_START"):
            driven.start(flowing)
    assert recorded == []
    assert not card.recording


def test_no_radar_leaves_the_card_alone(mmecg, card, tmp_path):
    with (
        pytest.raises(RadarError, match=r"port not found.*--serial \(radar.serial in the settings\)"),
        open_boards(mmecg, str(tmp_path / "none"), config_of(card)),
    ):
        pass
    assert sent(card) == []


def test_a_radar_that_reboots_is_configured_and_started_again(mmecg, card, radar, recorded, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        card.lost_replies = 21  # the first attempt fails too
        radar.reboot()
        wait(lambda: radar.running)
    assert "the radar rebooted" in caplog.text
    assert "are started again in 0.04 s" in caplog.text
    assert recorded == [True] * 4
    assert sent(card)[-(len(SET_UP) + 2) :] == [*SET_UP, START, STOP]


def test_a_radar_whose_firmware_fails_an_assertion_is_started_again(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        radar._firmware.running = False
        radar._write("Exception: ../objectdetection.c, line 428.\n")
        wait(lambda: radar.running)
    assert (
        "the radar sent 'Exception: ../objectdetection.c, line 428.': the firmware failed an assertion" in caplog.text
    )


def test_a_radar_that_comes_back_at_another_port_is_found(mmecg, card, recorded, monkeypatch):
    radars = [Awr1843Emulator("studio_cli"), Awr1843Emulator("studio_cli")]
    monkeypatch.setattr(awr1843, "find_port", lambda: radars[0].port)
    with radars[1] as second:
        with radars[0] as first, open_boards(mmecg, "auto", config_of(card)) as driven:
            driven.start(flowing)
            first.close()
            del radars[0]
            wait(lambda: second.running)
            assert card.recording
        assert not second.running


def test_a_radar_whose_cable_is_out_keeps_sending_and_the_card_is_stopped(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        radar.close()
        wait(lambda: "started again in 0.04 s" in caplog.text)
        assert card.recording
    assert not card.recording
    assert "the radar was not stopped: " in caplog.text
    assert "the card is stopped" in caplog.text


def test_what_the_card_reports_is_reported(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        card.report(1 << 0)
        wait(lambda: "the card reports: no LVDS data" in caplog.text)
    assert sent(card) == [*SET_UP, START, STOP]


@pytest.mark.parametrize("bit", [7, 9])
def test_data_lost_in_the_card_begins_a_new_recording(mmecg, card, radar, recorded, caplog, bit):
    """Such bytes are not in the byte count: all later frames would start at a wrong byte."""
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        card.report(1 << bit)
        wait(lambda: len(recorded) == 3)
    assert sent(card) == [*SET_UP, START, STOP, *SET_UP, START, STOP]
    assert recorded == [True] * 4  # the radar starts, stops, starts, stops
    assert "data was lost in the card" in caplog.text
    assert "started again in 0.02 s" in caplog.text


def test_a_card_that_lost_its_power_is_configured_and_started_again(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(lambda: 0.0 if card.recording else 99.0)
        card.power_cycle()
        wait(lambda: card.recording)
    assert sent(card) == [*SET_UP, START, *SET_UP, START, STOP]
    assert "no data for 0.05 s: check the card's power" in caplog.text


def test_boards_that_stay_silent_are_started_again_ever_more_rarely(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(lambda: 99.0)
        wait(lambda: "in 0.08 s" in caplog.text)
    pauses = [record.args[1] for record in caplog.records if "started again" in record.message]
    assert pauses[:3] == [0.02, 0.04, 0.08]


def test_a_port_that_fails_in_any_way_is_tried_again(mmecg, card, radar, monkeypatch, caplog):
    errors = [OSError(5, "Input/output error"), termios.error(25, "Inappropriate ioctl for device")]

    def failing(*args, **options):
        if errors:
            raise errors.pop()
        return serial(*args, **options)

    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        serial = uart.serial.Serial
        monkeypatch.setattr(uart.serial, "Serial", failing)
        radar.reboot()
        wait(lambda: radar.running)
    assert not errors
    assert "cannot be opened: Inappropriate ioctl for device" in caplog.text


def test_without_a_serial_port_others_drive_the_boards(mmecg, caplog):
    with open_boards(mmecg, None, CardConfig(control_port=free_port())) as driven:
        driven.start(flowing)
    assert [record.message for record in caplog.records] == [
        "no serial port is given for the radar: radarecg does not start the boards"
    ]


def frames_of(chirp, frames=0, trigger=1):
    """A chirp with this number of frames, also in its text."""
    text = chirp.text.replace("frameCfg 0 2 1 0 5 1 0", f"frameCfg 0 2 1 {frames} 5 {trigger} 0")
    assert text != chirp.text
    return parse_chirp(text, "some.cfg")


@pytest.mark.parametrize("finite", [{"frames": 4}, {"trigger": 2}])
def test_a_radar_that_has_sent_its_frames_or_waits_for_pulses_is_left_alone(mmecg, card, radar, caplog, finite):
    polls = []
    with open_boards(frames_of(mmecg, **finite), radar.port, config_of(card)) as driven:
        driven.start(lambda: polls.append(1) or 99.0)
        wait(lambda: driven.has_sent_all() or "trigger" in finite)
        seen = len(card.requests)
        card.report(1 << 0)  # a status, to prove that the boards were monitored since
        wait(lambda: caplog.text.count("the card reports") == 1)
        card.report(1 << 1)  # another one: the same one is logged again after a while only
        wait(lambda: caplog.text.count("the card reports") == 2)
        assert len(card.requests) == seen
    assert "started again" not in caplog.text
    assert driven.has_sent_all() == ("frames" in finite)


def test_the_radar_is_stopped_first_and_the_card_when_leaving(mmecg, card, radar, recorded, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        assert driven.stop_radar()
        assert (radar.running, card.recording) == (False, True)
    assert not card.recording
    assert caplog.text.count("the radar is stopped") == 1
    assert radar.received.count("sensorStop") == 3  # before the file, in it, and at the end


@pytest.mark.usefixtures("short_replies")
def test_a_radar_that_cannot_be_stopped_is_reported(mmecg, card, radar):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        radar.silent = True
        assert not driven.stop_radar()
    assert not card.recording
