"""Computes the front end of a recording in a process of its own, so that a replay uses two cores.

The process decodes the frames and computes their RCG, ahead of the rest of the chain, as far as the pipe between them
has space. Frames and blocks are the same as those of `ReplaySource` and `RcgExtractor`.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from types import TracebackType
from typing import NamedTuple

import numpy as np

from edge.core.types import RadarFrame, RcgBlock
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.chirp import ChirpConfig
from edge.sources.recording import Recording
from edge.sources.replay import ReplaySource

MIN_RECORDED_S = 20.0
"""The process starts in half a second, so it is not worth it for a shorter recording."""
_BATCH_FRAMES = 100
_PIPE_BYTES = 1 << 20  # some seconds of points: neither process waits for each batch of the other
_NO_IQ = np.zeros(0, np.complex64)


class _Step(NamedTuple):
    """A frame, without its samples, and the state of the front end after it."""

    seq: int
    t_ns: int
    complete: bool
    block: RcgBlock | None
    problem: str | None
    restarts: int


class FrontEndProcess:
    """The frames of a recording as a `Source`, and their blocks as a `FrontEnd`, from another process.

    A context manager: at its end, the process ends.
    """

    def __init__(self, recording: Recording) -> None:
        self.chirp: ChirpConfig = recording.chirp
        self.problem: str | None = None
        self.restarts = 0
        self._is_open = True
        command = [sys.executable, "-c", f"from {__name__} import work; work()"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, pipesize=_PIPE_BYTES)
        assert self._process.stdin
        assert self._process.stdout
        self._results = self._process.stdout
        self._steps: Iterator[_Step] = self._read()
        with suppress(BrokenPipeError), self._process.stdin as request:  # it died: `frames` reports its status
            pickle.dump(recording, request)

    def problem_after(self, frames: int) -> str | None:
        """Wait for the front end's state after the first `frames`, which `frames()` still yields; call it before that.

        Return why these frames cannot show a chest, None if they can. Raises the exception that ended the process.
        """
        first = list(islice(self._steps, frames))
        self._steps = chain(first, self._steps)
        return first[-1].problem if first else None

    def frames(self) -> Iterator[RadarFrame]:
        """Yield every recorded frame, without its samples. Raises the exception that ended the process."""
        for step in self._steps:
            if not self._is_open:
                return
            self._step = step
            yield RadarFrame(step.seq, step.t_ns, _NO_IQ, step.complete)

    def push(self, frame: RadarFrame) -> RcgBlock | None:
        """Return the block that the frame completed, if any."""
        self.problem, self.restarts = self._step.problem, self._step.restarts
        return self._step.block

    def restart(self) -> None:
        """Do nothing: in a recording only its frames' numbers and times show a pause, and the process has both."""

    def close(self) -> None:
        """End the replay after the current frame."""
        self._is_open = False

    def __enter__(self) -> FrontEndProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._results.close()
        self._process.wait()

    def _read(self) -> Iterator[_Step]:
        while True:
            try:
                batch = pickle.load(self._results)
            except EOFError:
                raise OSError(f"the process of the front end ended with status {self._process.wait()}") from None
            if isinstance(batch, Exception):
                raise batch
            if not batch:
                return
            yield from batch


def work() -> None:
    """Send the steps of the recording on stdin to stdout, in batches; at the end an empty one, or an exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that replays ends this one
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends this one if that one has ended
    recording: Recording = pickle.load(sys.stdin.buffer)
    results = sys.stdout.buffer
    extractor, batch = RcgExtractor(recording.chirp, recording.calibration), list[_Step]()
    try:
        for frame in ReplaySource(recording).frames():
            block = extractor.push(frame)
            batch.append(_Step(frame.seq, frame.t_ns, frame.complete, block, extractor.problem, extractor.restarts))
            if len(batch) == _BATCH_FRAMES:
                pickle.dump(batch, results, pickle.HIGHEST_PROTOCOL)
                batch.clear()
        last: list[list[_Step] | Exception] = [batch, []] if batch else [[]]
    except Exception as error:  # passed on to the process that replays
        last = [batch, error] if batch else [error]
    for each in last:
        pickle.dump(each, results, pickle.HIGHEST_PROTOCOL)
    results.flush()
