"""Stores the resources that wait, retries what fails, and saves what can never be stored as dead letters."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from edge.fhir.dead_letters import DeadLetters
from edge.fhir.failures import CONFLICT, SUSPECT_CODES, RefusedError, UnavailableError
from edge.fhir.inbox import UNREADABLE, Inbox, Job
from edge.fhir.records import Record
from edge.fhir.server import Outcome
from edge.fhir.subjects import Subjects, SubjectsError

PERIOD_S = 0.5
MAX_WAIT_S = 30.0
MAX_PASS_S = 5.0  # then new messages are read, and the spool is written to the disk
MAX_TRIES = 5
HEALTHY_S = 60.0
MAX_REPORTED = 1000

log = logging.getLogger(__name__)


class Store(Protocol):
    """Where resources are stored: at most `batch_size` in one call. `kinds`: types that it accepts; None: all."""

    batch_size: int
    kinds: frozenset[str] | None

    def store(self, records: Sequence[Record]) -> list[Outcome]:
        """Store resources; return what became of each. Raises RefusedError, OSError if all of them failed."""


class Forwarder:
    """Stores the jobs of `inbox`, oldest first; what cannot be stored now stays there, and so in the spool.

    When a whole batch fails, the next ones are smaller, down to a single resource, so that one resource that the server
    cannot process does not block the others.
    """

    def __init__(self, inbox: Inbox, store: Store, letters: DeadLetters, subjects: Subjects | None = None) -> None:
        self._inbox, self._store, self._letters, self._subjects = inbox, store, letters, subjects
        self._limit, self._wait_s = store.batch_size, PERIOD_S
        self._faults: dict[int | str, float] = {}  # reported faults, and the last time of each
        self._reported: set[str] = set()  # topics and devices, each logged once
        self.stored = 0
        self.refused: Counter[str] = Counter()

    def forward(self, stopping: threading.Event) -> float:
        """Store what waits; return how long to wait before the next call, in seconds."""
        self._inbox.fill()
        try:
            if self._subjects is not None and not self._subjects.refresh():
                return PERIOD_S
        except SubjectsError as error:
            return self._back_off(UnavailableError(f"{error}; nothing is stored until it is corrected"))
        failures: list[tuple[Job, OSError]] = []
        is_available = True
        end_s = time.monotonic() + MAX_PASS_S
        while is_available and self._inbox.jobs and time.monotonic() < end_s and not stopping.is_set():
            is_available = self._process(self._next_chunk(), failures)
        suspects = [job for job, _ in failures if job.tries >= MAX_TRIES]
        self._inbox.jobs.extendleft(job for job, _ in reversed(failures) if job.tries < MAX_TRIES)
        self._inbox.jobs.extend(suspects)  # so that the others are not delayed
        return self._back_off(failures[-1][1]) if failures else 0.0

    def summary(self) -> str:
        """Return in words what became of the messages so far."""
        refused = self.refused + self._inbox.skipped
        kinds = ", ".join(f"{count} ({kind})" for kind, count in refused.items()) or "0"
        return f"{self.stored} resources stored, {kinds} refused"

    def _next_chunk(self) -> list[Job]:
        """Take the next jobs: one dead letter, or as many resources as may be in a batch, none of them twice."""
        jobs, chunk, searches = self._inbox.jobs, [self._inbox.jobs.popleft()], set()
        while jobs and len(chunk) < self._limit and chunk[-1].record and jobs[0].record:
            searches.add(chunk[-1].record.search)
            if jobs[0].record.search in searches:
                break
            chunk.append(jobs.popleft())
        return chunk

    def _process(self, chunk: list[Job], failures: list[tuple[Job, OSError]]) -> bool:
        """Store these jobs, and add those that must be tried again; return False if nothing can be stored now."""
        records = [self._with_subject(job.record) for job in chunk if job.record is not None]
        try:
            outcomes: Sequence[Outcome | OSError] = self._store.store(records) if records else [None]
        except RefusedError as error:  # the batch as a whole: smaller ones show which resource is at fault
            if self._is_new(error.status):
                log.warning(
                    "the server refuses a batch of resources as a whole (%s); smaller ones follow", error.status
                )
            self._inbox.jobs.extendleft(reversed(chunk))
            self._limit = len(chunk) // 2
            return True
        except OSError as error:
            outcomes = [error] * len(chunk)
        done, failed = [], []
        for k, (job, outcome) in enumerate(zip(chunk, outcomes, strict=True)):
            if isinstance(outcome, RefusedError) and outcome.status.startswith(str(CONFLICT)) and job.tries < MAX_TRIES:
                outcome = UnavailableError(f"the server answers {outcome.status}", CONFLICT)
            elif isinstance(outcome, RefusedError):
                job.letter = {"status": outcome.status, "answer": outcome.answer, "resource": records[k].resource}
                outcome = None
            if failure := outcome or self._finish(job):
                failed.append((job, failure))
            else:
                done.append(job)
        self._inbox.finish(done)
        failures.extend(failed)
        is_available = len(failed) < len(chunk)
        if is_available:
            self._limit, self._wait_s = min(2 * self._limit, self._store.batch_size), PERIOD_S
        else:
            self._limit = max(1, len(chunk) // 2)
        if is_available or (len(chunk) == 1 and _may_concern_one(failed[0][1])):
            for job, _ in failed:
                job.tries += 1
        if not failed:
            self._report_recovery()
        return is_available

    def _with_subject(self, record: Record) -> Record:
        """Add the patient that the device had during the measurement."""
        if self._subjects is None or record.kind != "Observation":
            return record
        subject = self._subjects.find(record.device, record.start_ns, record.end_ns)
        if subject is not None:
            return replace(record, resource={**record.resource, "subject": subject})
        if self._is_new(record.device):
            log.warning(
                "%s has no patient for the time of a measurement of %s: such Observations are stored without a subject",
                *(self._subjects.path, record.device),
            )
        return record

    def _finish(self, job: Job) -> OSError | None:
        """End a job whose resource is stored, or write its dead letter; return the error if that fails."""
        if job.letter is None:
            self.stored += 1
        else:
            try:
                self._letters.keep(job.number, job.letter)
            except OSError as error:
                job.record = None  # its answer is known
                return error
            self._report_letter(job, job.letter)
        return None

    def _report_letter(self, job: Job, letter: dict[str, Any]) -> None:
        """Log a dead letter, once for each status or topic. A server's answer can name a patient and is not logged."""
        status = letter["status"]
        self.refused[status] += 1
        if status == UNREADABLE:
            if self._is_new(job.topic):
                log.error(
                    "cannot convert a message on %s to a resource: %s; it is saved in %s, as are all others",
                    *(job.topic, letter["answer"], self._letters.folder),
                )
        elif self.refused[status] == 1:
            log.error(
                "the %s of a message on %s is refused: %s; it is saved in %s with the answer, as are all others that "
                "are refused with this status",
                *(letter["resource"]["resourceType"], job.topic, status, self._letters.folder),
            )

    def _is_new(self, name: str) -> bool:
        """Return whether this topic or device is to be logged."""
        is_new = name not in self._reported and len(self._reported) < MAX_REPORTED
        if is_new:
            self._reported.add(name)
        return is_new

    def _back_off(self, error: OSError) -> float:
        """Report a failure, once; return how long to wait, in seconds."""
        code, after_s = (error.code, error.retry_after_s) if isinstance(error, UnavailableError) else (None, 0.0)
        fault = code or str(error)
        if fault not in self._faults:
            log.warning("cannot store resources (%s); they stay in the spool, retrying", error)
        self._faults[fault] = time.monotonic()
        self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
        return max(self._wait_s, after_s)

    def _report_recovery(self) -> None:
        if self._faults and time.monotonic() - max(self._faults.values()) > HEALTHY_S:
            self._faults.clear()
            log.info("resources are stored again; %d wait", len(self._inbox.jobs))


def _may_concern_one(error: OSError) -> bool:
    """Return whether a failure may be the resource's fault, not the server's."""
    return not isinstance(error, UnavailableError) or error.code in SUSPECT_CODES
