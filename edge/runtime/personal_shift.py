"""The shift of the ECG's times to one person, from the file that `personal_delay` under [network] names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edge.core.settings import resolve_file
from edge.core.sinks import Sink
from edge.core.types import EcgBlock, Quality, Vitals, Waveform
from edge.inference.bundle import MODEL
from edge.inference.ladder import PlacedNetwork
from edge.inference.settings import network_files
from edge.personal.delay_file import load_delay
from edge.personal.shift import shift_ecg
from edge.runtime.config import Config

_AGAIN = "run radarecg personalise again, or delete it with --delete"

log = logging.getLogger(__name__)


class PersonalShift:
    """Shifts the ECG while the network is the one that the person's delay was measured with, else not at all.

    `active` returns the present network. The log reports that there is a shift, never its value. Raises InputError for
    a damaged file.
    """

    def __init__(self, config: Config, path: Path, active: Callable[[], PlacedNetwork | None]) -> None:
        self._stored = load_delay(resolve_file(path, config.network.personal_delay))
        self._active = active
        if self.is_active:
            log.info("the ECG's times are shifted by the stored delay of one person")
        elif self._stored:
            log.warning("the personal delay was measured with another network and is not used: %s", _AGAIN)

    @property
    def is_active(self) -> bool:
        """Whether the ECG's times are shifted now."""
        placed = self._active()
        network = placed.network if placed else None
        return self._stored is not None and network is not None and network.sha256 == self._stored.network

    def before(self, sink: Sink) -> Sink:
        """Return a sink that passes everything to `sink`, the ECG shifted."""
        return _ShiftedSink(self, sink)

    def shift(self, ecg: EcgBlock) -> EcgBlock:
        """Return the block at the person's times, or unchanged if the shift is not active."""
        return shift_ecg(ecg, self._stored.delay_s) if self._stored and self.is_active else ecg


class _ShiftedSink:
    """Sink before others. When the shift begins or ends, the ECG does not continue."""

    def __init__(self, shift: PersonalShift, sink: Sink) -> None:
        self._shift, self._sink = shift, sink
        self._was_personalised = False

    def waveform(self, wave: Waveform) -> None:
        self._sink.waveform(wave)

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        ecg = self._shift.shift(ecg)
        if ecg.personalised != self._was_personalised:
            self._was_personalised = ecg.personalised
            ecg = replace(ecg, continues=False)
        self._sink.ecg(ecg, quality)

    def vitals(self, vitals: Vitals) -> None:
        self._sink.vitals(vitals)


def check_personal_delay(config: Config | None, path: Path) -> tuple[Literal["ok", "warn"], str]:
    """Return level and text of a finding of `radarecg doctor`. Raises InputError, OSError."""
    file = resolve_file(path, config.network.personal_delay) if config else None
    if config is None or (stored := load_delay(file)) is None:
        return "ok", "off: the ECG's times are not shifted to one person (radarecg personalise)"
    files = network_files(config.network, path)
    if files.backend == "none" or files.load_bundle().about.sha256[MODEL] != stored.network:
        return "warn", f"measured with another network than that of the settings, so not used: {_AGAIN}"
    return "ok", "on: the ECG's times are shifted by the delay of one person"
