"""The table of patients: what is accepted, whom a measurement concerns, and what happens when the file changes."""

import logging

import pytest

from edge.core.errors import InputError
from edge.fhir.settings import open_subjects
from edge.fhir.subjects import Subjects, SubjectsError, read_subjects
from edge.runtime.hub_config import load_hub_config
from tests.helpers.disk import write_private

HOUR_NS = 3600 * 10**9
EIGHT_NS = 1_795_161_600_000_000_000  # 2026-11-20T08:00:00Z
MRN = {"type": "Patient", "identifier": {"system": "http://hospital.example/mrn", "value": "4711"}}


def table(folder, text: str):
    path = folder / "subjects.csv"
    write_private(path, text)
    return path


def patient(subjects: Subjects, device: str, start_h: float, end_h: float | None = None):
    start_ns = EIGHT_NS + round(start_h * HOUR_NS)
    end_ns = start_ns if end_h is None else EIGHT_NS + round(end_h * HOUR_NS)
    return subjects.find(device, start_ns, end_ns)


def test_a_device_has_its_patient_in_that_time_only(tmp_path):
    text = (
        "device,patient,since,until\n"
        "radar-0001,Patient/1,2026-11-20T08:00:00Z,2026-11-20T10:00:00Z\n"
        "radar-0001,Patient/2,2026-11-20T12:00:00+01:00,\n"
        "\n"
        "radar-0002,http://hospital.example/mrn|4711,,\n"
    )
    subjects = Subjects(table(tmp_path, text))
    assert patient(subjects, "radar-0001", -0.001) is None
    assert patient(subjects, "radar-0001", 0) == {"reference": "Patient/1"}
    assert patient(subjects, "radar-0001", 2) is None
    assert patient(subjects, "radar-0001", 3) == {"reference": "Patient/2"}
    assert patient(subjects, "radar-0001", 9999) == {"reference": "Patient/2"}
    assert patient(subjects, "radar-0002", -9999) == MRN
    assert patient(subjects, "radar-0003", 1) is None


def test_a_measurement_across_a_change_has_no_patient(tmp_path):
    text = (
        "device,patient,since\n"
        "radar-0001,Patient/2,2026-11-20T09:00:00Z\n"
        "radar-0001,Patient/1,2026-11-20T08:00:00Z\n"
        "radar-0001,,2026-11-20T10:00:00Z\n"
    )
    subjects = Subjects(table(tmp_path, text))
    assert patient(subjects, "radar-0001", 0.999, 1.001) is None
    assert patient(subjects, "radar-0001", 0.998, 0.999) == {"reference": "Patient/1"}
    assert patient(subjects, "radar-0001", 1, 1.5) == {"reference": "Patient/2"}
    assert patient(subjects, "radar-0001", 2) is None  # a row without a patient ends the one before it


@pytest.mark.parametrize(
    "text",
    [
        "device;patient\nradar-0001;Patient/1",
        "\ufeffDevice,Patient\r\nradar-0001, Patient/1\r\n",
        'patient,device\n"Patient/1",radar-0001\n\n',
        "device\tpatient\nradar-0001\tPatient/1\n",
    ],
)
def test_tables_as_programs_write_them(tmp_path, text):
    assert patient(Subjects(table(tmp_path, text)), "radar-0001", 0) == {"reference": "Patient/1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; its first line must be device,patient,since,until"),
        ("radar-0001,Patient/secret\n", r":1: the columns must be"),
        ("device,patient,ward\nradar-0001,Patient/secret,7\n", r":1: the columns must be"),
        ("device,patient,patient\nradar-0001,Patient/secret,Patient/secret\n", r":1: the columns must be"),
        ("device,patient\nradar-0001\n", r":2: has 1 columns instead of 2"),
        ("device,patient\nradar-0001,Patient/secret,now\n", r":2: has 3 columns instead of 2"),
        ("device,patient\n\nRadar 1,Patient/secret\n", r":3: device must be the name of a device"),
        ("device,patient\nradar-0001,secret\n", r":2: patient must be Patient/ID"),
        ("device,patient\nradar-0001,Patient/secret|1\n", r":2: patient must be Patient/ID"),
        ('device,patient\nradar-0001,"Patient/secret\n', r":2: not a line of a CSV file"),
        ("device,patient,since\nradar-0001,Patient/secret,2026-11-20T08:00:00\n", r":2: since must be a time with"),
        ("device,patient,until\nradar-0001,Patient/secret,today\n", r":2: until must be a time with"),
        (
            "device,patient,since,until\nradar-0001,Patient/secret,2026-11-20T08:00:00Z,2026-11-20T08:00:00Z\n",
            r":2: until must be after since",
        ),
        ("device,patient\nradar-0001,Patient/secret\nradar-0001,Patient/2\n", r":3: radar-0001 has two patients"),
        (
            "device,patient,since,until\nradar-0001,Patient/secret,,2026-11-20T09:00:00Z\n"
            "radar-0001,Patient/2,2026-11-20T08:59:59Z,\n",
            r":3: radar-0001 has two patients at the same time",
        ),
    ],
)
def test_a_bad_table_is_an_error_that_names_the_line_and_no_patient(tmp_path, text, message):
    with pytest.raises(SubjectsError, match=message) as caught:
        read_subjects(table(tmp_path, text))
    assert str(tmp_path / "subjects.csv") in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_table_that_everyone_can_read_is_refused(tmp_path):
    path = table(tmp_path, "device,patient\n")
    path.chmod(0o644)
    with pytest.raises(SubjectsError, match="every user of this computer can read"):
        read_subjects(path)


def test_a_changed_file_is_read_once_it_is_complete(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 0.0)
    path = table(tmp_path, "device,patient\nradar-0001,Patient/1\n")
    subjects = Subjects(path)
    assert subjects.refresh()
    write_private(path, "device,patient\nradar-0001,Patient/22\n")
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 3600.0)
    assert not subjects.refresh()
    assert patient(subjects, "radar-0001", 0) is None  # neither the old one nor half of a new one
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 0.0)
    assert subjects.refresh()
    assert patient(subjects, "radar-0001", 0) == {"reference": "Patient/22"}


def test_a_table_that_becomes_bad_is_not_used_until_it_is_right(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 0.0)
    path = table(tmp_path, "device,patient\nradar-0001,Patient/1\n")
    subjects = Subjects(path)
    for break_file in (lambda: write_private(path, "device,patient\nradar-0001,\x00\n"), path.unlink):
        break_file()
        for _ in range(2):
            with pytest.raises(SubjectsError):
                subjects.refresh()
        assert patient(subjects, "radar-0001", 0) is None
    write_private(path, "device,patient\nradar-0001,Patient/1\n")
    assert subjects.refresh()
    assert patient(subjects, "radar-0001", 0) == {"reference": "Patient/1"}


def test_the_settings_name_the_table(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "hub.toml"
    path.write_text('[mqtt]\n[fhir]\nsubjects = "subjects.csv"\n')
    config = load_hub_config(path, {}).fhir
    with pytest.raises(InputError, match=r"fhir.subjects: .*subjects.csv: cannot read the table of patients"):
        open_subjects(config, path)
    table(tmp_path, "device,patient\nradar-0001,Patient/secret\n")
    assert patient(open_subjects(config, path), "radar-0001", 0) == {"reference": "Patient/secret"}
    assert "secret" not in caplog.text
    path.write_text("[mqtt]\n")
    assert open_subjects(load_hub_config(path, {}).fhir, path) is None
