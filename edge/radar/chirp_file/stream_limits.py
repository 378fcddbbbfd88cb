"""The documented limits of sending samples from the radar to the card and of decoding them.

Sources: mmwavelink `rl_sensor.h` (SDK 3.5), SWRA581B (raw data), mmWave SDK user guide, SDK demo `rangeprochwa.c`.
"""

from __future__ import annotations

from edge.radar.chirp import BYTES_PER_SAMPLE, ChirpConfig
from edge.radar.chirp_file.limit import Limit

_LANE_BYTES = 8  # two lanes carry two samples at a time
_LVDS_BYTES_S = 2 * 600e6 / 8  # two lanes at 600 Mb/s, as both firmware images set
_ADC_BUFFER_BYTES = 16384
_CARD_BIT_S = 706e6  # DCA1000 at its shortest packet delay, 5 us; longer delays are checked with the card's settings
_ADD_LVDS = "no sample is sent to the card without it; add the line `lvdsStreamCfg -1 0 1 0`"


def _chirp_bytes(c: ChirpConfig) -> int:
    return c.samples * BYTES_PER_SAMPLE * len(c.rx)


STREAM_LIMITS: tuple[Limit, ...] = (
    Limit(
        "adc_layout",
        "this decoder",
        lambda c: not c.adc_layout or (c.adc_layout[0], c.adc_layout[2]) == (0, 1),
        lambda c: f"adcbufCfg gives {c.adc_layout}; only complex, non-interleaved samples can be decoded: -1 0 1 1 1",
        for_replay=True,
    ),
    Limit(
        "adc_swap",
        "SDK user guide adcbufCfg",
        lambda c: c.firmware is None or (c.adc_layout[1:2], c.adc_layout[3:]) == ((1,), (1,)),
        lambda c: (
            f"adcbufCfg gives {c.adc_layout}; the firmware streams swapped samples, one chirp at a time: -1 0 1 1 1"
            if c.adc_layout
            else "adcbufCfg is missing; add the line `adcbufCfg -1 0 1 1 1`"
        ),
    ),
    Limit(
        "lvds_off",
        "SDK user guide lvdsStreamCfg",
        lambda c: c.lvds_content[1:2] not in ((), (0,)),
        lambda c: (
            "lvdsStreamCfg sends no samples to the card; change the line to `lvdsStreamCfg -1 0 1 0`"
            if c.lvds_content
            else f"lvdsStreamCfg is missing: {_ADD_LVDS}"
        ),
    ),
    Limit(
        "lvds_content",
        "this decoder",
        lambda c: c.lvds_content[1:2] in ((), (0,)) or c.lvds_content == (0, 1, 0),
        lambda c: f"lvdsStreamCfg gives {c.lvds_content}; only ADC data without header can be decoded: -1 0 1 0",
        for_replay=True,
    ),
    Limit(
        "samples",
        "rl_sensor.h numAdcSamples",
        lambda c: c.samples >= 2,
        lambda c: f"{c.samples} samples a chirp are below 2",
    ),
    Limit(
        "lane_groups",
        "SWRA581B 9.2",
        lambda c: c.frame_bytes % _LANE_BYTES == 0,
        lambda c: (
            f"{c.frame_bytes} bytes a frame; two LVDS lanes carry two samples at a time, so the total must be "
            "even: take an even number of samples, RX, TX or loops"
        ),
        for_replay=True,
    ),
    Limit(
        "receivers",
        "rl_device.h rlChanCfg_t",
        lambda c: 1 <= max(c.rx, default=0) <= 4,
        lambda c: f"channelCfg enables RX {c.rx}; the radar has RX 1 to 4",
        for_replay=True,
    ),
    Limit(
        "adc_buffer",
        "rl_sensor.h numAdcSamples, 16 KB for all RX",
        lambda c: _chirp_bytes(c) <= _ADC_BUFFER_BYTES,
        lambda c: (
            f"one chirp is {_chirp_bytes(c)} bytes, the buffer holds {_ADC_BUFFER_BYTES}; take fewer samples or RX"
        ),
    ),
    Limit(
        "lvds",
        "two lanes at 600 Mb/s",
        lambda c: _chirp_bytes(c) / _LVDS_BYTES_S <= c.chirp_cycle_s,
        lambda c: f"{_chirp_bytes(c)} bytes a chirp cannot be sent in {c.chirp_cycle_s * 1e6:g} us",
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
