"""Replays recordings: one in this process, or several, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from edge.analysis import OpenRecording, Result
from edge.analysis.formats import check_output
from edge.cli.report import Report
from edge.core.errors import InputError
from edge.core.interrupts import INTERRUPTED, on_stop
from edge.core.spec import WINDOW_S
from edge.sources.metadata import recording_name

NAME = "{name}"
SHOW_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Outputs:
    """The files to write of each recording; NAME in a file's name stands for the name of the recording."""

    files: tuple[Path, ...]
    report: Path | None

    def of(self, recording: Path) -> Outputs:
        """Return the files of one recording."""

        def named(path: Path) -> Path:
            return Path(str(path).replace(NAME, recording_name(recording)))

        return Outputs(tuple(map(named, self.files)), named(self.report) if self.report else None)

    def check(self, recordings: Sequence[Path]) -> None:
        """Check before the long part that all files can be written, each by one recording. Raises InputError."""
        every = [path for path in (*self.files, self.report) if path]
        if len(recordings) > 1 and (same := [path for path in every if NAME not in str(path)]):
            raise InputError(f"{same[0]}: {len(recordings)} recordings need names of their own: write {NAME} in it")
        names = Counter(map(recording_name, recordings))
        if every and (twice := [name for name, count in names.items() if count > 1]):
            raise InputError(f"two recordings have the name {twice[0]}, so one would replace the other's results")
        for named in map(self.of, recordings):
            for path in named.files:
                check_output(path)
            if named.report:
                check_output(named.report, is_report=True)

    def write(self, result: Result) -> list[str]:
        """Write all files and return their names. Raises InputError, OSError."""
        for path in self.files:
            result.write(path)
        if self.report:
            result.write_report(self.report)
        return [str(path) for path in (*self.files, self.report) if path]

    def options(self) -> list[str]:
        """Return the options that name these files."""
        words = [word for path in self.files for word in ("--out", str(path))]
        return words + (["--report", str(self.report)] if self.report else [])


def replay_one(recording: OpenRecording, network: Path | None, outputs: Outputs, summary: bool) -> int:
    """Print one line per second, or one JSON line for the whole recording; write the files. Return the exit status."""
    on_stop(recording.stop)
    report = Report(None if summary else sys.stdout)
    is_shown = sys.stderr.isatty() and (summary or not sys.stdout.isatty())
    progress = _Progress(recording.measured_s) if is_shown else None
    result = recording.reconstruct(network, progress, also=report)
    if progress:
        print(file=sys.stderr)
    if recording.measured_s < WINDOW_S:
        print(
            f"radarecg: note: {recording.measured_s:.1f} s of data; a heart rate needs more than {WINDOW_S:.0f}",
            file=sys.stderr,
        )
    if not result.completed:
        print(
            f"radarecg: note: stopped after {result.duration_s:.0f} s; the results are those of this time",
            file=sys.stderr,
        )
    written = outputs.write(result)
    if summary:
        frames = {"frames": result.about.frames_received, "frames_lost": result.about.frames_lost}
        results = {"r_peaks": len(result.r_peak_t_ns), **({"written": written} if written else {})}
        print(json.dumps({"recording": recording.name, **frames, **report.summary(), **results}))
    else:
        print("".join(f"{path}\n" for path in written), end="")
    return 0 if result.completed else INTERRUPTED


def replay_each(recordings: Sequence[Path], options: list[str], outputs: Outputs) -> int:
    """Replay several recordings, each in a process of its own, and print one JSON line for each.

    A recording that fails does not stop the others. Returns 0, 1 if one failed, or 130 after Ctrl-C.
    """
    processes: list[subprocess.Popen[str]] = []
    is_stopped = False

    def stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        for process in processes:
            process.terminate()

    def work(recording: Path) -> tuple[Path, str, str, int]:
        if is_stopped:
            return recording, "", "", INTERRUPTED
        words = ["replay", str(recording), "--summary", *options, *outputs.of(recording).options()]
        command = [sys.executable, "-m", "edge", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        if is_stopped:
            process.terminate()
        return recording, *process.communicate(), process.returncode

    on_stop(stop)
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(work, recording) for recording in recordings]):
            recording, output, errors, status = done.result()
            print(output, end="", flush=True)
            print(errors, end="", file=sys.stderr)
            if status not in (0, INTERRUPTED) and not is_stopped:
                failed += 1
                if not errors:
                    print(f"radarecg: error: {recording}: its process ended with status {status}", file=sys.stderr)
    if is_stopped:
        return INTERRUPTED
    if failed:
        print(f"radarecg: error: {failed} of {len(recordings)} recordings failed", file=sys.stderr)
    return 1 if failed else 0


class _Progress:
    """Shows on stderr how much is done, and how fast."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._started_s = time.monotonic()
        self._shown_s = 0.0

    def __call__(self, fraction: float) -> None:
        """Update the line, at most every SHOW_INTERVAL_S."""
        now_s = time.monotonic()
        if now_s - self._shown_s > SHOW_INTERVAL_S:
            self._shown_s = now_s
            speed = fraction * self._length_s / max(now_s - self._started_s, 1e-3)
            bar = f"{'#' * round(30 * fraction):30}"
            print(
                f"\r[{bar}] {fraction:4.0%} of {self._length_s:.0f} s, {speed:.0f} times real time ",
                end="",
                file=sys.stderr,
                flush=True,
            )
