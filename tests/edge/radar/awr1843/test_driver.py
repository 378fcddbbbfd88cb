"""The radar's driver over a real pseudo terminal, byte for byte, and all its failures."""

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge.core.errors import InputError
from edge.radar.awr1843 import driver as awr1843
from edge.radar.awr1843.driver import Awr1843, RadarRebootError
from edge.radar.awr1843.serial_port import RadarError
from edge.radar.chirp_file.parser import load_chirp
from edge.twin.awr1843_emulator import Awr1843Emulator

CONFIGS = Path(__file__).parents[4] / "firmware_config"
CHIRPS = {
    "studio_cli": load_chirp(CONFIGS / "awr1843_mmecg.cfg"),
    "sdk_demo": load_chirp(CONFIGS / "awr1843_sdk_demo.cfg"),
}
both = pytest.mark.parametrize("image", ["studio_cli", "sdk_demo"])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    for name, seconds in {"_IDLE_TIMEOUT_S": 0.02, "_REPLY_TIMEOUT_S": 0.4, "_START_TIMEOUT_S": 0.4}.items():
        monkeypatch.setattr(awr1843, name, seconds)


@pytest.fixture
def board(image):
    with Awr1843Emulator(image) as board:
        yield board


@pytest.fixture
def radar(board, image):
    with Awr1843(board.port, image) as radar:
        yield radar


def changed(image, old, new):
    chirp = CHIRPS[image]
    assert old in chirp.text
    return replace(chirp, source="x.cfg", text=chirp.text.replace(old, new))


def line_of(chirp, command):
    return 1 + next(n for n, line in enumerate(chirp.text.splitlines()) if line.startswith(command))


def sent(chirp):
    lines = [line.split("%")[0].strip() for line in chirp.text.splitlines()]
    return [line for line in lines if line and line != "sensorStart"]


@both
def test_configure_sends_the_file_as_it_is_and_start_and_stop_start_and_stop(image):
    happened = []
    with (
        Awr1843Emulator(image, lambda: happened.append("start"), lambda: happened.append("stop")) as board,
        Awr1843(board.port, image) as radar,
    ):
        board.received.clear()
        radar.configure(CHIRPS[image])
        assert board.received == ["", *sent(CHIRPS[image])]
        assert not board.running
        radar.start()
        assert board.running
        radar.stop()
        radar.stop()  # harmless
        radar.start()  # with the same settings
        assert [line for line in board.received if line.startswith("sensorStart")] == ["sensorStart", "sensorStart 0"]
        radar.configure(CHIRPS[image])  # the file stops the radar first
        radar.start()
        assert happened == ["start", "stop", "start", "stop", "start"]


@both
@pytest.mark.parametrize(
    ("old", "new"),
    [("channelCfg 15 7 0", "channelCfg 15 5 0"), ("lowPower 0 0", "lowPower 0 1"), ("adcCfg 2 1", "adcCfg 2 2")],
)
def test_what_is_fixed_by_the_first_start_needs_a_reboot(board, radar, image, old, new):
    radar.configure(CHIRPS[image])
    other = changed(image, old, new)
    radar.configure(other)  # not started yet: changes are allowed
    radar.configure(CHIRPS[image])
    radar.start()
    with pytest.raises(RadarError, match=rf"x.cfg:\d+: '{new}' differs from '{old}'.*reboot the radar"):
        radar.configure(other)
    radar.configure(CHIRPS[image])  # the same settings are allowed
    board.reboot()
    radar.configure(other)


@both
def test_an_answer_in_fragments_is_an_answer(board, radar, image):
    board.fragment_s = 0.0005
    radar.configure(CHIRPS[image])
    radar.start()


@both
@pytest.mark.parametrize("noise", [b"\xff\x00\xfe", b"\x80\x81\n"])
def test_noise_beside_the_answer_is_passed_over(board, radar, image, noise):
    radar.configure(CHIRPS[image])
    board.noise = noise + b"\n\r"
    radar.stop()


@both
def test_noise_in_the_first_line_is_answered_before_it_matters(board, image):
    terminal = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
    os.write(terminal, b"\xa0\xffgarb")
    with Awr1843(board.port, image) as radar:
        radar.configure(CHIRPS[image])
    os.close(terminal)


@both
@pytest.mark.parametrize(
    "console",
    [
        {"newline": "\r\n"},
        {"newline": "\n"},
        {"newline": "\r"},
        {"prompt": b"\n\rCLI:/> "},
        {"prompt": b"mmwDemo:\\>"},
        {"prompt": b"mmwDemo:/>mmwDemo:/>"},
        {"chatter": "Debug: Temperature = 71\n"},
        {"echoes": False},
        {"echoes": False, "newline": "\r", "chatter": "BSS is up\n"},
    ],
    ids=str,
)
def test_a_console_that_differs_is_understood(image, console):
    board = Awr1843Emulator(image)
    for name, value in console.items():
        setattr(board, name, value)
    with board, Awr1843(board.port, image) as radar:
        radar.configure(CHIRPS[image])
        radar.start()
        assert board.running
        radar.stop()


@both
def test_a_reboot_during_configuration_is_located_and_clears_the_settings(board, radar, image):
    board.reboot_at = "profileCfg"
    chirp = CHIRPS[image]
    with pytest.raises(RadarRebootError, match=f":{line_of(chirp, 'profileCfg')}: the radar rebooted at 'profileCfg"):
        radar.configure(chirp)
    with pytest.raises(RadarError, match="configure the radar first"):
        radar.start()
    radar.configure(chirp)
    board.reboot()
    time.sleep(0.02)
    with pytest.raises(RadarRebootError, match="lost its settings"):
        radar.start()
    radar.configure(chirp)
    board.reboot_at = "sensorStart"
    with pytest.raises(RadarRebootError, match="rebooted at 'sensorStart'"):
        radar.start()
    radar.configure(chirp)
    radar.start()
    board.reboot()
    radar.stop()  # it is stopped


@both
def test_silence_is_an_error_with_advice(board, radar, image):
    board.silent = True
    with pytest.raises(RadarError, match=r"no prompt at \d+ baud, no bytes received; check power"):
        radar.configure(CHIRPS[image])
    with pytest.raises(RadarError, match=re.escape(board.port)), Awr1843(board.port, image):
        pass
    board.silent = False
    radar.configure(CHIRPS[image])


def test_a_board_that_hangs_at_a_command(monkeypatch):
    with Awr1843Emulator("studio_cli") as board, Awr1843(board.port, "studio_cli") as radar:
        answer = board._firmware.execute

        def hang(line):
            board.silent = line.startswith("frameCfg")
            return answer(line)

        monkeypatch.setattr(board._firmware, "execute", hang)
        with pytest.raises(RadarError, match=r"cfg:\d+: the radar replied 'nothing' to 'frameCfg .* no prompt within"):
            radar.configure(CHIRPS["studio_cli"])


@both
def test_a_pulled_cable_is_reported(board, radar, image):
    radar.configure(CHIRPS[image])
    board.close()
    with pytest.raises(RadarError, match=r"failed .*check the USB cable"):
        radar.start()


REFUSALS = [
    (
        "studio_cli",
        "lowPower 0 0",
        "lowPower 0",
        r"x.cfg:\d+: the radar replied 'Error -51' to 'lowPower 0': wrong number",
    ),
    ("studio_cli", "flushCfg", "flashCfg", r"x.cfg:4: .*'Error -50' to 'flashCfg': unknown command"),
    ("studio_cli", "lvdsStreamCfg -1 0", "lvdsStreamCfg -1 1", "Error -55.*-1 0 1 0"),
    ("sdk_demo", "lowPower 0 0", "lowPower 0", "'Error: Invalid usage of the CLI command Error -1'.*correct the file"),
    ("sdk_demo", "flushCfg", "calibMonCfg 0 0", "'calibMonCfg' is not recognized.*other firmware"),
    ("sdk_demo", "flushCfg", "channelCfg 15 \x7f 0 0" + " 1" * 130, "at most 255"),
    ("studio_cli", "flushCfg", "flushCfg é", "plain characters"),
]


@pytest.mark.parametrize(("image", "old", "new", "message"), REFUSALS)
def test_a_refused_line_is_named_with_what_to_do(radar, image, old, new, message):
    with pytest.raises(RadarError, match=message) as raised:
        radar.configure(changed(image, old, new))
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, InputError)
    with pytest.raises(RadarError, match="configure the radar first"):
        radar.start()


STARTS = [
    ("studio_cli", "profileCfg 0 77 10 6 60 0 0 65 1 256 5000 0 0 30", "Error -57.*data path"),
    ("sdk_demo", "guiMonitor -1 0 0 0 0 0 0", "Full configuration must be provided.*correct the file accordingly"),
    ("sdk_demo", "cfarFovCfg -1 1 -4 4", "Full configuration must be provided"),
]


@pytest.mark.parametrize(("image", "without", "message"), STARTS)
def test_a_start_without_all_settings_is_refused(radar, image, without, message):
    radar.configure(changed(image, without + "\n", "\n"))
    with pytest.raises(RadarError, match=message):
        radar.start()


@both
def test_a_radar_that_runs_is_stopped_before_it_is_started(radar, image):
    radar.configure(CHIRPS[image])
    radar.start()
    with pytest.raises(RadarError, match="stop the radar before starting it again"):
        radar.start()


@pytest.mark.parametrize("image", ["sdk_demo"])
def test_settings_for_a_running_radar_are_not_lost_in_silence(radar, image):
    radar.configure(CHIRPS[image])
    radar.start()
    with pytest.raises(RadarError, match=r"'Ignored: This command is not allowed.*put sensorStop and flushCfg first"):
        radar.configure(changed(image, "sensorStop\n", "\n"))


def test_a_file_for_the_other_firmware_is_refused_before_anything_is_sent():
    with Awr1843Emulator("studio_cli") as board, Awr1843(board.port, "studio_cli") as radar:
        board.received.clear()
        with pytest.raises(RadarError, match="is for sdk_demo, but the port is open for studio_cli"):
            radar.configure(CHIRPS["sdk_demo"])
        assert board.received == []
