"""The documented limits of what the radar can transmit and sample.

Sources: mmwavelink `rl_sensor.h` and `rl_device.h` (SDK 3.5), SWRA553A (ramp timing), SPRS (AWR1843 datasheet).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.limit import Limit


@dataclass(frozen=True)
class Family:
    """Limits that differ between device families (rl_sensor.h rlProfileCfg_t)."""

    name: str
    bands_hz: tuple[tuple[float, float], ...]
    max_slope_hz_s: float
    max_backoff_db: int


FAMILIES = {
    "77GHz": Family("xWR1xxx", ((76e9, 78e9), (77e9, 81e9)), 100e12, 20),
    "60GHz": Family("xWR6x43", ((57e9, 61e9), (60e9, 64e9)), 250e12, 26),
}
MIN_SAMPLE_RATE_HZ = 2e6
# For devices with 10 MHz of IF bandwidth (AWR1843, IWR6843), by adcCfg's format: complex 1x, complex 2x.
MAX_SAMPLE_RATE_HZ = {1: 12.5e6, 2: 25e6}
MAX_LOW_POWER_RATE_HZ = {1: 9.375e6, 2: 18.75e6}
ADC_FORMATS = {1: "complex 1x", 2: "complex 2x"}
_EPS_S = 1e-12  # decimal microseconds are not exact in binary


def _ramp_top_hz(c: ChirpConfig) -> float:
    return c.start_hz + c.slope_hz_s * c.ramp_end_s


def _family(c: ChirpConfig) -> Family:
    return FAMILIES[c.band]


def _first_wrong_chirp(c: ChirpConfig) -> str:
    number, tx = next((k, tx) for k, tx in enumerate(c.tx_order) if tx > 3 or tx not in c.tx_enabled)
    fired = [f"TX{digit}" for digit in str(tx)]
    return f"chirp {number} of the frame fires {len(fired)} transmitters ({' and '.join(fired)})"


def _active_s(c: ChirpConfig) -> float:
    return c.loops * len(c.tx_order) * c.chirp_cycle_s


FRONT_END_LIMITS: tuple[Limit, ...] = (
    Limit(
        "band",
        "AWR1843/IWR6843 datasheet, VCO ranges",
        lambda c: any(low <= c.start_hz and _ramp_top_hz(c) <= high for low, high in _family(c).bands_hz),
        lambda c: (
            f"ramp {c.start_hz / 1e9:.3f} to {_ramp_top_hz(c) / 1e9:.3f} GHz leaves "
            + " and ".join(f"{low / 1e9:.0f}-{high / 1e9:.0f}" for low, high in _family(c).bands_hz)
            + f" GHz of {_family(c).name}; lower the slope, the ramp end or the start"
        ),
    ),
    Limit(
        "slope",
        "rl_sensor.h freqSlopeConst",
        lambda c: 0 < c.slope_hz_s <= _family(c).max_slope_hz_s,
        lambda c: (
            f"{c.slope_hz_s / 1e12:.2f} MHz/us is outside 0 to {_family(c).max_slope_hz_s / 1e12:.0f}"
            f" of {_family(c).name}"
        ),
    ),
    Limit(
        "sample_rate",
        "rl_sensor.h digOutSampleRate, devices of 10 MHz IF bandwidth",
        lambda c: MIN_SAMPLE_RATE_HZ <= c.sample_rate_hz <= MAX_SAMPLE_RATE_HZ[c.adc_format],
        lambda c: (
            f"{c.sample_rate_hz / 1e3:.0f} ksps is outside {MIN_SAMPLE_RATE_HZ / 1e3:.0f} to "
            f"{MAX_SAMPLE_RATE_HZ[c.adc_format] / 1e3:.0f} for {ADC_FORMATS[c.adc_format]}"
        ),
    ),
    Limit(
        "low_power_adc",
        "rl_sensor.h digOutSampleRate",
        lambda c: not c.low_power_adc or c.sample_rate_hz <= MAX_LOW_POWER_RATE_HZ[c.adc_format],
        lambda c: (
            f"{c.sample_rate_hz / 1e3:.0f} ksps; the low-power ADC reaches "
            f"{MAX_LOW_POWER_RATE_HZ[c.adc_format] / 1e3:.0f} for {ADC_FORMATS[c.adc_format]}"
        ),
    ),
    Limit(
        "hpf",
        "rl_sensor.h hpfCornerFreq1, hpfCornerFreq2",
        lambda c: all(0 <= code <= 3 for code in c.hpf_codes),
        lambda c: f"codes {c.hpf_codes} are not 0 to 3",
    ),
    Limit(
        "idle",
        "rl_sensor.h idleTimeConst",
        lambda c: 0 <= c.idle_s <= 5242.87e-6,
        lambda c: f"{c.idle_s * 1e6:g} us is outside 0 to 5242.87",
    ),
    Limit(
        "adc_start",
        "rl_sensor.h adcStartTimeConst",
        lambda c: 0 <= c.adc_start_s <= 40.95e-6,
        lambda c: f"{c.adc_start_s * 1e6:g} us is outside 0 to 40.95",
    ),
    Limit(
        "ramp_end",
        "rl_sensor.h rampEndTime",
        lambda c: 0 < c.ramp_end_s <= 5000e-6,
        lambda c: f"{c.ramp_end_s * 1e6:g} us is outside 0 to 5000",
    ),
    Limit(
        "adc_window",
        "rl_sensor.h rampEndTime",
        lambda c: c.adc_start_s + c.adc_window_s <= c.ramp_end_s + _EPS_S,
        lambda c: (
            f"start {c.adc_start_s * 1e6:g} + {c.adc_window_s * 1e6:g} us of samples end after the ramp "
            f"({c.ramp_end_s * 1e6:g} us); start earlier or take fewer samples"
        ),
    ),
    Limit(
        "ramp_down",
        "SWRA553A table 3",
        lambda c: c.slope_hz_s * c.ramp_end_s <= 3e9 or c.idle_s >= 7e-6 - _EPS_S,
        lambda c: f"idle {c.idle_s * 1e6:g} us; a ramp wider than 3 GHz needs at least 7 us to return to its start",
    ),
    Limit(
        "chirp_cycle",
        "rl_sensor.h, minimum chirp cycle",
        lambda c: c.chirp_cycle_s >= 15e-6 - _EPS_S,
        lambda c: f"idle + ramp end = {c.chirp_cycle_s * 1e6:g} us is below 15",
    ),
    Limit(
        "tx_backoff",
        "rl_sensor.h txOutPowerBackoffCode",
        lambda c: max(c.tx_backoff_db) <= _family(c).max_backoff_db,
        lambda c: f"{max(c.tx_backoff_db)} dB is above {_family(c).max_backoff_db} of {_family(c).name}",
    ),
    Limit(
        "rx_gain",
        "rl_sensor.h rxGain",
        lambda c: c.rx_gain_db % 2 == 0 and 24 <= c.rx_gain_db <= 52,
        lambda c: f"{c.rx_gain_db} dB; must be even, 24 to 52",
    ),
    Limit(
        "transmitters",
        "rl_device.h rlChanCfg_t; one after the other (TDM)",
        lambda c: set(c.tx_order) <= set(c.tx_enabled) & {1, 2, 3},
        lambda c: (
            f"{_first_wrong_chirp(c)}, channelCfg enables TX {c.tx_enabled}; each chirp must fire one of them; "
            "only a recording may have several at once"
        ),
    ),
    Limit(
        "loops",
        "rl_sensor.h numLoops",
        lambda c: 1 <= c.loops <= 255,
        lambda c: f"{c.loops} is outside 1 to 255",
    ),
    Limit(
        "frame_period",
        "rl_sensor.h framePeriodicity",
        lambda c: 0.3e-3 <= c.frame_period_s <= 1.342,
        lambda c: f"{c.frame_period_s * 1e3:g} ms is outside 0.3 to 1342",
    ),
    Limit(
        "frame_blank",
        "rl_sensor.h, inter-frame blank time",
        lambda c: c.frame_period_s - _active_s(c) >= 300e-6 - _EPS_S,
        lambda c: (
            f"chirps take {_active_s(c) * 1e3:.3f} of {c.frame_period_s * 1e3:g} ms; 0.3 ms must stay free: "
            "fewer loops or a longer period"
        ),
    ),
)
