"""The live view in the terminal: heart rate against truth, quality, a running trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from rich.align import Align
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from edge.demo.subscriber import TRACE_S, Watch
from edge.mqtt.payloads import VitalsPayload
from edge.mqtt.topics import ROOT
from edge.spec import NOT_A_DEVICE, RCG_RATE_HZ

WIDTH = 100
_ROWS = 6
_COLOURS = {"good": "bright_green", "degraded": "yellow", "unusable": "red"}
# Bits of a braille cell by dot row, left and right column (Unicode block 2800).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def braille_trace(samples: Sequence[float], columns: int, rows: int) -> list[str]:
    """A line chart of the samples in `rows` lines of `columns` braille cells; a gap where they are NaN."""
    width, height = columns * 2, rows * 4
    cells = np.zeros((rows, columns), int)
    known = [sample for sample in samples if not math.isnan(sample)]
    if len(known) > 1 and (span := max(known) - min(known)) > 0:
        count = max(width, len(samples))
        values = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(samples)), samples)
        level = (max(known) - values) / span * (height - 1)
        for k, (previous, now) in enumerate(pairwise(level.tolist()), 1):
            if not math.isnan(previous + now):
                for y in range(round(min(previous, now)), round(max(previous, now)) + 1):
                    cells[y // 4, k * width // count // 2] |= _DOTS[y % 4][k * width // count % 2]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def render(watch: Watch, device: str, mqtt_port: int, elapsed_s: float) -> RenderableType:
    """The whole view, WIDTH columns wide."""
    v = watch.vitals
    colour = _COLOURS[v.quality.state] if v else "white"
    heart = _number(v.hr.value if v else None)
    truth = _number(watch.true_bpm)
    breathing = _number(v.breathing.value if v else None)
    panels = Columns(
        [
            _panel("Heart rate /min", Text(heart, f"bold {colour}"), colour),
            _panel("True heart rate", Text(truth, "bold"), "white"),
            _panel("Breathing /min", Text(breathing, "bold"), "white"),
            _panel("Quality", Text(f"{v.quality.state} {v.quality.sqi:.2f}" if v else "--", f"bold {colour}"), colour),
        ],
        expand=False,
    )
    last = watch.ecg[-round(TRACE_S * RCG_RATE_HZ) :]
    flags = " ".join(v.quality.flags) if v else ""
    lost = f"{v.frames.lost} of {v.frames.received + v.frames.lost}" if v else "--"
    port = f" -p {mqtt_port}" if mqtt_port != 1883 else ""
    return Group(
        Text.assemble((" radarecg ", "bold reverse"), f"  simulated AWR1843, {device}   {elapsed_s:.0f} s"),
        panels,
        *(
            [
                _trace("Reconstructed ECG", [ours for ours, _ in last], "bright_green"),
                _trace("True ECG of the same seconds", [true for _, true in last], "white"),
            ]
            if last
            else [_trace("Heart waveform; the ECG follows", list(watch.trace), "cyan")]
        ),
        Text(f" flags: {flags or 'none'}"),
        Text(f" frames lost: {lost}   latency p50 {watch.latency_ms(50)} ms, p99 {watch.latency_ms(99)} ms"),
        Text(f" see it yourself: mosquitto_sub{port} -t '{ROOT}/#' -v", "dim"),
        Text(f" {NOT_A_DEVICE}", "dim"),
    )


def line(v: VitalsPayload, true_bpm: float | None, elapsed_s: float) -> str:
    """One second of the view where there is no terminal."""
    flags = " ".join(v.quality.flags)
    return (
        f"{elapsed_s:4.0f} s  heart {_number(v.hr.value):>5} /min (true {_number(true_bpm)})  "
        f"breathing {_number(v.breathing.value):>4} /min  {v.quality.state} {v.quality.sqi:.2f}  {flags}"
    )


def _panel(title: str, text: Text, colour: str) -> Panel:
    return Panel(Align.center(text), title=title, width=WIDTH // 4 - 1, border_style=colour, padding=(1, 0))


def _trace(title: str, samples: Sequence[float], colour: str) -> Panel:
    text = Text("\n".join(braille_trace(samples, WIDTH - 4, _ROWS)), colour)
    return Panel(text, title=f"{title}, {TRACE_S:.0f} s", width=WIDTH, border_style=colour)


def _number(value: float | None) -> str:
    return "--" if value is None else f"{value:.1f}"
