"""The DCA1000's maximum data rate, which depends on the delay between packets set in `dca1000.toml`."""

from __future__ import annotations

from itertools import pairwise

from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.messages import PAYLOAD_BYTES

# Maximum data rate, Mbit/s, by the delay between packets, us (TI's CLI developer guide). The time per packet, about
# the delay plus 11 us, is interpolated for other delays.
RATES_MBIT_S = {5: 706, 10: 545, 25: 325, 50: 193}
MIN_DELAY_US, MAX_DELAY_US = 5, 500
_PAYLOAD_BITS = 8 * PAYLOAD_BYTES


def card_rate_bit_s(packet_delay_us: float) -> float:
    """Return the card's maximum data rate with this delay between packets."""
    packet_us = {delay: _PAYLOAD_BITS / rate for delay, rate in RATES_MBIT_S.items()}
    longest = max(packet_us)
    if packet_delay_us >= longest:
        return _PAYLOAD_BITS / (packet_us[longest] + packet_delay_us - longest) * 1e6
    low, high = next((low, high) for low, high in pairwise(sorted(packet_us)) if packet_delay_us < high)
    share = (packet_delay_us - low) / (high - low)
    return _PAYLOAD_BITS / (packet_us[low] + share * (packet_us[high] - packet_us[low])) * 1e6


def max_packet_delay_us(chirp: ChirpConfig) -> int | None:
    """Return the longest packet delay with which the card can send these frames; None when no delay is possible."""
    delays = range(MAX_DELAY_US, MIN_DELAY_US - 1, -1)
    return next((delay for delay in delays if card_rate_bit_s(delay) >= chirp.rate_bit_s), None)
