"""Model of the command line of both AWR1843 firmware images: replies, error numbers and state rules.

The check of chirp files and the radar emulator use it, so both reject what TI's sources reject.

Sources: SDK 3.5 `utils/cli/src/cli.c` and `demo/xwr18xx/mmw/mss/mmw_cli.c` (stock demo), studio_cli
`src/mss/mmw_cli.c`. The radar front end is not modelled: here it accepts every number.
"""

from __future__ import annotations

import re

from edge.radar.awr1843.replies import FIXED_AFTER_START
from edge.radar.chirp import Firmware

# Number of arguments of each command; None: the firmware does not check it.
_Counts = dict[str, tuple[int, ...] | None]
_BOTH: _Counts = {
    "sensorStart": None,
    "sensorStop": None,
    "flushCfg": None,
    "version": None,
    "help": None,
    "dfeDataOutputMode": (1,),
    "channelCfg": (3,),
    "adcCfg": (2,),
    "adcbufCfg": (5,),
    "profileCfg": (14,),
    "chirpCfg": (8,),
    "frameCfg": (7,),
    "advFrameCfg": (5,),
    "subFrameCfg": (10,),
    "contModeCfg": (9,),
    "lowPower": (2,),
    "lvdsStreamCfg": (4,),
    "guiMonitor": (7,),
    "CQRxSatMonitor": (5,),
    "CQSigImgMonitor": (3,),
}
_STUDIO_CLI: _Counts = {
    "calibMonCfg": (2, 3),
    "monCalibReportCfg": (3,),
    "calibConfig": (2,),
    "ldoBypass": (3,),
    "hsiClkCfg": (1,),
    # The RF monitors check the number in their own handlers.
    **dict.fromkeys(
        (
            *("gpadcSigMonCfg", "tempMonCfg", "extAnaSigMonCfg", "txPowerMonCfg", "txBallbreakMonCfg", "digMonCfg"),
            *("rxGainPhaseMonCfg", "synthFreqMonCfg", "pllConVoltMonCfg", "dualClkCompMonCfg", "rxIfStageMonCfg"),
            *("pmClkSigMonCfg", "rxIntAnaSigMonCfg", "txIntAnaSigMonCfg", "rxMixInpwrMonCfg", "getMonStats"),
        )
    ),
}
_SDK_DEMO: _Counts = {
    "cfarCfg": (9,),
    "multiObjBeamForming": (3,),
    "calibDcRangeSig": (5,),
    "clutterRemoval": (2,),
    "aoaFovCfg": (5,),
    "cfarFovCfg": (4,),
    "compRangeBiasAndRxChanPhase": (17, 25),  # 2 or 3 transmitters
    "measureRangeBiasAndRxChanPhase": (3,),
    "extendedMaxVelocity": (2,),
    "analogMonitor": (2,),
    "calibData": (3,),
}
_SDK_DEMO_OPTIONAL: _Counts = {"bpmCfg": (4,), "configDataPort": (2,), "queryDemoStatus": None}
COMMANDS: dict[Firmware, _Counts] = {
    "studio_cli": _BOTH | _STUDIO_CLI,
    "sdk_demo": _BOTH | _SDK_DEMO | _SDK_DEMO_OPTIONAL,
}
_PER_DIRECTION = ("cfarCfg", "cfarFovCfg")  # needed once for range and once for Doppler
# Both images need these commands to set up frames.
_REQUIRED = {"dfeDataOutputMode", "channelCfg", "adcCfg", "adcbufCfg", "profileCfg", "chirpCfg", "frameCfg"}
_FRAME_MODES = {1: "Frame", 2: "Continuous", 3: "Advanced Frame"}
_REQUIRED_MODES = {
    "profileCfg": ("Frame", "Advanced Frame"),
    "chirpCfg": ("Frame", "Advanced Frame"),
    "frameCfg": ("Frame",),
    "advFrameCfg": ("Advanced Frame",),
    "subFrameCfg": ("Advanced Frame",),
    "contModeCfg": ("Continuous",),
}
MAX_PROFILES = 4
# The stock demo requires all of these before the first start, then all or none of them between stop and start.
_REQUIRED_BY_DEMO = (_SDK_DEMO.keys() - set(_PER_DIRECTION)) | {
    *("guiMonitor", "adcbufCfg", "lvdsStreamCfg", "CQRxSatMonitor", "CQSigImgMonitor"),
    *(f"{name} {direction}" for name in _PER_DIRECTION for direction in (0, 1)),
}
# Commands that a running radar ignores; the stock demo reports this, studio_cli replies Done.
_IGNORED_WHILE_RUNNING = {
    "adcbufCfg",
    "lvdsStreamCfg",
    "CQRxSatMonitor",
    "CQSigImgMonitor",
    "analogMonitor",
    "calibData",
}
_STUDIO_CLI_COUNT_ERRORS = {"guiMonitor": -1, "adcbufCfg": -52, "lvdsStreamCfg": -52, "calibMonCfg": -1}  # others: -51


def _atoi(word: str) -> int:
    """Parse the integer at the beginning of a word, as C's atoi; 0 when there is none."""
    found = re.match(r"[+-]?\d+", word)
    return int(found[0]) if found else 0


class Awr1843Firmware:
    """State of one image from power-on to power-off. `running` is true while frames are sent."""

    def __init__(self, image: Firmware) -> None:
        self.image = image
        self.running = False
        self._received: set[str] = set()  # commands since the last flushCfg
        self._profiles: set[int] = set()
        self._mode = ""
        self._pending: set[str] = set()  # commands since the last stop
        self._fixed: dict[str, list[str]] = {}
        self._first_fixed: dict[str, list[str]] | None = None  # as they were at the first start

    def execute(self, line: str) -> str:
        """Execute a line and return the firmware's reply, newlines as LF, without the prompt."""
        if line.startswith("%"):
            return "Skipped\n"
        words = [word for word in line.split(" ") if word]
        return self._execute_command(words[0], words[1:]) if words else ""

    def missing(self) -> list[str]:
        """Return the missing commands because of which the first sensorStart would be rejected."""
        required = _REQUIRED_BY_DEMO - self._pending if self.image == "sdk_demo" else set()
        return sorted(required | (_REQUIRED - self._received))

    def _execute_command(self, name: str, args: list[str]) -> str:
        if name == "sensorStart":
            return self._sensor_start(args)
        if name == "sensorStop":
            return self._sensor_stop()
        if name == "flushCfg":
            self._received, self._profiles, self._mode = set(), set(), ""
            return "Done\n"
        studio = self.image == "studio_cli"
        if name not in COMMANDS[self.image]:
            return "Error -50\n" if studio else f"'{name}' is not recognized as a CLI command\n"
        if self.running and name in _IGNORED_WHILE_RUNNING:
            return ("" if studio else "Ignored: This command is not allowed after sensor has started\n") + "Done\n"
        counts = COMMANDS[self.image][name]
        if counts is not None and len(args) not in counts:
            if studio:
                return f"Error {_STUDIO_CLI_COUNT_ERRORS.get(name, -51)}\n"
            return "Error: Invalid usage of the CLI command\nError -1\n"
        if name == "lvdsStreamCfg" and studio and (_atoi(args[1]) or _atoi(args[3])):
            return "Error -55\n"
        if name == "adcbufCfg" and studio and _atoi(args[4]) != 1:
            return "Error -52\n"
        if name == "dfeDataOutputMode" and _atoi(args[0]) not in _FRAME_MODES:
            return "Error -52\n" if studio else "Error: Invalid mode.\nError -1\n"
        problem = self._order_error(name, args)
        if problem is not None:
            return "Error -52\n" if studio else f"{problem}Error -1\n"
        if name == "dfeDataOutputMode":
            self._mode = _FRAME_MODES[_atoi(args[0])]
        if name == "profileCfg":
            self._profiles.add(_atoi(args[0]))
        self._received.add(name)
        self._pending.add(f"{name} {_atoi(args[1])}" if name in _PER_DIRECTION else name)
        if name in FIXED_AFTER_START:
            self._fixed[name] = args
        return "Done\n"

    def _order_error(self, name: str, args: list[str]) -> str | None:
        """Return the stock demo's error for a command that needs an earlier command; None when there is no error."""
        modes = _REQUIRED_MODES.get(name)
        if modes and self._mode not in modes:
            return f"Error: Configuration is valid only if the DFE Output Mode is {' or '.join(modes)}\n"
        if name == "profileCfg" and not 0 <= _atoi(args[0]) < MAX_PROFILES:
            return ""
        if name == "chirpCfg" and self.image == "sdk_demo" and _atoi(args[2]) not in self._profiles:
            return ""
        return None

    def _sensor_start(self, args: list[str]) -> str:
        reconfigure = not args
        reply = self._start_error(args, reconfigure)
        if reply is not None:
            return reply
        reply = "Done\n"
        if self.image == "sdk_demo":
            if self._first_fixed is None:
                reply = "Debug: Init Calibration Status = 0x1ffe\nDone\n"
            elif self._fixed != self._first_fixed:
                reply = "Exception: ../mss/mmw_cli.c, line 300.\nDone\n"
        self._first_fixed = self._first_fixed or dict(self._fixed)
        self.running = True
        return reply

    def _start_error(self, args: list[str], reconfigure: bool) -> str | None:
        """Return the error reply to sensorStart, in the firmware's order of checks; None when it starts."""
        if self.image == "studio_cli":
            if len(args) == 1 and args[0] != "0":
                return "Error -53\n"
            if self.running:
                return "Error -54\n"
            return None if self._received >= _REQUIRED else "Error -57\n"
        if len(args) == 1 and args[0] != "0":
            return (
                "Error: Reconfig is not supported, only argument of 0 is\n"
                "(do not reconfig, just re-start the sensor) valid\nError -1\n"
            )
        complete, partial = self._pending >= _REQUIRED_BY_DEMO, bool(self._pending & _REQUIRED_BY_DEMO)
        if self._first_fixed is None and not complete:
            return "Error: Full configuration must be provided before sensor can be started the first time\nError -1\n"
        if not self._received >= _REQUIRED:
            return "Error -1\n"  # the real code is the front end's; only the failure matters here
        if self.running:
            return "Ignored: Sensor is already started\nDone\n"
        if complete == reconfigure and (complete or not partial):
            return None
        if partial and not complete:
            return (
                "Error: You have provided partial configuration between stop and this command and partial "
                'configuration cannot be undone.Issue the full configuration and do "sensorStart" \nError -1\n'
            )
        if reconfigure:
            return (
                'Error: You have provided no configuration, issue "sensorStart 0" OR provide '
                'full configuration and issue "sensorStart"\nError -1\n'
            )
        return (
            'Error: You have provided complete new configuration, issue "sensorStart" (without argument) '
            "if you want it to take effect\nError -1\n"
        )

    def _sensor_stop(self) -> str:
        if not self.running:
            return "Error -54\n" if self.image == "studio_cli" else "Ignored: Sensor is already stopped\nDone\n"
        self.running = False
        self._pending = set()
        return "Done\n"
