"""What an AWR1843's firmware answers to each command, and when: both images' texts, error numbers and state rules.

The check of chirp files and the emulated radar share it, so both refuse what TI's sources refuse.

Sources: SDK 3.5 `utils/cli/src/cli.c` and `demo/xwr18xx/mmw/mss/mmw_cli.c` (stock demo), studio_cli
`src/mss/mmw_cli.c`. The front end behind them is not modelled: it accepts every number.
"""

from __future__ import annotations

import re

from edge.radar.awr1843.replies import FIXED_AFTER_START
from edge.radar.chirp import Firmware

# How many arguments each command takes; None: any number, which the firmware does not check.
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
    # The RF monitors count in handlers of their own.
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
_BY_DIRECTION = ("cfarCfg", "cfarFovCfg")  # needed once for range and once for Doppler
# Neither image can set up frames without these.
_NEEDED = {"dfeDataOutputMode", "channelCfg", "adcCfg", "adcbufCfg", "profileCfg", "chirpCfg", "frameCfg"}
_FRAME_MODES = {1: "Frame", 2: "Continuous", 3: "Advanced Frame"}
_NEEDS_MODE = {
    "profileCfg": ("Frame", "Advanced Frame"),
    "chirpCfg": ("Frame", "Advanced Frame"),
    "frameCfg": ("Frame",),
    "advFrameCfg": ("Advanced Frame",),
    "subFrameCfg": ("Advanced Frame",),
    "contModeCfg": ("Continuous",),
}
MAX_PROFILES = 4
# What the stock demo watches: all of it before the first start, then all of it or nothing between stop and start.
_WATCHED = (_SDK_DEMO.keys() - set(_BY_DIRECTION)) | {
    *("guiMonitor", "adcbufCfg", "lvdsStreamCfg", "CQRxSatMonitor", "CQSigImgMonitor"),
    *(f"{name} {direction}" for name in _BY_DIRECTION for direction in (0, 1)),
}
# Commands of both images that a running radar ignores; the stock demo says so, studio_cli says Done.
_NOT_WHILE_RUNNING = {"adcbufCfg", "lvdsStreamCfg", "CQRxSatMonitor", "CQSigImgMonitor", "analogMonitor", "calibData"}
_STUDIO_CLI_MISCOUNTED = {"guiMonitor": -1, "adcbufCfg": -52, "lvdsStreamCfg": -52, "calibMonCfg": -1}  # others: -51


def _atoi(word: str) -> int:
    """As C's: the integer that a word begins with, 0 where there is none."""
    found = re.match(r"[+-]?\d+", word)
    return int(found[0]) if found else 0


class Awr1843Firmware:
    """One image from power-on to power-off. `running` says whether frames are being sent."""

    def __init__(self, image: Firmware) -> None:
        self.image = image
        self.running = False
        self._given: set[str] = set()  # commands since the last flushCfg
        self._profiles: set[int] = set()
        self._mode = ""
        self._pending: set[str] = set()  # commands since the last stop that the stock demo watches
        self._fixed: dict[str, list[str]] = {}
        self._first_fixed: dict[str, list[str]] | None = None  # as they were at the first start

    def answer(self, line: str) -> str:
        """What the firmware writes in answer to a line, newlines as LF; the prompt follows."""
        if line.startswith("%"):
            return "Skipped\n"
        words = [word for word in line.split(" ") if word]
        return self._answer(words[0], words[1:]) if words else ""

    def missing(self) -> list[str]:
        """The commands without which the first sensorStart is refused."""
        watched = _WATCHED - self._pending if self.image == "sdk_demo" else set()
        return sorted(watched | (_NEEDED - self._given))

    def _answer(self, name: str, args: list[str]) -> str:
        if name == "sensorStart":
            return self._sensor_start(args)
        if name == "sensorStop":
            return self._sensor_stop()
        if name == "flushCfg":
            self._given, self._profiles, self._mode = set(), set(), ""
            return "Done\n"
        studio = self.image == "studio_cli"
        if name not in COMMANDS[self.image]:
            return "Error -50\n" if studio else f"'{name}' is not recognized as a CLI command\n"
        if self.running and name in _NOT_WHILE_RUNNING:
            return ("" if studio else "Ignored: This command is not allowed after sensor has started\n") + "Done\n"
        counts = COMMANDS[self.image][name]
        if counts is not None and len(args) not in counts:
            if studio:
                return f"Error {_STUDIO_CLI_MISCOUNTED.get(name, -51)}\n"
            return "Error: Invalid usage of the CLI command\nError -1\n"
        if name == "lvdsStreamCfg" and studio and (_atoi(args[1]) or _atoi(args[3])):
            return "Error -55\n"
        if name == "adcbufCfg" and studio and _atoi(args[4]) != 1:
            return "Error -52\n"
        if name == "dfeDataOutputMode" and _atoi(args[0]) not in _FRAME_MODES:
            return "Error -52\n" if studio else "Error: Invalid mode.\nError -1\n"
        problem = self._out_of_order(name, args)
        if problem is not None:
            return "Error -52\n" if studio else f"{problem}Error -1\n"
        if name == "dfeDataOutputMode":
            self._mode = _FRAME_MODES[_atoi(args[0])]
        if name == "profileCfg":
            self._profiles.add(_atoi(args[0]))
        self._given.add(name)
        self._pending.add(f"{name} {_atoi(args[1])}" if name in _BY_DIRECTION else name)
        if name in FIXED_AFTER_START:
            self._fixed[name] = args
        return "Done\n"

    def _out_of_order(self, name: str, args: list[str]) -> str | None:
        """What the stock demo says of a command that needs another before it; None when all is well."""
        modes = _NEEDS_MODE.get(name)
        if modes and self._mode not in modes:
            return f"Error: Configuration is valid only if the DFE Output Mode is {' or '.join(modes)}\n"
        if name == "profileCfg" and not 0 <= _atoi(args[0]) < MAX_PROFILES:
            return ""
        if name == "chirpCfg" and self.image == "sdk_demo" and _atoi(args[2]) not in self._profiles:
            return ""
        return None

    def _sensor_start(self, args: list[str]) -> str:
        reconfigure = not args
        answer = self._refusal(args, reconfigure)
        if answer is not None:
            return answer
        answer = "Done\n"
        if self.image == "sdk_demo":
            if self._first_fixed is None:
                answer = "Debug: Init Calibration Status = 0x1ffe\nDone\n"
            elif self._fixed != self._first_fixed:
                answer = "Exception: ../mss/mmw_cli.c, line 300.\nDone\n"
        self._first_fixed = self._first_fixed or dict(self._fixed)
        self.running = True
        return answer

    def _refusal(self, args: list[str], reconfigure: bool) -> str | None:
        """Why sensorStart does not start, in the firmware's order of checks."""
        if self.image == "studio_cli":
            if len(args) == 1 and args[0] != "0":
                return "Error -53\n"
            if self.running:
                return "Error -54\n"
            return None if self._given >= _NEEDED else "Error -57\n"
        if len(args) == 1 and args[0] != "0":
            return (
                "Error: Reconfig is not supported, only argument of 0 is\n"
                "(do not reconfig, just re-start the sensor) valid\nError -1\n"
            )
        complete, partial = self._pending >= _WATCHED, bool(self._pending & _WATCHED)
        if self._first_fixed is None and not complete:
            return "Error: Full configuration must be provided before sensor can be started the first time\nError -1\n"
        if not self._given >= _NEEDED:
            return "Error -1\n"  # the front end's code is its own; that it does not start is what matters
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
