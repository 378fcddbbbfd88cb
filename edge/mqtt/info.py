"""The content of the topic `info`: what the device is, what it publishes, and where its network runs."""

from __future__ import annotations

from typing import NamedTuple

from edge import __version__
from edge.core.clock import clock_state
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import WAVEFORM_RATE_HZ
from edge.mqtt import payloads as p
from edge.mqtt.topics import ECG, LIVE
from edge.radar.chirp import ChirpConfig

CLASSICAL = p.Model("classical-1")


class NetworkState(NamedTuple):
    """The network that reconstructs the ECG, if any; fields of the payload `Info` without the prefix `network_`.

    `configured`: whether the settings name a network, even if it cannot run now. `personalised` has no prefix either.
    """

    network: p.Model | None
    configured: bool = True
    backend: str | None = None
    fallback: str | None = None
    refused: str | None = None
    personalised: bool = False


NO_NETWORK = NetworkState(None, configured=False)


def describe_device(device: str, boot: str, chirp: ChirpConfig, state: NetworkState, replayed: bool = False) -> p.Info:
    """Return the payload of `info`."""
    return p.Info(
        device=device,
        boot=boot,
        version=__version__,
        model=CLASSICAL,
        radar_sha256=chirp.sha256,
        frame_rate_hz=chirp.frame_rate_hz,
        wavelength_mm=round(chirp.wavelength_m * 1e3, 4),
        range_bin_m=round(chirp.range_bin_m, 4),
        waveform_fs=WAVEFORM_RATE_HZ,
        clock=report_clock(),
        network=state.network,
        network_refused=state.refused,
        network_backend=state.backend,
        network_fallback=state.fallback,
        personalised=state.personalised,
        replayed=replayed,
        schemas=tuple(f"radarecg.{topic.suffix}/1" for topic in LIVE if topic is not ECG or state.configured),
        notice=NOT_A_DEVICE,
    )


def report_clock() -> p.Clock:
    """Return the state of the system clock."""
    state = clock_state()
    return p.Clock(state.source, state.synced, state.err_ns)
