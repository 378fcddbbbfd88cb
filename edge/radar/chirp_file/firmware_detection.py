"""Detects from its commands which firmware a `.cfg` chirp file is written for."""

from __future__ import annotations

from edge.radar.chirp import ChirpConfigError, Firmware
from edge.radar.chirp_file.command_lines import Line
from edge.radar.chirp_file.firmware_model import COMMANDS

# Commands of devices with another command set: xWRL6432, xWRL6844 and similar.
_LOW_POWER_DEVICES = {"chirpComnCfg", "chirpTimingCfg", "sigProcChainCfg", "lowPowerCfg", "factoryCalibCfg"}
# Commands of TI's labs (Radar Toolbox, Industrial and Automotive Toolbox), which have their own firmware. The first
# lab that matches is reported: the tracker, the last one, is part of several labs.
_LABS: dict[str, tuple[str, ...]] = {
    "vital signs": (
        "vitalSignsCfg",
        "motionDetection",
        "VSRangeIdxCfg",
        "VSTargetId",
        "vitalsign",
        "vitalSignsParamsCfg",
    ),
    "occupancy detection in cars and rooms": (
        *("zoneDef", "zoneNeighDef", "numZones", "totNumRows", "cuboidDef", "interiorBounds", "occStateMach"),
        *("coeffMatrixRow", "meanVector", "stdVector", "oddemoParms", "classParam"),
    ),
    "high accuracy level sensing": ("RangeLimitCfg", "rangeLimitCfg", "levelSensingCfg"),
    "people counting": (
        *("SceneryParam", "sceneryParam", "PointCloudEn", "classifierCfg", "FallDetectParams", "fineMotionCfg"),
        *("dynamicRACfarCfg", "staticRACfarCfg", "dynamicRangeAngleCfg", "dynamic2DAngleCfg", "staticRangeAngleCfg"),
        *("antGeometry0", "antGeometry1", "antPhaseRot", "fovCfg", "DOACfg"),
    ),
    "area scanner": ("heatmapGenCfg", "staticDetectionCfg"),
    "traffic monitoring": ("doaCfg", "dbscanCfg"),
    "object tracking (people, gestures, traffic)": (
        *(
            "trackingCfg",
            "gatingParam",
            "GatingParam",
            "stateParam",
            "StateParam",
            "allocationParam",
            "AllocationParam",
        ),
        *("AccelerationParam", "maxAcceleration", "VariationParam", "boundaryBox", "staticBoundaryBox"),
        *("presenceBoundaryBox", "sensorPosition"),
    ),
}
_LAB_BY_COMMAND = {name: lab for lab, names in _LABS.items() for name in names}
_LUA_PREFIX = "ar1."
_CHIRP_COMMANDS = {
    "profileCfg",
    "chirpCfg",
    "frameCfg",
    "channelCfg",
    "adcCfg",
    "dfeDataOutputMode",
    *_LOW_POWER_DEVICES,
}


def require_command_set(lines: list[Line], source: str) -> None:
    """Raise ChirpConfigError for files of devices with another command set, and for files without commands."""
    if not any(line.name in _CHIRP_COMMANDS for line in lines) and not any(
        line.name.startswith(_LUA_PREFIX) for line in lines
    ):
        raise ChirpConfigError(f"{source}: profileCfg is missing; is this a TI chirp file?")
    for line in lines:
        if line.name in _LOW_POWER_DEVICES:
            raise ChirpConfigError(
                f"{line.place}: {line.name} is a command of xWRL6432 and xWRL6844, which have another command set; "
                "radarecg reads chirp files of xWR1xxx and xWR6x43"
            )
        if line.name.startswith(_LUA_PREFIX):
            raise ChirpConfigError(
                f"{line.place}: this is a Lua script of mmWave Studio; export its settings as JSON (*.mmwave.json)"
            )


def firmware_of(lines: list[Line]) -> Firmware | None:
    """Return the image that the commands belong to, studio_cli if both accept them, or None for a lab's firmware."""
    names = {line.name for line in lines}
    if names & _LAB_BY_COMMAND.keys():
        return None
    of_demo, of_studio = (names & (COMMANDS[image].keys() - COMMANDS[other].keys()) for image, other in _PAIRS)
    # Both images accept guiMonitor, but only the demo's files contain it: studio_cli has no GUI.
    return "sdk_demo" if len(of_demo) + ("guiMonitor" in names) > len(of_studio) else "studio_cli"


_PAIRS: tuple[tuple[Firmware, Firmware], ...] = (("sdk_demo", "studio_cli"), ("studio_cli", "sdk_demo"))


def lab_error(lines: list[Line]) -> ChirpConfigError:
    """Return the error for a file whose `firmware_of` is None; it names the lab."""
    names = {line.name for line in lines}
    lab = next(lab for lab, commands in _LABS.items() if names & set(commands))
    line = next(line for line in lines if line.name in _LABS[lab])
    return ChirpConfigError(
        f"{line.place}: {line.name} is a command of TI's lab for {lab}, which has its own firmware; radarecg starts "
        "radars with studio_cli or the stock demo, which reject it: use a file of firmware_config/ (replay can "
        "use this one)"
    )
