"""Every format, opened by the program that people use for it: pandas, MNE, WFDB."""

from dataclasses import replace

import numpy as np
import pandas
import pytest
from pyarrow import parquet

from edge.analysis.formats import FORMATS
from edge.analysis.result import DISCLAIMER
from edge.core.errors import InputError
from tests.helpers.recordings import START_NS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(twin_result, tmp_path_factory):
    """The twin's result in every format."""
    folder = tmp_path_factory.mktemp("formats")
    for suffix in FORMATS:
        twin_result.write(folder / f"twin{suffix}")
    return folder


def assert_same_table(table: pandas.DataFrame, result) -> None:
    np.testing.assert_allclose(table["ecg_mv"], result.ecg_mv, atol=5.1e-5)
    peaks = table["r_peak_confidence"].dropna()
    np.testing.assert_allclose(peaks, result.r_peak_confidence, atol=5.1e-4)
    seconds = table.dropna(subset=["sqi"])
    for name, step in (("heart_rate_bpm", 0.01), ("heart_rate_low_bpm", 0.01), ("breathing_rate_bpm", 0.01)):
        np.testing.assert_allclose(seconds[name], getattr(result.seconds, name), atol=0.51 * step)
    assert seconds["quality"].tolist() == result.seconds.quality.tolist()
    assert seconds["movement"].tolist() == result.seconds.movement.tolist()


def test_csv(folder, twin_result):
    text = (folder / "twin.csv").read_text()
    assert text.startswith(f"# {DISCLAIMER}\n")
    assert "started 2026-05-28T20:26:40.123+00:00" in text
    table = pandas.read_csv(folder / "twin.csv", comment="#")
    assert table["t_unix_ns"].dtype == np.int64
    np.testing.assert_array_equal(table["t_unix_ns"], twin_result.ecg_t_ns)
    assert_same_table(table, twin_result)
    flags = table.dropna(subset=["sqi"])["flags"].fillna("")
    assert flags.tolist() == twin_result.seconds.flags.tolist()


def test_parquet_is_the_data_frame(folder, twin_result):
    table = pandas.read_parquet(folder / "twin.parquet")
    assert table["time"].dt.tz is not None
    np.testing.assert_array_equal(table["time"].astype("int64"), twin_result.ecg_t_ns)
    np.testing.assert_array_equal(table["ecg_mv"], twin_result.ecg_mv)
    assert_same_table(table, twin_result)
    schema = parquet.read_schema(folder / "twin.parquet")
    assert DISCLAIMER in schema.metadata[b"about"].decode()
    assert schema.field("heart_rate_bpm").metadata[b"unit"] == b"1/min"
    assert_same_table(twin_result.to_dataframe(), twin_result)


def test_edf_in_mne(folder, twin_result):
    import mne

    raw = mne.io.read_raw_edf(folder / "twin.edf", preload=True, verbose="error")
    ecg_mv = raw.get_data("ECG")[0] * 1e3
    known = ~np.isnan(twin_result.ecg_mv)
    np.testing.assert_allclose(ecg_mv[: len(known)][known], twin_result.ecg_mv[known], atol=5.1e-4)
    assert np.unique(ecg_mv[: len(known)][~known]).round(3).tolist() == [-32.768]
    assert raw.info["sfreq"] == 200
    assert raw.info["meas_date"].timestamp() == START_NS // 10**9  # MNE ignores the fraction of the start's second
    peaks_s = [a["onset"] for a in raw.annotations if a["description"] == "R peak"]
    np.testing.assert_allclose(peaks_s, (twin_result.r_peak_t_ns - START_NS) / 1e9, atol=1e-6)
    withheld = [a for a in raw.annotations if a["description"].startswith("heart rate withheld")]
    assert "warming_up" in withheld[0]["description"]
    withheld_s = np.isnan(twin_result.seconds.heart_rate_bpm).sum()
    assert sum(a["duration"] for a in withheld) == pytest.approx(withheld_s, abs=0.1)  # vitals are up to a frame late
    assert any(DISCLAIMER in a["description"] for a in raw.annotations)


def test_edf_header_has_the_exact_start_and_the_vital_signs(folder, twin_result):
    import edfio

    edf = edfio.read_edf(folder / "twin.edf")
    assert f"start_unix_ns={START_NS}" in edf.recording.additional
    rate = edf.get_signal("HR")
    assert (rate.sampling_frequency, rate.physical_dimension) == (1, "1/min")
    found = rate.data[rate.digital > -32768]
    valid = twin_result.seconds.heart_rate_bpm[~np.isnan(twin_result.seconds.heart_rate_bpm)]
    np.testing.assert_allclose(found, valid, atol=0.0051)
    assert "not a medical device" in edf.get_signal("ECG").transducer_type


def test_wfdb(folder, twin_result):
    import wfdb

    record = wfdb.rdrecord(str(folder / "twin"))
    assert (record.fs, record.sig_name, record.units) == (200, ["ECG"], ["mV"])
    np.testing.assert_allclose(record.p_signal[:, 0], twin_result.ecg_mv, atol=5.1e-4)
    assert record.base_datetime.isoformat() == "2026-05-28T20:26:40.123456"
    assert DISCLAIMER in record.comments
    assert f"start_unix_ns: {START_NS}" in record.comments
    marks = wfdb.rdann(str(folder / "twin"), "atr")
    peaks = marks.sample[np.array(marks.symbol) == "Q"]
    np.testing.assert_array_equal(peaks, twin_result.sample_at(twin_result.r_peak_t_ns))
    assert any("warming_up" in text for text in marks.aux_note)
    vitals = wfdb.rdrecord(str(folder / "twin_vitals"))
    rate = vitals.p_signal[:, vitals.sig_name.index("HR")]
    valid = twin_result.seconds.heart_rate_bpm[~np.isnan(twin_result.seconds.heart_rate_bpm)]
    np.testing.assert_allclose(rate[~np.isnan(rate)], valid, atol=0.0051)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_result_without_a_second_or_a_clock_is_written(suffix, twin_result, tmp_path):
    s = twin_result.seconds
    empty = replace(
        twin_result,
        about=replace(twin_result.about, started=None),
        start_ns=0,
        ecg_mv=twin_result.ecg_mv[:0],
        r_peak_t_ns=twin_result.r_peak_t_ns[:0],
        r_peak_confidence=twin_result.r_peak_confidence[:0],
        seconds=type(s)(*(getattr(s, name)[:0] for name in s.__dataclass_fields__)),
    )
    empty.write(tmp_path / f"empty{suffix}")
    assert (tmp_path / f"empty{suffix}").stat().st_size > 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_where_nothing_can_be_written(suffix, twin_result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=rf"x\{suffix}: cannot be written"):
        twin_result.write(tmp_path / "file" / f"x{suffix}")


def test_a_failure_leaves_no_part_of_a_file(twin_result, tmp_path, monkeypatch):
    def fail(result, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.analysis.formats.csv_file.write_file", fail)
    with pytest.raises(OSError, match=r"x\.csv: cannot be written \(No space left on device\)"):
        twin_result.write(tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_and_a_missing_library(twin_result, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"x\.mat: the name must end with one of \.csv"):
        twin_result.write(tmp_path / "x.mat")
    monkeypatch.setattr("edge.analysis.formats.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs edfio, which is not installed: .*\[analysis\]"):
        twin_result.write(tmp_path / "x.edf")


def test_a_name_that_wfdb_does_not_allow(twin_result, tmp_path):
    with pytest.raises(InputError, match="letters, digits"):
        twin_result.write(tmp_path / "my night.hea")
