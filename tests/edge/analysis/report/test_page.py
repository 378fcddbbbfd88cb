"""The report: one file without any other, its pictures are images, its figures are the result's."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from edge.analysis.report.page import MAX_STRIPS
from edge.analysis.report.pictures import choose_strips, cycles
from edge.analysis.report.words import REASONS
from edge.vitals.quality import FLAGS
from tests.helpers.recordings import START_NS


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(twin_result, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "twin.html"
    note = "<script>alert(1)</script>"
    replace(twin_result, about=replace(twin_result.about, note=note)).write_report(path)
    return path.read_text()


def test_it_needs_no_other_file(page):
    tags = Elements(page).found
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags}
    references = [attrs[name] for _, attrs in tags for name in ("src", "href", "action") if name in attrs]
    assert references
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in references)
    assert "url(" not in page


def test_its_pictures_are_there(page):
    images = [attrs for tag, attrs in Elements(page).found if tag == "img"]
    for attrs in images:
        picture = base64.b64decode(attrs["src"].partition(",")[2])
        assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert [attrs["alt"].split()[0] for attrs in images] == ["Heart", "ECG", "ECG", "ECG", "Time", "Synchrosqueezed"]


def test_its_figures_are_the_results(page, twin_result):
    figures = {label: value for value, label in re.findall(r"<li><b>(.*?)</b>(.*?)</li>", page)}
    seconds = twin_result.seconds
    assert figures["length"] == "0 min 30 s"
    assert figures["heart rate, median /min"] == f"{np.nanmedian(seconds.heart_rate_bpm):.1f}"
    assert figures["R peaks"] == str(len(twin_result.r_peak_t_ns))
    assert figures["of the seconds with a heart rate"] == f"{(~np.isnan(seconds.heart_rate_bpm)).mean():.0%}"
    assert "<td>warming_up<td>" in page
    assert "Research use only" in page
    assert "raw" in page
    assert "&lt;script&gt;alert(1)" in page


def test_every_flag_is_explained():
    assert set(REASONS) == set(FLAGS)


def test_cycles_do_not_cross_a_gap(twin_result):
    """From 0.1 s, there is an R peak each second, and the ECG from 3.3 to 3.4 s is unknown."""
    ecg = np.zeros(1200, np.float32)
    ecg[660:680] = np.nan
    peaks = START_NS + 100_000_000 + 1_000_000_000 * np.arange(6)
    result = replace(twin_result, ecg_mv=ecg, r_peak_t_ns=peaks, r_peak_confidence=np.ones(6))
    at_s, cycles_ms = cycles(result)
    np.testing.assert_allclose(at_s, [1.1, 2.1, 3.1, 5.1])
    np.testing.assert_allclose(cycles_ms, 1000)


@pytest.mark.parametrize("seconds", [0, 10, 45, 3600, 86400])
def test_strips_are_few_and_spread(twin_result, seconds):
    result = replace(twin_result, ecg_mv=np.zeros(200 * seconds, np.float32))
    starts_s = list(choose_strips(result, MAX_STRIPS))
    assert 1 <= len(starts_s) <= MAX_STRIPS
    assert starts_s[0] == 0
    assert starts_s == sorted(set(starts_s))
    if seconds:
        assert seconds - 10 <= starts_s[-1] < seconds


def test_a_result_without_ecg_and_without_seconds(twin_result, tmp_path):
    s = twin_result.seconds
    empty = type(s)(*(getattr(s, name)[:0] for name in s.__dataclass_fields__))
    none = np.full(200, np.nan, np.float32)
    result = replace(
        twin_result, ecg_mv=none, r_peak_t_ns=s.t_ns[:0], r_peak_confidence=s.sqi[:0], seconds=empty, best=None
    )
    result.write_report(tmp_path / "empty.html")
    assert "<img" not in (tmp_path / "empty.html").read_text()
