"""The radar's serial port: finding it, opening it, and checking its output while the radar runs."""

import contextlib
import errno
import os
import threading
import time
import tty
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from edge.core.errors import InputError
from edge.radar.awr1843 import driver as awr1843
from edge.radar.awr1843 import serial_port as uart
from edge.radar.awr1843.driver import Awr1843
from edge.radar.awr1843.serial_port import RadarError, find_port
from edge.radar.chirp_file.parser import load_chirp
from edge.twin.awr1843_emulator import PROMPT, Awr1843Emulator

MMECG = load_chirp(Path(__file__).parents[4] / "firmware_config/awr1843_mmecg.cfg")


def usb(device, location="1-2:1.0", vid=0x0451, pid=0xBEF3):
    port = ListPortInfo(device)
    port.location, port.vid, port.pid = location, vid, pid
    port.description = "XDS110" if vid == 0x0451 else "n/a"
    return port


DATA_FIRST = [usb("/dev/ttyACM0", "1-2:1.3"), usb("/dev/ttyACM1", "1-2:1.0")]


@pytest.mark.parametrize(
    ("ports", "found"),
    [
        (DATA_FIRST, "/dev/ttyACM1"),
        (DATA_FIRST[::-1] + [usb("/dev/ttyS0", None, None, None)], "/dev/ttyACM1"),
        ([usb("/dev/ttyACM4", "3-1.4.2:1.0")], "/dev/ttyACM4"),
    ],
)
def test_the_port_is_found_by_its_usb_interface(monkeypatch, ports, found):
    monkeypatch.setattr(uart.list_ports, "comports", lambda: ports)
    assert find_port() == found


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ([], "serial ports: none; connect .*--serial"),
        ([usb("/dev/ttyUSB0", vid=0x10C4)], r"serial ports: /dev/ttyUSB0 \(n/a\)"),
        (DATA_FIRST[:1], r"/dev/ttyACM0 \(XDS110\)"),
        ([usb("/dev/ttyACM0", None)], "ttyACM0"),
        ([usb("/dev/ttyACM0"), usb("/dev/ttyACM2")], r"several radars .*/dev/ttyACM0, /dev/ttyACM2.*--serial"),
    ],
)
def test_without_one_radar_the_ports_found_are_named(monkeypatch, ports, message):
    monkeypatch.setattr(uart.list_ports, "comports", lambda: ports)
    with pytest.raises(InputError, match=message):
        find_port()


def test_a_port_that_may_not_be_opened_names_the_group(monkeypatch):
    def refuse(*args, **options):
        raise uart.serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(uart.serial, "Serial", refuse)
    with pytest.raises(RadarError, match="usermod -aG dialout"):
        Awr1843("/dev/ttyACM0", "studio_cli")


@pytest.mark.parametrize(("name", "message"), [("tty", "port not found"), (".", "or correct --serial")])
def test_a_port_that_is_none(tmp_path, name, message):
    with pytest.raises(RadarError, match=message):
        Awr1843(str(tmp_path / name), "studio_cli")


def test_a_port_that_babbles_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(awr1843, "_REPLY_TIMEOUT_S", 0.4)
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    stopped = threading.Event()

    def babble():
        while not stopped.wait(0.005):
            with contextlib.suppress(BlockingIOError):
                os.write(master, b"\x02\x01\x04\x03 mmwDemo:/>")

    thread = threading.Thread(target=babble)
    thread.start()
    started_s = time.monotonic()
    try:
        with Awr1843(os.ttyname(slave), "studio_cli") as radar, pytest.raises(RadarError, match="the radar replied"):
            radar.configure(MMECG)
        assert time.monotonic() - started_s < 3
    finally:
        stopped.set()
        thread.join()
        os.close(slave)
        os.close(master)


def test_two_programs_cannot_hold_the_port():
    with (
        Awr1843Emulator("studio_cli") as board,
        Awr1843(board.port, "studio_cli"),
        pytest.raises(RadarError, match="close the other program"),
    ):
        Awr1843(board.port, "studio_cli")


@pytest.fixture
def running():
    """A board that is sending frames, and the driver that started it."""
    with Awr1843Emulator("studio_cli") as board, Awr1843(board.port, "studio_cli") as radar:
        radar.configure(MMECG)
        radar.start()
        radar.check_for_reboot()  # no output
        yield board, radar


def test_a_failed_assertion_while_running_is_reported(running):
    board, radar = running
    board._write("Exception: ../objectdetection.c, line 428.\n")
    with pytest.raises(RadarError, match=r"'Exception: \.\./objectdetection\.c, line 428\.'.*reboot the radar"):
        radar.check_for_reboot()
    with pytest.raises(RadarError, match="configure the radar first"):
        radar.start()


def test_unexpected_output_is_logged(running, caplog):
    board, radar = running
    board._write("Debug: Temperature = 71\n")
    board._send(PROMPT)
    radar.check_for_reboot()
    radar.check_for_reboot()
    messages = [record.message for record in caplog.records]
    assert messages == [f"{board.port}: unexpected output of the radar: 'Debug: Temperature = 71'"]
