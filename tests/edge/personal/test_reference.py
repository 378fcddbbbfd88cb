"""References as devices and programs write them: R peaks, RR intervals and ECGs, and files that are none of these."""

import sys

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.personal.r_peaks import find_r_peaks
from edge.personal.reference import load_reference
from edge.twin.ecg import EcgShape, Wave, ecg_mv
from edge.twin.heart import Heart

START_S = 1_795_196_400.0
SECONDS = 30
R_PEAKS_S = Heart(66, seed=3).beats_s(1.0, SECONDS - 1.0)
TALL_T = EcgShape(ventricular=(Wave(0.8, 0.0, 0.011), Wave(0.5, 0.28, 0.04, 0.5)))


def ecg_of(rate_hz: int, shape: EcgShape | None = None, heart: Heart | None = None) -> np.ndarray:
    beats = (heart or Heart(66, seed=3)).beats(-1, SECONDS + 1)
    wander = 0.3 * np.sin(2 * np.pi * 0.25 * np.arange(SECONDS * rate_hz) / rate_hz)
    noise = 0.01 * np.random.default_rng(1).standard_normal(SECONDS * rate_hz)
    return ecg_mv(beats, shape or EcgShape(), SECONDS * rate_hz, rate_hz, wander) + noise


@pytest.fixture
def write(tmp_path):
    def make(text: str, name="reference.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def rows(*columns, form="{:.6f}", separator=","):
    return "".join(separator.join(map(form.format, row)) + "\n" for row in zip(*columns, strict=True))


def assert_beats(found_s, atol_s, true_s=R_PEAKS_S):
    inside = found_s[(found_s > true_s[0] - 0.4) & (found_s < true_s[-1] + 0.4)]
    np.testing.assert_allclose(inside, true_s, rtol=0, atol=atol_s)


@pytest.mark.parametrize("rate_hz", [100, 200, 500, 1000])
@pytest.mark.parametrize("sign", [1, -1])
def test_r_peaks_of_an_ecg(rate_hz, sign):
    # A parabola through three samples of the R wave, 11 ms wide, is right to a fraction of a sample; noise adds some.
    assert_beats(find_r_peaks(sign * ecg_of(rate_hz), rate_hz), 0.3 / rate_hz + 0.003)


@pytest.mark.parametrize("bpm", [38, 150])
def test_r_peaks_of_slow_and_fast_hearts_and_of_tall_t_waves(bpm):
    heart = Heart(bpm, seed=4)
    true_s = heart.beats_s(1.0, SECONDS - 1.0)
    assert_beats(find_r_peaks(ecg_of(250, TALL_T, heart), 250), 0.005, true_s)


def test_a_flat_line_has_none():
    assert len(find_r_peaks(np.zeros(5000), 250)) == 0
    assert len(find_r_peaks(ecg_of(250)[:500], 250)) == 0  # two seconds


@pytest.mark.parametrize(
    ("unit", "form"), [(1, "{:.4f}"), (1e3, "{:.1f}"), (1e6, "{:.0f}"), (1e9, "{:.0f}")], ids=["s", "ms", "us", "ns"]
)
def test_unix_times_of_r_peaks(write, unit, form):
    path = write(rows((R_PEAKS_S + START_S) * unit, form=form))
    np.testing.assert_allclose(load_reference(path), R_PEAKS_S + START_S, rtol=0, atol=1e-3)


def test_dates_and_a_header_and_further_columns(write):
    dates = [np.datetime64(round(1e6 * (START_S + t)), "us").astype(str) + "Z" for t in R_PEAKS_S]
    path = write("# a chest strap\ntime;RR (s)\n" + "".join(f"{date};0,91\n" for date in dates))
    np.testing.assert_allclose(load_reference(path), R_PEAKS_S + START_S, rtol=0, atol=2e-6)


@pytest.mark.parametrize("unit", [1, 1e3])
def test_times_and_intervals_since_a_start(write, unit):
    path = write("t_s\n" + rows(R_PEAKS_S * unit))
    np.testing.assert_allclose(load_reference(path, START_S), R_PEAKS_S + START_S, rtol=0, atol=2e-6)
    intervals = write(rows(np.diff(R_PEAKS_S) * unit), "rr.txt")
    expected = START_S + R_PEAKS_S - R_PEAKS_S[0]
    np.testing.assert_allclose(load_reference(intervals, START_S), expected, rtol=0, atol=1e-6 * len(R_PEAKS_S))


@pytest.mark.parametrize(
    ("separator", "header"), [(",", "time,ecg\n"), ("\t", "t_s\tlead II\n"), (" ", ""), (";", "epoch;ECG [mV]\n")]
)
def test_an_ecg_with_times(write, separator, header):
    t_s = START_S + np.arange(SECONDS * 200) / 200
    text = rows(t_s, ecg_of(200), form="{:.4f}", separator=separator)
    path = write(header + (text.replace(".", ",") if separator == ";" else text), "ecg.txt")
    assert_beats(load_reference(path) - START_S, 0.005)


def test_the_column_named_ecg_is_used(write):
    t_s, noise = np.arange(SECONDS * 200) / 200, np.random.default_rng(1).standard_normal(SECONDS * 200)
    path = write("time,acc,ecg\n" + rows(t_s, noise, ecg_of(200)))
    assert_beats(load_reference(path, START_S) - START_S, 0.005)


def test_an_ecg_without_times_needs_its_rate(write):
    path = write(rows(ecg_of(200)))
    assert_beats(load_reference(path, START_S, 200) - START_S, 0.005)
    with pytest.raises(InputError, match="--rate-hz"):
        load_reference(path, START_S)
    with pytest.raises(InputError, match="at least 50 Hz"):
        load_reference(path, START_S, 20)


def test_arrays(tmp_path):
    path = tmp_path / "reference.npz"
    np.savez(path, r_peaks_s=R_PEAKS_S + START_S)
    np.testing.assert_array_equal(load_reference(path), R_PEAKS_S + START_S)
    np.savez(path, ecg=ecg_of(250), rate_hz=250)
    assert_beats(load_reference(path, START_S) - START_S, 0.005)
    np.savez(path, ecg=ecg_of(250), t_s=START_S + np.arange(SECONDS * 250) / 250)
    assert_beats(load_reference(path) - START_S, 0.005)
    for wrong in ({"ecg": ecg_of(250)}, {"x": R_PEAKS_S}, {"ecg": np.zeros((2, 9)), "rate_hz": 250}):
        np.savez(path, **wrong)
        with pytest.raises(InputError, match="must contain r_peaks_s"):
            load_reference(path)
    for damaged in (b"PK\3\4 damaged", b"", b"nothing"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_reference(path)
    with path.open("wb") as file:
        np.save(file, R_PEAKS_S)
    with pytest.raises(InputError, match="damaged, or not"):
        load_reference(path)


def test_edf(tmp_path, monkeypatch):
    import edfio

    path = tmp_path / "reference.edf"
    noise = np.random.default_rng(1).standard_normal(SECONDS * 250)
    signals = [edfio.EdfSignal(noise, 250, label="SpO2"), edfio.EdfSignal(ecg_of(250), 250, label="ECG II")]
    edfio.Edf(signals).write(path)
    assert_beats(load_reference(path, START_S) - START_S, 0.005)
    edfio.Edf([edfio.EdfSignal(noise, 250, label=name) for name in ("C3", "C4")]).write(path)
    with pytest.raises(InputError, match="no signal is called ECG or EKG, only: C3, C4"):
        load_reference(path, START_S)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="damaged"):
        load_reference(path, START_S)
    with pytest.raises(FileNotFoundError):
        load_reference(tmp_path / "none.edf", START_S)
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(InputError, match=r"edf\]"):
        load_reference(path, START_S)


def test_the_clock_must_be_known(write):
    path = write(rows(R_PEAKS_S))
    with pytest.raises(InputError, match=r"its clock is unknown.*--starts-at"):
        load_reference(path)
    with pytest.raises(InputError, match="omit --starts-at"):
        load_reference(write(rows(R_PEAKS_S + START_S)), START_S)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "contains no numbers"),
        ("a\nb\n", "contains no numbers"),
        ("1.0\n2.1\nthree\n", ":3: 'three'"),
        ("1,2\n3\n", ":2: 1 columns"),
        ("900\nnan\n800\n", "not finite"),
        ("5.0\n7.1\n6.0\n", "neither rising R peak times nor RR intervals"),
        ("time,x\n5,1\n4,1\n", "times must rise, but value 2"),
        ("3,1\n2,2\n5,1\n", "no column has rising times"),
        ("time,ecg\n5,1\n5,2\n", "all its times are the same"),
        ("12.0\n", "no R peaks found"),
    ],
)
def test_what_is_no_reference(write, text, words):
    with pytest.raises(InputError) as caught:
        load_reference(write(text), START_S)
    assert words in str(caught.value)
    assert "reference.csv" in str(caught.value)


def test_wfdb_files_are_refused_with_the_way_to_convert_them(tmp_path):
    with pytest.raises(InputError, match="rdsamp"):
        load_reference(tmp_path / "100.hea")
