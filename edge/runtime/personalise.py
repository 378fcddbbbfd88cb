"""Measures a person's delay on a recording and a reference, for `radarecg personalise`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from edge.core.audit import audit
from edge.core.settings import ConfigError, resolve_file
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import EcgBlock, Float64, Quality, Vitals, Waveform
from edge.dsp.frontend.rcg import find_problem
from edge.inference.loader import Network
from edge.inference.settings import load_configured_network
from edge.personal.delay import check_overlap, measure_delay
from edge.personal.delay_file import StoredDelay, delete_delay, save_delay
from edge.personal.reference import load_reference
from edge.pipeline import Pipeline, run
from edge.runtime.config import Config, load_config
from edge.sources.metadata import RecordingError
from edge.sources.recording import Recording, open_recording
from edge.sources.replay import ReplaySource

StartsAt = float | Literal["recording"] | None
RESTART = "restart radarecg run to apply it"


def personalise(
    folder: Path, reference: Path, settings: Path, starts_at: StartsAt = None, rate_hz: float | None = None
) -> str:
    """Measure the delay of a person's beats and store it for the device with these settings; return what was found.

    `starts_at` is the Unix time at which the reference starts, or "recording" if it starts with the recording's first
    frame; None if it has Unix times. Raises InputError, OSError.
    """
    config = load_config(settings)
    file = _file(config, settings)
    if not folder.is_dir():
        raise RecordingError(f"{folder}: not a folder written by radarecg record; other files have no times")
    recording = open_recording(folder)
    start_s, end_s = (recording.index["t_ns"][[0, -1]] / 1e9).tolist()
    r_peaks_s = load_reference(reference, start_s if starts_at == "recording" else starts_at, rate_hz)
    check_overlap(r_peaks_s, start_s, end_s)  # before the chain, which takes longer
    network = load_configured_network(config.network, settings)
    if network is None:
        raise ConfigError(f'{settings}: there are no beats without a network; remove backend = "none" under [network]')
    beats_s = find_beats(recording, network, config.network.decide_after_s)
    found = measure_delay(beats_s, r_peaks_s, start_s, end_s)
    save_delay(file, StoredDelay(found.delay_s, network.sha256))
    audit("personal delay stored", file=str(file))
    is_shared_clock = starts_at == "recording" or recording.clock_synced
    return (
        f"{file}: {1e3 * found.delay_s:+.1f} ms +-{1.96e3 * found.error_s:.1f} from {found.n_beats} beats; {RESTART}"
        + ("" if is_shared_clock else f"\n{_UNSYNCED}")
    )


_UNSYNCED = (
    "note: the recording's clock was not synchronised; the delay is right only if the reference has the times of the "
    "same computer"
)


def delete_personal_delay(settings: Path) -> str:
    """Delete the stored delay of the device with these settings; return what was done. Raises InputError, OSError."""
    file = _file(load_config(settings), settings)
    if not delete_delay(file):
        return f"{file}: nothing is stored"
    audit("personal delay deleted", file=str(file))
    return f"{file}: deleted; {RESTART}"


def find_beats(recording: Recording, network: Network, decide_after_s: float) -> Float64:
    """Return the network's beats in the usable seconds of a recording, in Unix seconds [k], rising."""
    if problem := find_problem(recording.chirp, ReplaySource(recording).frames()):
        raise RecordingError(f"{recording.path}: {problem}")
    sink = _Beats()
    pipeline = Pipeline(recording.chirp, lambda: True, recording.calibration, network.begin, decide_after_s)
    run(ReplaySource(recording), pipeline, sink)
    return np.sort(np.concatenate([np.zeros(0), *sink.beats_s]))


class _Beats:
    """Sink that collects the beats."""

    def __init__(self) -> None:
        self.beats_s: list[Float64] = []

    def waveform(self, wave: Waveform) -> None:
        pass

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        if quality.state != "unusable":
            e = ecg.estimate
            self.beats_s.append(ecg.t_ns / 1e9 + (e.r_peaks - e.sample0) / RCG_RATE_HZ)

    def vitals(self, vitals: Vitals) -> None:
        pass


def _file(config: Config, settings: Path) -> Path:
    file = resolve_file(settings, config.network.personal_delay)
    if file is None:
        raise ConfigError(f'{settings}: no file for the delay; set personal_delay = "personal.toml" under [network]')
    return file
