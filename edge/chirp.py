"""`ChirpConfig`: one radar frame's settings and every number derived from them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from edge.errors import InputError
from edge.spec import SPEED_OF_LIGHT_M_S

Firmware = Literal["studio_cli", "sdk_demo"]

BYTES_PER_SAMPLE = 4  # int16 I and int16 Q
SOFTWARE_TRIGGER, HARDWARE_TRIGGER = 1, 2


class ChirpConfigError(InputError):
    """The chirp file cannot be used; the message names file, line and what to do."""


@dataclass(frozen=True)
class ChirpConfig:
    """One TDM frame of an AWR1843-like radar. `tx_order` and `rx` count antennas from 1.

    `adc_layout` is adcbufCfg's (output, sample swap, interleave, chirp threshold), `lvds_content` lvdsStreamCfg's
    (header, data format, software session). `frames` is how many come after a start, 0: endlessly; `trigger` is what
    starts each: SOFTWARE_TRIGGER or HARDWARE_TRIGGER, a pulse at a pin.
    """

    source: str
    text: str
    firmware: Firmware
    start_hz: float
    slope_hz_s: float
    idle_s: float
    adc_start_s: float
    ramp_end_s: float
    samples: int
    sample_rate_hz: float
    rx_gain_db: int
    hpf_codes: tuple[int, int]
    low_power_adc: bool
    adc_layout: tuple[int, ...]
    lvds_content: tuple[int, ...]
    tx_backoff_db: tuple[int, int, int]
    tx_order: tuple[int, ...]
    tx_enabled: tuple[int, ...]
    rx: tuple[int, ...]
    loops: int
    frame_period_s: float
    frames: int
    trigger: int

    @property
    def band(self) -> Literal["77GHz", "60GHz"]:
        """The device family the start frequency belongs to."""
        return "77GHz" if self.start_hz > 70e9 else "60GHz"

    @property
    def adc_window_s(self) -> float:
        """How long the ADC samples within one ramp."""
        return self.samples / self.sample_rate_hz

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the middle of the ADC window: the one a range bin's phase turns with."""
        middle_s = self.adc_start_s + (self.samples - 1) / 2 / self.sample_rate_hz
        return SPEED_OF_LIGHT_M_S / (self.start_hz + self.slope_hz_s * middle_s)

    @property
    def range_bin_m(self) -> float:
        """Width of one bin of the range transform over all samples."""
        return SPEED_OF_LIGHT_M_S / (2 * self.slope_hz_s * self.adc_window_s)

    @property
    def chirp_cycle_s(self) -> float:
        """From the start of one chirp to the next."""
        return self.idle_s + self.ramp_end_s

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """[loop, tx, rx, sample]"""
        return self.loops, len(self.tx_order), len(self.rx), self.samples

    @property
    def frame_bytes(self) -> int:
        """What the card sends for one frame."""
        return math.prod(self.frame_shape) * BYTES_PER_SAMPLE

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return 1 / self.frame_period_s

    @property
    def rate_bit_s(self) -> float:
        """What the card sends to the host while frames come."""
        return 8 * self.frame_bytes / self.frame_period_s

    @property
    def max_speed_m_s(self) -> float:
        """Fastest radial motion whose phase stays unambiguous from frame to frame: a quarter wavelength."""
        return self.wavelength_m / 4 / self.frame_period_s

    @property
    def duty(self) -> float:
        """Share of the frame period spent chirping."""
        return self.loops * len(self.tx_order) * self.chirp_cycle_s / self.frame_period_s

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of the chirp file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()
