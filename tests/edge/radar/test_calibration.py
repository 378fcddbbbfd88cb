"""Calibration files: parsing, error messages, and storage in recordings."""

from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.settings import resolve_file
from edge.core.types import RawFrame
from edge.radar.calibration import UNCALIBRATED, CalibrationError
from edge.radar.calibration_file import calibration_text, load_calibration, parse_calibration
from edge.runtime.config import load_config
from edge.sources.recording import Recorder, open_recording

FACTORS = tuple(complex(round(0.3 + 0.05 * k, 2), round(0.4 - 0.07 * k, 2)) for k in range(12))


@pytest.fixture
def text(mmecg) -> str:
    return calibration_text(mmecg, 0.0712, FACTORS, "a board")


def test_what_is_written_comes_back(mmecg, text):
    calibration = parse_calibration(text, mmecg, "x.toml")
    assert calibration.range_bias_m == pytest.approx(0.071)
    assert calibration.factors == pytest.approx(FACTORS)
    assert calibration.text == text


def test_the_numbers_of_ti_s_line_as_it_prints_them(mmecg):
    """TI's demo fires TX1, TX3, TX2: the file contains this order, and our chirp file uses it."""
    line = "compRangeBiasAndRxChanPhase 0.0712 " + " ".join(f"{f.real:.2f} {f.imag:.2f}" for f in FACTORS)
    _, bias, numbers = line.split(" ", 2)
    file = f'range_bias_m = {bias}\ntx = [1, 3, 2]\nrx = [1, 2, 3, 4]\nfactors = "{numbers}"'
    found = np.reshape(parse_calibration(file, mmecg, "x.toml").factors, (3, 4))
    assert found == pytest.approx(np.reshape(FACTORS, (3, 4))[[0, 2, 1]])


def test_a_chirp_file_with_fewer_antennas_takes_its_own(mmecg, text):
    chirp = replace(mmecg, tx_order=(3, 1), rx=(2, 4))
    assert parse_calibration(text, chirp, "x").factors == pytest.approx(
        [FACTORS[k] for k in (8 + 1, 8 + 3, 0 + 1, 0 + 3)]
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.30000", "", "factors has 23 numbers; must be 24, Re and Im for 3 TX x 4 RX"),
        ("0.30000", "0.0712 0.3", "the first number of TI's line is range_bias_m"),
        ("0.30000  0.40000", "0 0", "the factor of TX1 to RX1 is 0"),
        ("0.50000  0.12000", "nan 0", "the factor of TX2 to RX1 is nan"),
        ("0.50000  0.12000", "0 inf", "must be finite and not 0"),
        ("0.30000", "0.3,", "must be numbers separated by spaces"),
        ("[1, 2, 3]", "[1, 2, 2]", "contains an antenna twice"),
        ("[1, 2, 3]", "[1, 2, 4]", "no factor for TX3 to RX1, which .*awr1843_mmecg.cfg uses"),
        ("[1, 2, 3]", "[]", "tx"),
        ("0.071", "nan", "range_bias_m is nan"),
        ("0.071", "0.71", r"must be within \+-0.3 m"),
        ("range_bias_m", "bias", "range_bias_m|bias"),
        ('"""', "", "x.toml"),
    ],
)
def test_what_is_wrong_is_reported(mmecg, text, old, new, message):
    assert old in text
    with pytest.raises(CalibrationError, match=message):
        parse_calibration(text.replace(old, new, 1), mmecg, "x.toml")


def test_a_file_that_is_no_text_is_reported(mmecg, tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match=r"x\.toml:1: not UTF-8 text"):
        load_calibration(tmp_path / "x.toml", mmecg)


def test_settings_name_it_beside_themselves(mmecg, text, tmp_path):
    settings = tmp_path / "radarecg.toml"
    settings.write_text('device = "a"\n[radar]\ncfg = "x.cfg"\ncalibration = "board.toml"')
    (tmp_path / "board.toml").write_text(text)
    assert load_calibration(resolve_file(settings, load_config(settings).radar.calibration), mmecg).text == text
    settings.write_text('device = "a"\n[radar]\ncfg = "x.cfg"')
    assert load_calibration(resolve_file(settings, load_config(settings).radar.calibration), mmecg) == UNCALIBRATED


def test_a_recording_keeps_the_calibration_it_was_taken_with(mmecg, text, tmp_path):
    calibration = parse_calibration(text, mmecg, "x.toml")
    for name, given in (("with", calibration), ("without", UNCALIBRATED)):
        with Recorder(tmp_path / name, mmecg, "sdk", given) as recorder:
            recorder.write(RawFrame(0, 0, bytes(mmecg.frame_bytes), mmecg.frame_bytes))
        assert open_recording(tmp_path / name).calibration == given
    (tmp_path / "with" / "calibration.toml").write_text("damaged")
    with pytest.raises(CalibrationError, match=r"with.calibration\.toml"):
        open_recording(tmp_path / "with")
