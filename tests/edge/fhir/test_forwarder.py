"""Retries, refusals, batches, patients and log messages of the forwarder."""

import json
import threading

import pytest

from edge.fhir.failures import RefusedError, UnavailableError
from edge.fhir.forwarder import MAX_TRIES
from edge.fhir.subjects import Subjects
from tests.helpers.bridges import Bench, StandInStore
from tests.helpers.disk import write_private


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.spool.close()


@pytest.fixture
def batches(tmp_path):
    """A bench whose store takes batches of four."""
    bench = Bench(tmp_path, 8, StandInStore(4))
    yield bench
    bench.spool.close()


def test_failed_resources_are_kept_in_order_and_reported_once(bench, caplog):
    bench.store.failing[1] = UnavailableError("answers 401: give a token that is valid", 401)
    waits = [bench.forward() for _ in range(9)]
    assert bench.store.tried == [1] * 9
    assert bench.waiting == 3
    assert caplog.text.count("401") == 1
    assert waits == sorted(waits)
    assert waits[-1] == 30  # and no longer
    bench.store.failing.clear()
    assert bench.forward() == 0
    assert bench.store.tried[9:] == [1, 2, 3]
    assert bench.waiting == 0


def test_after_a_minute_without_a_fault_it_is_reported_again(bench, caplog, monkeypatch):
    bench.store.failing[2] = UnavailableError("answers 503", 503)
    bench.forward()
    bench.store.failing.clear()
    monkeypatch.setattr("edge.fhir.forwarder.HEALTHY_S", -1.0)
    caplog.set_level("INFO")
    bench.forward()
    assert "stored again" in caplog.text
    bench.append(4)
    bench.store.failing[4] = UnavailableError("answers 503", 503)
    bench.forward()
    assert caplog.text.count("answers 503") == 2


def test_retry_after_is_respected(bench):
    bench.store.failing[1] = UnavailableError("answers 429", 429, retry_after_s=120)
    assert bench.forward() == 120


def test_refused_resources_are_saved_counted_and_logged_once_per_status(bench, caplog):
    for seq, status in enumerate(("422 Unprocessable Entity", "422 Unprocessable Entity", "400 Bad Request"), 1):
        bench.store.failing[seq] = RefusedError(status, '{"resourceType": "OperationOutcome", "text": "Patient/9"}')
    assert bench.forward() == 0
    assert bench.waiting == 0
    assert bench.forwarder.refused == {"422 Unprocessable Entity": 2, "400 Bad Request": 1}
    assert (caplog.text.count("422"), caplog.text.count("400")) == (1, 1)
    assert "Patient/9" not in caplog.text
    letters = [json.loads(path.read_text()) for path in sorted(bench.letters.folder.iterdir())]
    assert [letter["resource"]["identifier"][0]["value"].split("/")[-1] for letter in letters] == ["1", "2", "3"]
    assert letters[0]["status"] == "422 Unprocessable Entity"
    assert "OperationOutcome" in letters[0]["answer"]
    assert bench.letters.folder.stat().st_mode & 0o077 == 0


def test_a_failing_resource_does_not_block_the_others_for_ever(bench):
    bench.store.failing[1] = UnavailableError("answers 500", 500)
    for _ in range(MAX_TRIES):
        bench.forward()
    assert bench.store.tried == [1] * MAX_TRIES
    bench.forward()
    assert bench.store.tried[MAX_TRIES:] == [2, 3, 1]  # once after them, without delaying the others
    bench.append(4)
    bench.forward()
    bench.forward()
    assert 4 in bench.store.tried
    bench.store.failing.clear()
    bench.forward()
    assert bench.waiting == 0


def test_a_conflict_is_refused_only_if_it_does_not_end(bench):
    """Two bridges can send the same resource at once; when the other's request is done, the server has it."""
    bench.store.failing |= dict.fromkeys((1, 2), RefusedError("409 Conflict", "OperationOutcome"))
    bench.forward()
    assert bench.waiting == 3
    del bench.store.failing[1]
    for _ in range(MAX_TRIES):
        bench.forward()
    assert (bench.forwarder.stored, bench.forwarder.refused) == (1, {})
    bench.forward()
    assert (bench.waiting, bench.forwarder.refused) == (0, {"409 Conflict": 1})


def test_a_full_disk_is_retried_and_reported_once(bench, caplog):
    bench.store.failing[1] = OSError("No space left on device")
    bench.forward()
    bench.forward()
    assert bench.waiting == 3
    assert caplog.text.count("No space left") == 1


def test_a_dead_letter_that_cannot_be_written_does_not_block_the_others(bench, monkeypatch):
    def keep(number, letter) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.letters, "keep", keep)
        bench.store.failing[1] = RefusedError("422", "")
        for _ in range(MAX_TRIES + 1):
            bench.forward()
        assert bench.store.tried == [1, 2, 3]  # its answer is known
        assert bench.waiting == 1
    bench.forward()
    assert (bench.waiting, bench.forwarder.refused) == (0, {"422": 1})


def test_a_stop_is_not_delayed_by_waiting_messages(bench):
    stopping = threading.Event()
    bench.store.store = lambda records: stopping.set() or [None]
    bench.forwarder.forward(stopping)
    assert bench.waiting == 2


def test_the_memory_for_waiting_messages_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.fhir.inbox.MAX_JOBS", 20)
    monkeypatch.setattr("edge.fhir.inbox.READ_SIZE", 10)
    bench = Bench(tmp_path, 35)
    bench.store.failing[1] = UnavailableError("answers 503", 503)
    for _ in range(3):
        bench.forward()
    assert len(bench.inbox.jobs) == 20
    bench.store.failing.clear()
    while bench.waiting:
        assert bench.forward() == 0
    assert bench.store.tried[3:] == list(range(1, 36))
    bench.spool.close()


def test_batches_are_filled_in_order(batches):
    assert batches.forward() == 0
    assert batches.store.calls == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert batches.waiting == 0


def test_a_failing_entry_is_tried_again_before_the_next_ones_of_later(batches):
    batches.store.failing[2] = UnavailableError("answers 503", 503)
    assert batches.forward() > 0
    assert batches.store.calls == [[1, 2, 3, 4], [5, 6, 7, 8]]
    batches.append(9)
    batches.store.failing.clear()
    batches.forward()
    assert batches.store.calls[2:] == [[2, 9]]
    assert batches.waiting == 0


def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_one_at_fault_is_alone(batches, caplog):
    batches.store.whole = RefusedError("400 Bad Request", "a batch?")
    batches.store.failing[3] = RefusedError("422", "")
    assert batches.forward() == 0
    assert batches.store.tried == list(range(1, 9))
    assert batches.store.calls[:4] == [[1, 2, 3, 4], [1, 2], [1], [2, 3]]
    assert batches.forwarder.refused == {"422": 1}
    assert caplog.text.count("refuses a batch of resources as a whole (400 Bad Request)") == 1


def test_a_batch_that_fails_as_a_whole_is_halved_too_and_waits(batches):
    batches.store.whole = UnavailableError("answers 413", 413)
    assert [batches.forward() > 0 for _ in range(2)] == [True, True]
    assert batches.store.calls == [[1, 2, 3, 4], [1, 2]]
    batches.store.whole = None
    assert batches.forward() == 0
    assert batches.store.calls[2:] == [[1], [2, 3], [4, 5, 6, 7], [8]]


def test_the_same_resource_is_not_twice_in_a_batch(batches):
    """A server may process entries at the same time, and then create both."""
    batches.append(8, 8, 9)
    batches.forward()
    assert batches.store.calls == [[1, 2, 3, 4], [5, 6, 7, 8], [8], [8, 9]]


def test_observations_have_the_patient_of_their_time(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 0.0)
    path = tmp_path / "subjects.csv"
    write_private(path, "device,patient,since,until\nradar-0001,Patient/7,2026-11-20T17:00:00Z,2026-11-20T17:40:00Z\n")
    bench = Bench(tmp_path, 2, subjects=Subjects(path))
    bench.forward()
    assert [record.resource.get("subject") for record in bench.store.stored] == [None, None]
    assert caplog.text.count("has no patient for the time of a measurement of radar-0001") == 1
    write_private(path, "device,patient,since\nradar-0001,Patient/7,2026-11-20T17:40:00Z\n")
    bench.append(3)
    bench.forward()
    assert bench.store.stored[-1].resource["subject"] == {"reference": "Patient/7"}
    assert "Patient" not in caplog.text
    bench.spool.close()


def test_nothing_is_stored_while_the_table_of_patients_is_bad(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("edge.fhir.subjects.SETTLE_S", 0.0)
    path = tmp_path / "subjects.csv"
    write_private(path, "device,patient\nradar-0001,Patient/7\n")
    bench = Bench(tmp_path, 2, subjects=Subjects(path))
    write_private(path, "device,patient\nradar-0001,Patient\n")
    assert [bench.forward() > 0 for _ in range(3)] == [True] * 3
    assert (bench.store.tried, bench.waiting) == ([], 2)
    assert caplog.text.count("subjects.csv:2: patient must be Patient/ID") == 1
    assert "nothing is stored until it is corrected" in caplog.text
    write_private(path, "device,patient\nradar-0001,Patient/8\n")
    bench.forward()
    assert [record.resource["subject"] for record in bench.store.stored] == [{"reference": "Patient/8"}] * 2
    bench.spool.close()
