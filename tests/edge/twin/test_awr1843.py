"""The emulated console of the radar, byte for byte as in TI's sources, for both firmware images."""

import os
import select
from pathlib import Path

import pytest

from edge.radar.chirp_file.parser import load_chirp
from edge.twin.awr1843_emulator import Awr1843Emulator

CONFIGS = Path(__file__).parents[3] / "firmware_config"
CHIRPS = {
    "studio_cli": load_chirp(CONFIGS / "awr1843_mmecg.cfg"),
    "sdk_demo": load_chirp(CONFIGS / "awr1843_sdk_demo.cfg"),
}
STARS = b"*" * 42 + b"\n\r"
BANNER = STARS + b"xWR18xx MMW Demo 03.05.00.04\n\r" + STARS + b"mmwDemo:/>"


def sent(chirp):
    lines = [line.split("%")[0].strip() for line in chirp.text.splitlines()]
    return [line for line in lines if line and line != "sensorStart"]


@pytest.fixture
def board(image):
    with Awr1843Emulator(image) as board:
        yield board


class Terminal:
    """A terminal program: sends raw bytes and receives up to the prompt."""

    def __init__(self, port):
        self.fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
        self.until_prompt()

    def until_prompt(self):
        received = b""
        while not received.endswith(b"mmwDemo:/>"):
            assert select.select([self.fd], [], [], 20)[0], received
            received += os.read(self.fd, 4096)
        return received

    def send(self, text):
        os.write(self.fd, text.encode() + b"\n")
        return self.until_prompt().decode()


@pytest.fixture
def terminal(board):
    terminal = Terminal(board.port)
    yield terminal
    os.close(terminal.fd)


STUDIO_DIALOGUE = [
    ("", ""),
    ("% a comment", "Skipped\n\r"),
    ("sensorStop", "Error -54\n\r"),
    ("flushCfg", "Done\n\r"),
    ("sensorStart", "Error -57\n\r"),
    ("cfarCfg -1 0 2 8 4 3 0 15.0 0", "Error -50\n\r"),
    ("channelCfg 15 7", "Error -51\n\r"),
    ("guiMonitor 1", "Error -1\n\r"),
    ("dfeDataOutputMode 4", "Error -52\n\r"),
    ("adcbufCfg -1 0 1 1", "Error -52\n\r"),
    ("lvdsStreamCfg -1 1 1 0", "Error -55\n\r"),
    ("calibMonCfg 0 0", "Done\n\r"),
    *((line, "Done\n\r") for line in sent(CHIRPS["studio_cli"])[2:]),
    ("sensorStart 1", "Error -53\n\r"),
    ("sensorStart", "Done\n\r"),
    ("sensorStart", "Error -54\n\r"),
    ("adcbufCfg 0", "Done\n\r"),
    ("sensorStop", "Done\n\r"),
    ("sensorStart 0", "Done\n\r"),
]
NO_SETTINGS = (
    'Error: You have provided no configuration, issue "sensorStart 0" OR provide full configuration and issue '
    '"sensorStart"\n\rError -1\n\r'
)
PARTIAL = (
    "Error: You have provided partial configuration between stop and this command and partial configuration cannot be "
    'undone.Issue the full configuration and do "sensorStart" \n\rError -1\n\r'
)
COMPLETE = (
    'Error: You have provided complete new configuration, issue "sensorStart" (without argument) if you want it to '
    "take effect\n\rError -1\n\r"
)
FULL = "Error: Full configuration must be provided before sensor can be started the first time\n\rError -1\n\r"
DEMO_DIALOGUE = [
    ("", ""),
    ("% a comment", "Skipped\n\r"),
    ("sensorStop", "Ignored: Sensor is already stopped\n\rDone\n\r"),
    ("calibMonCfg 0 0", "'calibMonCfg' is not recognized as a CLI command\n\r"),
    ("channelCfg 15 7", "Error: Invalid usage of the CLI command\n\rError -1\n\r"),
    ("dfeDataOutputMode 4", "Error: Invalid mode.\n\rError -1\n\r"),
    ("sensorStart", FULL),
    *((line, "Done\n\r") for line in sent(CHIRPS["sdk_demo"])[1:]),
    (
        "sensorStart 1",
        "Error: Reconfig is not supported, only argument of 0 is\n\r(do not reconfig, just re-start the sensor) valid"
        "\n\rError -1\n\r",
    ),
    ("sensorStart", "Debug: Init Calibration Status = 0x1ffe\n\rDone\n\r"),
    ("sensorStart", "Ignored: Sensor is already started\n\rDone\n\r"),
    ("calibData 0 0 0", "Ignored: This command is not allowed after sensor has started\n\rDone\n\r"),
    ("sensorStop", "Done\n\r"),
    ("sensorStart", NO_SETTINGS),
    ("sensorStart 0", "Done\n\r"),
    ("sensorStop", "Done\n\r"),
    ("guiMonitor -1 0 0 0 0 0 0", "Done\n\r"),
    ("sensorStart 0", PARTIAL),
    ("sensorStart", PARTIAL),
    *((line, "Done\n\r") for line in sent(CHIRPS["sdk_demo"])[2:]),
    ("channelCfg 15 3 0", "Done\n\r"),
    ("sensorStart 0", COMPLETE),
    ("sensorStart", "Exception: ../mss/mmw_cli.c, line 300.\n\rDone\n\r"),
]


@pytest.mark.parametrize(("image", "dialogue"), [("studio_cli", STUDIO_DIALOGUE), ("sdk_demo", DEMO_DIALOGUE)])
def test_the_emulated_firmware_speaks_byte_for_byte(terminal, dialogue):
    for command, answer in dialogue:
        assert terminal.send(command) == f"{command}\n{answer}mmwDemo:/>"


@pytest.mark.parametrize("image", ["studio_cli", "sdk_demo"])
def test_the_emulated_board_greets_and_cuts_long_lines(board, terminal):
    board.reboot()
    assert terminal.until_prompt() == BANNER
    received = terminal.send("x" * 255)  # the 256th byte, the newline, is a line of its own
    if received.count("mmwDemo:/>") == 1:  # the second answer may come with the first
        received += terminal.until_prompt().decode()
    assert received.endswith("mmwDemo:/>\nmmwDemo:/>")
    assert board.received[-2:] == ["x" * 255, ""]
