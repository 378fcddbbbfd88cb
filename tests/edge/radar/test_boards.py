"""Control of both boards, with an emulated card and an emulated radar: the order of steps, and what stays stopped."""

from dataclasses import replace

import pytest

import edge.radar.dca1000.control as control
from edge.radar.awr1843.serial_port import RadarError
from edge.radar.boards import open_boards
from edge.radar.dca1000.control import CardConfig, CardError
from edge.radar.dca1000.data_port import DataPort
from tests.edge.radar.dca1000.test_control import CARD, HOST, SET_UP, START, STOP, config_of, sent
from tests.helpers.brokers import free_port
from tests.helpers.publishing import wait

pytestmark = pytest.mark.usefixtures("short_waits")


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


def test_what_the_card_reports_is_reported(mmecg, card, radar, caplog):
    with open_boards(mmecg, radar.port, config_of(card)) as driven:
        driven.start(flowing)
        card.report(1 << 0)
        wait(lambda: "the card reports: no LVDS data" in caplog.text)
    assert sent(card) == [*SET_UP, START, STOP]


def test_without_a_serial_port_others_drive_the_boards(mmecg, caplog):
    with open_boards(mmecg, None, CardConfig(control_port=free_port())) as driven:
        driven.start(flowing)
    assert [record.message for record in caplog.records] == [
        "no serial port is given for the radar: radarecg does not start the boards"
    ]


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
