"""Boards that fail while they stream are started again, with an emulated card and an emulated radar."""

import termios

import pytest

from edge.radar.awr1843 import driver as awr1843
from edge.radar.awr1843 import serial_port as uart
from edge.radar.boards import open_boards
from edge.radar.chirp_file.parser import parse_chirp
from edge.twin.awr1843_emulator import Awr1843Emulator
from tests.edge.radar.dca1000.test_control import SET_UP, START, STOP, config_of, sent
from tests.edge.radar.test_boards import flowing
from tests.helpers.publishing import wait

pytestmark = pytest.mark.usefixtures("short_waits")


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
