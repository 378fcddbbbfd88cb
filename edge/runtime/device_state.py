"""Temperatures, GPU load, clocks and throttling of this computer, as its kernel reports them under /sys.

A file that is missing or cannot be read means an unknown value: which files exist depends on the computer and its
kernel. Sources: the kernel's documents sysfs-class-thermal and sysfs-class-devfreq, NVIDIA's GPU driver (`load`, in
thousandths), its driver soctherm (`oc1_event_cnt`, ... of the hwmon device soctherm_oc), and listings of a Jetson Orin
(17000000.gpu; 17000000.ga10b in JetPack 5) and of a Jetson Thor (gpu-gpc-0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edge.mqtt.device_report import DeviceReport

SYS = Path("/sys")
_GPU = re.compile(r".*\.(gpu|ga10b|gv11b)|gpu-gpc-0")
_SLOWS = re.compile(r".*-throttle-alert|(thermal-)?(cpu|dev)freq-.*|Processor")
"""Cooling devices that are not fans: their state is above 0 while the kernel slows the CPU or the GPU for heat."""


class DeviceState:
    """Reads the state of this computer. The files are found once, so a reading opens at most some thirty of them."""

    def __init__(self, sys: Path = SYS) -> None:
        zones = sorted(sys.glob("class/thermal/thermal_zone*"))
        self._zones = [zone / "temp" for zone in zones]
        self._gpu_zones = [zone / "temp" for zone in zones if _text(zone / "type").lower().startswith("gpu")]
        cooling = sorted(sys.glob("class/thermal/cooling_device*"))
        self._throttles = [each / "cur_state" for each in cooling if _SLOWS.fullmatch(_text(each / "type"))]
        gpus = [each for each in sorted(sys.glob("class/devfreq/*")) if _GPU.fullmatch(each.name)]
        self._load = [gpu / "device/load" for gpu in gpus]
        self._clock, self._max_clock = ([gpu / name for gpu in gpus] for name in ("cur_freq", "max_freq"))
        monitors = [each for each in sorted(sys.glob("class/hwmon/hwmon*")) if _text(each / "name") == "soctherm_oc"]
        self._overcurrent = [file for each in monitors for file in sorted(each.glob("oc*_event_cnt"))]

    def read(self) -> DeviceReport | None:
        """Return the present state, or None if the kernel reports none of it."""
        hottest, gpu = _largest(self._zones), _largest(self._gpu_zones)
        load, clock, max_clock = (_largest(files) for files in (self._load, self._clock, self._max_clock))
        states, events = _numbers(self._throttles), _numbers(self._overcurrent)
        report = DeviceReport(
            temperature_c=None if hottest is None else hottest / 1e3,
            gpu_temperature_c=None if gpu is None else gpu / 1e3,
            gpu_load=None if load is None else min(max(load / 1e3, 0.0), 1.0),
            gpu_clock_mhz=None if clock is None else clock / 1e6,
            gpu_max_clock_mhz=None if max_clock is None else max_clock / 1e6,
            throttled=max(states) > 0 if states else None,
            overcurrent_events=sum(events) if events else None,
        )
        return None if report == DeviceReport() else report

    def gauges(self) -> dict[str, float]:
        """Return the known values as metrics by name, in the units of Prometheus."""
        report = self.read() or DeviceReport()
        values = {
            "device_temperature_celsius": report.temperature_c,
            "gpu_temperature_celsius": report.gpu_temperature_c,
            "gpu_load_ratio": report.gpu_load,
            "gpu_clock_hertz": report.gpu_clock_mhz and report.gpu_clock_mhz * 1e6,
            "gpu_max_clock_hertz": report.gpu_max_clock_mhz and report.gpu_max_clock_mhz * 1e6,
            "device_throttled": report.throttled,
            "device_overcurrent_events_total": report.overcurrent_events,
        }
        return {name: float(value) for name, value in values.items() if value is not None}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # also of a file that exists: a sensor without power fails when it is read
        return ""


def _numbers(files: Iterable[Path]) -> list[int]:
    """Return the contents of the files that can be read and contain a number."""
    texts = map(_text, files)
    return [int(text) for text in texts if re.fullmatch(r"-?\d+", text)]


def _largest(files: Iterable[Path]) -> int | None:
    return max(_numbers(files), default=None)
