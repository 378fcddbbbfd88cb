"""What an AWR1843's firmware answers to each command, and when: both images' texts, error numbers and state rules.

Sources: SDK 3.5 `utils/cli/src/cli.c` and `demo/xwr18xx/mmw/mss/mmw_cli.c` (stock demo), studio_cli
`src/mss/mmw_cli.c`. The front end behind them is not modelled: it accepts every number.
"""

from __future__ import annotations

from edge.chirp import Firmware
from edge.radar.console import FIXED_AFTER_START

# How many arguments each command takes; sensorStart, sensorStop and flushCfg are apart.
_BOTH: dict[str, tuple[int, ...]] = {
    "dfeDataOutputMode": (1,),
    "channelCfg": (3,),
    "adcCfg": (2,),
    "adcbufCfg": (5,),
    "profileCfg": (14,),
    "chirpCfg": (8,),
    "frameCfg": (7,),
    "lowPower": (2,),
    "lvdsStreamCfg": (4,),
    "guiMonitor": (7,),
    "CQRxSatMonitor": (5,),
    "CQSigImgMonitor": (3,),
}
_STUDIO_CLI: dict[str, tuple[int, ...]] = {"calibMonCfg": (2, 3), "monCalibReportCfg": (3,)}
_SDK_DEMO: dict[str, tuple[int, ...]] = {
    "cfarCfg": (9,),
    "multiObjBeamForming": (3,),
    "calibDcRangeSig": (5,),
    "clutterRemoval": (2,),
    "aoaFovCfg": (5,),
    "cfarFovCfg": (4,),
    "compRangeBiasAndRxChanPhase": (25,),
    "measureRangeBiasAndRxChanPhase": (3,),
    "extendedMaxVelocity": (2,),
    "analogMonitor": (2,),
    "calibData": (3,),
}
_ARGUMENTS: dict[Firmware, dict[str, tuple[int, ...]]] = {
    "studio_cli": _BOTH | _STUDIO_CLI,
    "sdk_demo": _BOTH | _SDK_DEMO,
}
_BY_DIRECTION = ("cfarCfg", "cfarFovCfg")  # needed once for range and once for Doppler
# studio_cli cannot set up the data path without these.
_NEEDED = {"dfeDataOutputMode", "channelCfg", "adcCfg", "adcbufCfg", "profileCfg", "chirpCfg", "frameCfg"}
# What the stock demo watches: all of it before the first start, then all of it or nothing between stop and start.
_WATCHED = (_SDK_DEMO.keys() - set(_BY_DIRECTION)) | {
    *("guiMonitor", "adcbufCfg", "lvdsStreamCfg", "CQRxSatMonitor", "CQSigImgMonitor"),
    *(f"{name} {direction}" for name in _BY_DIRECTION for direction in (0, 1)),
}
# Commands of both images that a running radar ignores; the stock demo says so, studio_cli says Done.
_NOT_WHILE_RUNNING = {"adcbufCfg", "lvdsStreamCfg", "CQRxSatMonitor", "CQSigImgMonitor", "analogMonitor", "calibData"}
_STUDIO_CLI_MISCOUNTED = {"guiMonitor": -1, "adcbufCfg": -52, "lvdsStreamCfg": -52, "calibMonCfg": -1}  # others: -51


class Awr1843Firmware:
    """One image from power-on to power-off. `running` says whether frames are being sent."""

    def __init__(self, image: Firmware) -> None:
        self.image = image
        self.running = False
        self._given: set[str] = set()  # commands since the last flushCfg
        self._pending: set[str] = set()  # commands since the last stop that the stock demo watches
        self._fixed: dict[str, list[str]] = {}
        self._first_fixed: dict[str, list[str]] | None = None  # as they were at the first start

    def answer(self, line: str) -> str:
        """What the firmware writes in answer to a line, newlines as LF; the prompt follows."""
        if line.startswith("%"):
            return "Skipped\n"
        words = [word for word in line.split(" ") if word]
        return self._answer(words[0], words[1:]) if words else ""

    def _answer(self, name: str, args: list[str]) -> str:
        if name == "sensorStart":
            return self._sensor_start(args)
        if name == "sensorStop":
            return self._sensor_stop()
        if name == "flushCfg":
            self._given = set()
            return "Done\n"
        studio = self.image == "studio_cli"
        arguments = _ARGUMENTS[self.image]
        if name not in arguments:
            return "Error -50\n" if studio else f"'{name}' is not recognized as a CLI command\n"
        if self.running and name in _NOT_WHILE_RUNNING:
            return ("" if studio else "Ignored: This command is not allowed after sensor has started\n") + "Done\n"
        if len(args) not in arguments[name]:
            if studio:
                return f"Error {_STUDIO_CLI_MISCOUNTED.get(name, -51)}\n"
            return "Error: Invalid usage of the CLI command\nError -1\n"
        if name == "lvdsStreamCfg" and studio and (args[1] != "0" or args[3] != "0"):
            return "Error -55\n"
        if name == "dfeDataOutputMode" and args[0] not in ("1", "2", "3"):
            return "Error -52\n" if studio else "Error: Invalid mode.\nError -1\n"
        self._given.add(name)
        self._pending.add(f"{name} {args[1]}" if name in _BY_DIRECTION else name)
        if name in FIXED_AFTER_START:
            self._fixed[name] = args
        return "Done\n"

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
