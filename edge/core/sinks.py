"""Receivers of the pipeline's results."""

from __future__ import annotations

from typing import Protocol

from edge.core.types import EcgBlock, Quality, Vitals, Waveform


class Sink(Protocol):
    """Receives the results: an MQTT publisher, a terminal, a test."""

    def waveform(self, wave: Waveform) -> None:
        """Receive a piece of the heart waveform, about ten times a second while a chest is in view."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Receive a piece of the ECG and the latest quality, about once a second; only with a network and a chest."""

    def vitals(self, vitals: Vitals) -> None:
        """Receive the vitals once a second, whether the rates are valid or not."""


class FanOut:
    """Pass every result to several sinks, in the order given."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def waveform(self, wave: Waveform) -> None:
        """Pass a piece of the heart waveform to every sink."""
        for sink in self._sinks:
            sink.waveform(wave)

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Pass a piece of the ECG and the latest quality to every sink."""
        for sink in self._sinks:
            sink.ecg(ecg, quality)

    def vitals(self, vitals: Vitals) -> None:
        """Pass the vitals to every sink."""
        for sink in self._sinks:
            sink.vitals(vitals)
