"""The live view in the terminal: heart rate and its ground truth, quality, and traces."""

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

from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from edge.demo.subscriber import TRACE_S, LiveState
from edge.mqtt.payloads import VitalsPayload
from edge.mqtt.topics import ROOT

WIDTH, HEIGHT = 100, 26
"""Maximum size of the view; a smaller terminal shows as much as fits."""
_ROWS = 6  # of a trace
_MIN_PANEL_COLUMNS = 60  # with fewer columns, the figures are shown in one line
_WIDE_COLUMNS = 80  # with fewer columns, the panels' titles are short
_COLOURS = {"good": "bright_green", "degraded": "yellow", "unusable": "red"}
# Bits of a braille cell by dot row, left and right column (Unicode block 2800).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def braille_trace(samples: Sequence[float], columns: int, rows: int) -> list[str]:
    """A line chart of the samples in `rows` lines of `columns` braille cells; NaN samples are left blank."""
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


def render(
    watch: LiveState,
    device: str,
    mqtt_port: int,
    page: str,
    elapsed_s: float,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> RenderableType:
    """The whole view, never larger than `width` columns and `height` lines.

    Traces are dropped first, the address of the page and the figures last.
    """
    width = min(width, WIDTH)
    v = watch.vitals
    flags = " ".join(v.quality.flags) if v else ""
    lost = f"{v.frames.lost} of {v.frames.received + v.frames.lost}" if v else "--"
    port = f" -p {mqtt_port}" if mqtt_port != 1883 else ""
    below = [
        _text(f" the person {watch.activity or '--'}   flags: {flags or 'none'}"),
        _text(f" frames lost: {lost}   latency p50 {watch.latency_ms(50)} ms, p99 {watch.latency_ms(99)} ms"),
        _text((f" all messages: mosquitto_sub{port} -t '{ROOT}/#' -v", "dim")),
        _text((f" {NOT_A_DEVICE}", "dim")),
    ]
    left = height - 2 - len(below)
    # Two traces, of at least three lines each, have priority over the padding of the figures.
    padding = int(left >= 5 + 2 * 3)
    if width >= _MIN_PANEL_COLUMNS and left >= 3 + 2 * 3:
        figures, left = _panels(watch, width, padding), left - 3 - 2 * padding
    else:
        figures, left = _figures(watch), left - 1
    heading = _text((" radarecg ", "bold reverse"), f"  simulated AWR1843, {device}   {elapsed_s:.0f} s")
    address = _text(" live page: ", (page, "bold underline"))
    return Group(
        *[heading, address][-max(1, height - 1) :],
        *([figures] if height > 1 else []),
        *_traces(watch, width, left),
        *below[: max(0, height - 3)],
    )


def _panels(watch: LiveState, width: int, padding: int) -> RenderableType:
    v = watch.vitals
    colour = _COLOURS[v.quality.state] if v else "white"
    unit, sqi = (" /min", f" {v.quality.sqi:.2f}" if v else "") if width >= _WIDE_COLUMNS else ("", "")
    figures = (
        (f"Heart{unit}", _number(v.hr.value if v else None), colour),
        (f"True{unit}", _number(watch.true_bpm), "white"),
        (f"Breathing{unit}", _number(v.breathing.value if v else None), "white"),
        ("Quality", f"{v.quality.state}{sqi}" if v else "--", colour),
    )
    panels = [
        Panel(
            Align.center(Text(text, f"bold {colour}" if colour != "white" else "bold")),
            title=title,
            width=width // 4 - 1,
            border_style=colour,
            padding=(padding, 0),
        )
        for title, text, colour in figures
    ]
    return Columns(panels, expand=False)


def _figures(watch: LiveState) -> Text:
    """Return the figures in one line."""
    v = watch.vitals
    if v is None:
        return _text(" heart --")
    heart = (f"{_number(v.hr.value)}/min", f"bold {_COLOURS[v.quality.state]}")
    rest = f" (true {_number(watch.true_bpm)})  {v.quality.state} {v.quality.sqi:.2f}"
    return _text(" heart ", heart, rest, f"  breathing {_number(v.breathing.value)}/min")


def _traces(watch: LiveState, width: int, height: int) -> list[RenderableType]:
    """Return as many traces as fit the height, the reconstructed ECG first."""
    last = watch.ecg[-round(TRACE_S * RCG_RATE_HZ) :]
    wanted: list[tuple[str, list[float], str]] = [("Heart waveform; the ECG follows", list(watch.trace), "cyan")]
    if last:
        wanted = [
            ("Reconstructed ECG", [estimated for estimated, _ in last], "bright_green"),
            ("True ECG of the same seconds", [true for _, true in last], "white"),
        ]
    count = min(len(wanted), max(0, height) // 3)  # a line and a border
    rows = min(_ROWS, height // count - 2) if count else 0
    return [_trace(title, samples, colour, width, rows) for title, samples, colour in wanted[:count]]


def line(v: VitalsPayload, true_bpm: float | None, elapsed_s: float) -> str:
    """Return one second as a line of text, for output without a terminal."""
    flags = " ".join(v.quality.flags)
    return (
        f"{elapsed_s:4.0f} s  heart {_number(v.hr.value):>5} /min (true {_number(true_bpm)})  "
        f"breathing {_number(v.breathing.value):>4} /min  {v.quality.state} {v.quality.sqi:.2f}  {flags}"
    )


def _trace(title: str, samples: Sequence[float], colour: str, width: int, rows: int) -> Panel:
    text = Text("\n".join(braille_trace(samples, width - 4, rows)), colour)
    return Panel(text, title=f"{title}, {TRACE_S:.0f} s", width=width, border_style=colour)


def _text(*parts: str | tuple[str, str]) -> Text:
    """Return one line, truncated at the terminal's width."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _number(value: float | None) -> str:
    return "--" if value is None else f"{value:.1f}"
