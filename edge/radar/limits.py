"""Every documented limit of the radar as an object that names itself when broken.

Adding one: a row in LIMITS and a row in `tests/test_radar_firmware.py`.
Sources: mmwavelink `rl_sensor.h` and `rl_device.h` (SDK 3.5), SWRA553A (ramp timing), SPRS (AWR1843 datasheet),
mmWave SDK demo `rangeprochwa.c`. Units in the messages are those of the chirp file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.chirp import BYTES_PER_SAMPLE, ChirpConfig, ChirpConfigError


@dataclass(frozen=True)
class Limit:
    """`check` says whether a chirp respects the limit; `explain` what was found and what to change."""

    name: str
    source: str
    check: Callable[[ChirpConfig], bool]
    explain: Callable[[ChirpConfig], str]


class LimitError(ChirpConfigError):
    """At least one limit is broken; `limits` holds them."""

    def __init__(self, chirp: ChirpConfig, limits: list[Limit]) -> None:
        self.limits = limits
        reasons = "; ".join(f"{limit.name}: {limit.explain(chirp)} ({limit.source})" for limit in limits)
        super().__init__(f"{chirp.source}: {reasons}")


_EPS_S = 1e-12  # decimal microseconds are not exact in binary
_BANDS_HZ = {"77GHz": ((76e9, 78e9), (77e9, 81e9)), "60GHz": ((57e9, 61e9), (60e9, 64e9))}
_MAX_SLOPE_HZ_S = {"77GHz": 100e12, "60GHz": 250e12}
_LVDS_BYTES_S = 2 * 600e6 / 8  # two lanes at 600 Mb/s, as both firmware images set
_ADC_BUFFER_BYTES = 16384
_CARD_BIT_S = 706e6  # DCA1000 at its shortest packet delay, 5 us; a longer one is checked with the card's settings


def _ramp_top_hz(c: ChirpConfig) -> float:
    return c.start_hz + c.slope_hz_s * c.ramp_end_s


def _chirp_bytes(c: ChirpConfig) -> int:
    return c.samples * BYTES_PER_SAMPLE * len(c.rx)


def _active_s(c: ChirpConfig) -> float:
    return c.loops * len(c.tx_order) * c.chirp_cycle_s


LIMITS: tuple[Limit, ...] = (
    Limit(
        "band",
        "AWR1843/IWR6843 datasheet, VCO ranges",
        lambda c: any(low <= c.start_hz and _ramp_top_hz(c) <= high for low, high in _BANDS_HZ[c.band]),
        lambda c: (
            f"ramp {c.start_hz / 1e9:.3f} to {_ramp_top_hz(c) / 1e9:.3f} GHz leaves "
            + " and ".join(f"{low / 1e9:.0f}-{high / 1e9:.0f}" for low, high in _BANDS_HZ[c.band])
            + " GHz; lower the slope, the ramp end or the start"
        ),
    ),
    Limit(
        "slope",
        "rl_sensor.h freqSlopeConst",
        lambda c: 0 < c.slope_hz_s <= _MAX_SLOPE_HZ_S[c.band],
        lambda c: f"{c.slope_hz_s / 1e12:.2f} MHz/us is outside 0 to {_MAX_SLOPE_HZ_S[c.band] / 1e12:.0f}",
    ),
    Limit(
        "sample_rate",
        "rl_sensor.h digOutSampleRate; AWR1843 datasheet",
        lambda c: 2e6 <= c.sample_rate_hz <= 12.5e6,
        lambda c: f"{c.sample_rate_hz / 1e3:.0f} ksps is outside 2000 to 12500",
    ),
    Limit(
        "low_power_adc",
        "AWR1843 datasheet",
        lambda c: not c.low_power_adc or c.sample_rate_hz <= 9.375e6,
        lambda c: f"{c.sample_rate_hz / 1e3:.0f} ksps; the low-power ADC reaches 9375",
    ),
    Limit(
        "hpf",
        "rl_sensor.h hpfCornerFreq1, hpfCornerFreq2",
        lambda c: all(0 <= code <= 3 for code in c.hpf_codes),
        lambda c: f"codes {c.hpf_codes} are not 0 to 3",
    ),
    Limit(
        "adc_layout",
        "SDK demo adcbufCfg; this decoder",
        lambda c: c.adc_layout == (0, 1, 1, 1),
        lambda c: f"adcbufCfg gives {c.adc_layout}; needs complex, swapped, non-interleaved, one chirp: -1 0 1 1 1",
    ),
    Limit(
        "lvds_content",
        "studio_cli guide lvdsStreamCfg; this decoder",
        lambda c: c.lvds_content == (0, 1, 0),
        lambda c: f"lvdsStreamCfg gives {c.lvds_content}; needs ADC data only, without header: -1 0 1 0",
    ),
    Limit(
        "samples",
        "rl_sensor.h numAdcSamples",
        lambda c: c.samples >= 2 and c.samples % 2 == 0,
        lambda c: f"{c.samples} samples; two LVDS lanes carry pairs, so an even number is needed",
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
        lambda c: f"idle {c.idle_s * 1e6:g} us; a ramp wider than 3 GHz needs at least 7 us to fall back",
    ),
    Limit(
        "chirp_cycle",
        "rl_sensor.h, minimum chirp cycle",
        lambda c: c.chirp_cycle_s >= 15e-6 - _EPS_S,
        lambda c: f"idle + ramp end = {c.chirp_cycle_s * 1e6:g} us is below 15",
    ),
    Limit(
        "adc_buffer",
        "rl_device.h ADC buffer, 16 KB",
        lambda c: _chirp_bytes(c) <= _ADC_BUFFER_BYTES,
        lambda c: (
            f"one chirp is {_chirp_bytes(c)} bytes, the buffer holds {_ADC_BUFFER_BYTES}; take fewer samples or RX"
        ),
    ),
    Limit(
        "tx_backoff",
        "rl_sensor.h txOutPowerBackoffCode",
        lambda c: max(c.tx_backoff_db) <= 20,
        lambda c: f"{max(c.tx_backoff_db)} dB is above 20",
    ),
    Limit(
        "rx_gain",
        "rl_sensor.h rxGain",
        lambda c: c.rx_gain_db % 2 == 0 and 24 <= c.rx_gain_db <= 52,
        lambda c: f"{c.rx_gain_db} dB; must be even, 24 to 52",
    ),
    Limit(
        "antennas",
        "rl_device.h rlChanCfg_t",
        lambda c: 1 <= max(c.rx, default=0) <= 4 and set(c.tx_order) <= set(c.tx_enabled) and max(c.tx_order) <= 3,
        lambda c: f"RX {c.rx}, chirps fire TX {c.tx_order}, channelCfg enables TX {c.tx_enabled}",
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
    Limit(
        "lvds",
        "two lanes at 600 Mb/s",
        lambda c: _chirp_bytes(c) / _LVDS_BYTES_S <= c.chirp_cycle_s,
        lambda c: f"{_chirp_bytes(c)} bytes a chirp do not leave in {c.chirp_cycle_s * 1e6:g} us",
    ),
    Limit(
        "card_rate",
        "TI DCA1000 CLI developer guide, packet delay 5 us",
        lambda c: c.rate_bit_s <= _CARD_BIT_S,
        lambda c: (
            f"{c.rate_bit_s / 1e6:.0f} Mbit/s is above the {_CARD_BIT_S / 1e6:.0f} that the card carries at its "
            "shortest packet delay; take fewer frames, loops or samples"
        ),
    ),
    Limit(
        "sdk_demo_loops",
        "SDK demo rangeprochwa.c",
        lambda c: c.firmware != "sdk_demo" or (c.loops >= 4 and c.loops % 2 == 0),
        lambda c: f"{c.loops} loops; the stock demo firmware needs an even number of at least 4 (studio_cli does not)",
    ),
    Limit(
        "sdk_demo_duty",
        "SDK demo user guide",
        lambda c: c.firmware != "sdk_demo" or c.duty <= 0.5,
        lambda c: f"{c.duty:.0%} of the frame is chirping; the stock demo firmware allows 50 %",
    ),
)


def broken_limits(chirp: ChirpConfig) -> list[Limit]:
    """The limits this chirp breaks, in the order of LIMITS."""
    return [limit for limit in LIMITS if not limit.check(chirp)]


def require_limits(chirp: ChirpConfig) -> None:
    """Raises LimitError naming every broken limit."""
    if broken := broken_limits(chirp):
        raise LimitError(chirp, broken)
