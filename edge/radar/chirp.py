"""`ChirpConfig`: the settings of one radar frame and the quantities derived from them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from edge.core.errors import InputError
from edge.core.spec import SPEED_OF_LIGHT_M_S

Firmware = Literal["studio_cli", "sdk_demo"]

"""The firmware images that radarecg can configure over the serial port."""

BYTES_PER_SAMPLE = 4  # int16 I and int16 Q
SOFTWARE_TRIGGER, HARDWARE_TRIGGER = 1, 2
MIN_FRAME_RATE_HZ = 10.0
SEARCH_RANGE_M = (0.2, 2.5)
"""Range limits of the chest search."""
MIN_CHEST_BINS = 5


class ChirpConfigError(InputError):
    """The chirp file cannot be used. The message gives the file, the line and the remedy."""


@dataclass(frozen=True)
class ChirpConfig:
    """One TDM frame of an AWR1843-like radar.

    Attributes:
        firmware: The image the file is for; None for mmWave Studio's settings and for firmware of TI's labs.
        adc_format: adcCfg's format: 1 complex 1x, 2 complex 2x.
        adc_layout: adcbufCfg's output, sample swap, interleave and chirp threshold; empty without the command.
        lvds_content: lvdsStreamCfg's header, data format and software session; empty without the command.
        iq_order: Order of the words on the wire, see `edge.radar.iq.IqOrder`.
        tx_order: Transmitters from 1 in firing order. Transmitters that fire together are one virtual transmitter: TX1
            and TX3 are 13; only recordings may contain it.
        rx: Receivers, from 1.
        frames: Number of frames after a start; 0: unlimited.
        trigger: What starts each frame: SOFTWARE_TRIGGER, or HARDWARE_TRIGGER (a pulse at a pin).
    """

    source: str
    text: str
    firmware: Firmware | None
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
    adc_format: Literal[1, 2]
    iq_order: Literal["sdk", "studio"]
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
        """The frequency band of the device family, from the start frequency."""
        return "77GHz" if self.start_hz > 70e9 else "60GHz"

    @property
    def image(self) -> Firmware:
        """The firmware image that the file is for. Raises ChirpConfigError when there is none."""
        if self.firmware is None:
            raise ChirpConfigError(
                f"{self.source}: only a .cfg for studio_cli or for the stock demo can configure the radar over its "
                "serial port; write one with the same numbers (see firmware_config/), or start the boards another way"
            )
        return self.firmware

    @property
    def fires_together(self) -> bool:
        """Whether a chirp fires several transmitters."""
        return max(self.tx_order) > 9

    @property
    def adc_window_s(self) -> float:
        """Duration of the ADC sampling within one ramp."""
        return self.samples / self.sample_rate_hz

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the middle of the ADC window; it determines the phase change of a range bin."""
        middle_s = self.adc_start_s + (self.samples - 1) / 2 / self.sample_rate_hz
        return SPEED_OF_LIGHT_M_S / (self.start_hz + self.slope_hz_s * middle_s)

    @property
    def range_bin_m(self) -> float:
        """Width of one range bin (FFT over all samples)."""
        return SPEED_OF_LIGHT_M_S / (2 * self.slope_hz_s * self.adc_window_s)

    @property
    def chirp_cycle_s(self) -> float:
        """Time from the start of one chirp to the start of the next."""
        return self.idle_s + self.ramp_end_s

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """Shape of a decoded frame: [loop, tx, rx, sample]."""
        return self.loops, len(self.tx_order), len(self.rx), self.samples

    @property
    def frame_bytes(self) -> int:
        """Number of bytes of one frame."""
        return math.prod(self.frame_shape) * BYTES_PER_SAMPLE

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return 1 / self.frame_period_s

    @property
    def rate_bit_s(self) -> float:
        """Data rate from the card to the host while the radar streams."""
        return 8 * self.frame_bytes / self.frame_period_s

    @property
    def max_speed_m_s(self) -> float:
        """Maximum unambiguous radial speed: a quarter wavelength per frame."""
        return self.wavelength_m / 4 / self.frame_period_s

    @property
    def duty(self) -> float:
        """Fraction of the frame period during which chirps are sent."""
        return self.loops * len(self.tx_order) * self.chirp_cycle_s / self.frame_period_s

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the chirp file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def chest_bins(chirp: ChirpConfig, range_bias_m: float = 0.0) -> range:
    """Return the range bins within SEARCH_RANGE_M. Raises ChirpConfigError when there are too few."""
    low, high = ((metres + range_bias_m) / chirp.range_bin_m for metres in SEARCH_RANGE_M)
    bins = range(max(2, math.ceil(low)), min(chirp.samples // 2 - 1, math.floor(high) + 1))
    if len(bins) < MIN_CHEST_BINS:
        raise ChirpConfigError(
            f"{chirp.source}: range bins of {chirp.range_bin_m:.2f} m, {chirp.samples} in all, leave fewer than "
            f"{MIN_CHEST_BINS} between {SEARCH_RANGE_M[0]} and {SEARCH_RANGE_M[1]} m: a chest cannot be found; "
            "sweep a wider band or take more samples"
        )
    return bins


def require_heartbeat(chirp: ChirpConfig) -> None:
    """Raise ChirpConfigError when a heartbeat cannot be measured with these frames; called by `run` and `replay`."""
    if chirp.frame_rate_hz < MIN_FRAME_RATE_HZ:
        raise ChirpConfigError(
            f"{chirp.source}: {chirp.frame_rate_hz:g} frames a second are too few to see a heartbeat; "
            f"at least {MIN_FRAME_RATE_HZ:g} are needed"
        )
    chest_bins(chirp)
