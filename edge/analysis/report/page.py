"""Joins pictures, figures and words to one page of HTML."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from edge.analysis.formats import check_output, folder_for
from edge.analysis.report.words import REASONS, WORDS
from edge.analysis.result import DISCLAIMER, Result
from edge.core.types import Float64

MAX_STRIPS = 12
_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
.note { border-left: 4px solid #b3261e; padding: .3rem .8rem; background: #fbeeed; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem 2rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures b { display: block; font-size: 1.7rem; font-weight: 600; }
img { width: 100%; display: block; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem 1.5rem .15rem 0; vertical-align: top; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; } footer { margin-top: 2rem; color: #555; font-size: .85rem; }
@media print { img, section { break-inside: avoid; } }
"""


def write_report(result: Result, path: Path) -> None:
    """Write the report of a result. Raises InputError without matplotlib, OSError."""
    check_output(path, is_report=True)
    page = "\n".join(_page(result))
    with folder_for(path) as folder:
        (folder / path.name).write_text(page, encoding="utf-8")


def _page(result: Result) -> Iterator[str]:
    from edge.analysis.report import pictures  # imported here: matplotlib is optional

    name = escape(result.about.name)
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield '<meta name=viewport content="width=device-width, initial-scale=1">'
    yield f"<title>{name}: radarecg report</title><style>{_STYLE}</style>"
    yield f"<h1>{name}</h1><p>{escape(result.about.lines()[1])}</p><p class=note>{DISCLAIMER}</p>"
    if not result.completed:
        yield f"<p class=note>Stopped after {result.duration_s:.0f} s: the rest of the recording is not included.</p>"
    yield f"<ul class=figures>{''.join(f'<li><b>{value}</b>{label}</li>' for label, value in _figures(result))}</ul>"
    if len(result.seconds):
        yield "<h2>Trend</h2>"
        yield "<p>Heart rate with its 95 % interval; grey: withheld; amber ticks: movement.</p>"
        yield _image(pictures.draw_trend(result), "Heart rate and breathing rate over time")
        yield from _reasons(result)
    if len(result.r_peak_t_ns):
        yield "<h2>ECG</h2><p>Triangles: R peaks; grey: unknown; amber: movement. Shape only, not to scale.</p>"
        for start_s in pictures.choose_strips(result, MAX_STRIPS):
            yield _image(pictures.draw_strip(result, start_s), f"ECG from {start_s:.0f} s on")
        yield "<h2>Tachogram</h2>"
        yield _image(pictures.draw_tachogram(result), "Time from each R peak to the next")
    if sst := pictures.draw_sst(result):
        yield "<h2>SST of the most reliable stretch</h2>"
        yield _image(sst, "Synchrosqueezed transform of the motion of the chest")
    words = "".join(f"<dt>{word}</dt><dd>{text}</dd>" for word, text in WORDS.items())
    yield f"<h2>Words</h2><dl>{words}</dl>"
    yield f"<footer>{'<br>'.join(map(escape, result.about.lines()))}</footer></html>"


def _figures(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the label and the value of each figure of the summary."""
    seconds = result.seconds
    yield "length", _duration(result.duration_s)
    yield "heart rate, median /min", _median(seconds.heart_rate_bpm, 1)
    valid = seconds.heart_rate_bpm[~np.isnan(seconds.heart_rate_bpm)]
    if len(valid):
        low, high = np.quantile(valid, (0.05, 0.95))
        yield "heart rate, 5 to 95 %", f"{low:.0f} to {high:.0f}"
    yield "of the seconds with a heart rate", f"{len(valid) / max(1, len(seconds)):.0%}"
    yield "breathing, median /min", _median(seconds.breathing_rate_bpm, 1)
    yield "of the seconds with movement", f"{np.mean(seconds.movement != 'none') if len(seconds) else 0:.0%}"
    yield "distance of the chest, m", _median(seconds.chest_range_m, 2)
    yield "R peaks", str(len(result.r_peak_t_ns))
    if not np.isnan(seconds.rmssd_ms).all():
        yield "RMSSD, median ms", _median(seconds.rmssd_ms, 0)
        yield "SDNN, median ms", _median(seconds.sdnn_ms, 0)
    yield "frames lost", str(result.about.frames_lost)


def _reasons(result: Result) -> Iterator[str]:
    counts = Counter(flag for flags in result.seconds.flags.tolist() for flag in flags.split())
    rows = "".join(f"<tr><td>{count} s<td>{flag}<td>{REASONS[flag]}" for flag, count in counts.most_common())
    yield f"<table><tr><th>seconds<th>flag<th>meaning{rows}</table>" if rows else "<p>No second had a flag.</p>"


def _median(values: Float64, digits: int) -> str:
    return "not known" if np.isnan(values).all() else f"{np.nanmedian(values):.{digits}f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _image(svg: str, text: str) -> str:
    content = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(text)}" src="data:image/svg+xml;base64,{content}">'
