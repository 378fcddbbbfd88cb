"""Tests reading tables as saved by spreadsheets and recorders, with decimal commas and other encodings."""

import codecs

import numpy as np
import pytest

from train.data.readers.tables import read_table, read_text_table
from train.data.trial import TrialError

WANTED = [[1.5, -0.25], [1.502, 1000.0]]


@pytest.mark.parametrize(
    "text",
    [
        "t_s,ecg_mv\n1.5,-0.25\n1.502,1e3\n",
        "# t_s,ecg_mv\n1.5,-0.25\n1.502,1000\n",
        "t_s;ecg_mv\n1,5;-0,25\n1,502;1000\n",
        "sep=;\nt_s;ecg_mv\n1,5;-0,25\n1,502;1000\n",
        '"t_s","ecg_mv"\n"1,5","-0,25"\n"1,502","1000"\n',
        "t_s\tecg_mv\n1.5\t-0.25\n1,502\t1000,0\n",
        "t_s ecg_mv\n1.5   -0.25\n1.502 1000\n",
        "lead,ecg_mv,t_s\nII,-0.25,1.5\nII,1000,1.502\n",
        "t_s;ecg_mv;\n1,5;-0,25;\n\n# a pause\n1,502;1000;\n",
        "Recorder X\n\nTime (ms);ECG [\u00b5V]\n1500;-250\n1502;1000000\n",
        "TIME_MS,EKG/\u03bcV\n1500,-250\n1502,1e6\n",
        "timestamp [us] ; ecg (V)\n1500000 ; -0,00025\n1502000 ; 1\n",
    ],
)
def test_columns_are_read_whatever_parts_them_and_whatever_their_unit(tmp_path, text):
    (tmp_path / "ecg.csv").write_text(text, encoding="utf-8")
    np.testing.assert_allclose(read_table(tmp_path / "ecg.csv", "t_s", "ecg_mv"), WANTED, rtol=1e-12)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_is_read_in_the_encoding_of_any_spreadsheet(tmp_path, encoding, end):
    text = end.join(["t_s;ecg (\u00b5V)", "1,5;-250", "1,502;1000000"])
    (tmp_path / "ecg.csv").write_bytes(text.encode(encoding))
    np.testing.assert_allclose(read_table(tmp_path / "ecg.csv", "t_s", "ecg_mv"), WANTED, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns t_s, ecg_mv; it begins with ''"),
        ("time,ecg\n1,2\n", "begins with 'time,ecg'; names carry a unit, as in t_ms or 'ECG .uV.': t_s in s, sec"),
        ("t_s,ecg_mv\n", "no row below its header"),
        ("t_s,ecg_mv\n1,2\n3\n", "ecg.csv:3: 1 values in '3', the header has 2 columns"),
        ("t_s,ecg_mv\n1,5,2,5\n", "ecg.csv:2: 4 values in .* where commas are decimal, semicolons or tabs"),
        ("t_s;ecg_mv\n1,5;2\n\n1,6;\n", "ecg.csv:4: ecg_mv is '', not a number"),
        ("t_s;ecg_mv\n1.234,5;2\n", "ecg.csv:2: t_s is '1.234,5', not a number"),
        ("x" * 200_000, "not a table"),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "ecg.csv").write_text(text)
    with pytest.raises(TrialError, match=message):
        read_table(tmp_path / "ecg.csv", "t_s", "ecg_mv")


def test_a_table_of_text_has_the_same_freedom(tmp_path):
    (tmp_path / "labels.csv").write_bytes(codecs.BOM_UTF8 + b"subject_id;AF\r\nA_1_1;1\r\n")
    assert read_text_table(tmp_path / "labels.csv", "subject_id", "AF") == [["A_1_1", "1"]]
    with pytest.raises(TrialError, match=r"missing\.csv: cannot be read"):
        read_text_table(tmp_path / "missing.csv", "AF")
