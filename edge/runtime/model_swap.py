"""Replaces the network while the device runs: the new one is loaded and self-tested, then observed for a minute.

`[network] bundle` names a link, `models/current`, to one of several folders (`edge.runtime.model_link`). A running
device detects within seconds that it leads to another one. A network that cannot be loaded, returns values that are
not finite or takes too long is rejected: the previous one continues, and the link points to it again, so that the next
start finds a network that works.

The network that is in use steps down the ladder (`edge.inference.ladder`) when it fails repeatedly or is too slow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.core.audit import audit
from edge.core.errors import InputError
from edge.core.settings import resolve_file
from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES, SST_BINS, SST_COLUMNS
from edge.core.types import Float32, SstWindow, TaskOutputs
from edge.ecg.reconstructor import InferWindow, NoNetworkError
from edge.inference.backends.engine_file import float32_path
from edge.inference.bundle import DESCRIPTION, MODEL, require_newer
from edge.inference.ladder import PlacedNetwork, place_network, step_down
from edge.inference.loader import Network
from edge.inference.self_test import MAX_INFERENCE_S, NetworkError
from edge.inference.settings import network_files
from edge.inference.signature import SIGNATURE
from edge.runtime.config import Config
from edge.runtime.model_link import point_link

POLL_INTERVAL_S = 1.0
PROBATION_WINDOWS = 60  # one window per second
MAX_FAILURES = 3
"""Failed windows among PROBATION_WINDOWS at which the network steps down."""
CLOSE_TIMEOUT_S = 2.0

ModelChangeCallback = Callable[[PlacedNetwork, str | None], None]
"""Receives the active network and, if another network was rejected, the reason."""
FileFingerprint = tuple[tuple[int, int, int] | None, ...]

log = logging.getLogger(__name__)


class SlowNetworkError(NetworkError):
    """Inference takes so long that too little time is left for the other tasks."""


class SwappableNetwork:
    """The network of the settings at `path` on the highest rung of `edge.inference.ladder` that works.

    It is replaceable at run time, and steps down when it fails; `active` is the present one.
    Raises InputError for invalid settings or an invalid bundle, OSError for missing files; a backend that fails only
    makes the network start on a lower rung.
    """

    def __init__(self, config: Config, path: Path) -> None:
        self._files = network_files(config.network, path)
        self._link = resolve_file(path, config.network.bundle)
        self._last_attempt = self._fingerprint()
        self.active = place_network(self._files.load_bundle(), self._files)
        for problem in self.active.problems:
            log.error("the network cannot run on %s; it runs on %s", problem, self.active.rung)
        self._previous: PlacedNetwork | None = None  # set while the new network is on probation
        self._start_count()
        self._on_change: ModelChangeCallback = lambda _active, _refused: None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="model", daemon=True)

    def begin(self, channels: int) -> InferWindow:
        """Start SST and active network for a new, continuous RCG stream of `channels` channels.

        If a new network fails, the previous one processes the window. If the network fails in MAX_FAILURES windows of
        PROBATION_WINDOWS, or takes too long, the next rung processes the window. Until then, a window in which it
        fails has outputs that are not finite. On the rung "none", every window raises NoNetworkError.
        """
        started: Network | None = None
        infer: InferWindow

        def active() -> InferWindow:
            """Return the active network, restarted after a change: the SST continues from its previous window."""
            nonlocal started, infer
            network = self.active.network
            if network is None:
                raise NoNetworkError
            if started is not network:
                started, infer = network, network.begin(channels)
            return infer

        def infer_window(segment: Float32) -> tuple[SstWindow, TaskOutputs]:
            with self._lock:
                while True:
                    try:
                        return self._infer(active(), segment)
                    except NoNetworkError:
                        raise
                    except Exception as error:  # whatever fails in a driver or a library must not stop the vitals
                        if not self._handle_failure(error):
                            return _no_result(channels)

        return infer_window

    def watch(self, on_change: ModelChangeCallback) -> None:
        """Start to watch for another bundle or engine; call `on_change` for each change, from any thread."""
        self._on_change = on_change
        if self._link or self._files.engine:
            self._watcher.start()

    def gauges(self) -> dict[str, float]:
        """Return the metrics by name; `network_steps_down` is 0 on the configured backend."""
        return {"network_steps_down": self.active.steps_down}

    def close(self) -> None:
        """Stop watching; wait briefly for a network that is being loaded."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join(CLOSE_TIMEOUT_S)

    def _watch(self) -> None:
        seen = self._last_attempt
        while not self._closing.wait(POLL_INTERVAL_S):
            found = self._fingerprint()
            if found == seen != self._last_attempt:  # changed, and stable since the last poll: copying has finished
                self._last_attempt = found
                self._load_candidate()
            seen = found

    def _load_candidate(self) -> None:
        try:
            found = self._files.load_bundle()
            require_newer(found, self.active.bundle)
            new = place_network(found, self._files)
            if new.network is None or (new.steps_down > self.active.steps_down and self.active.network):
                raise NetworkError(new.fallback or "no backend runs it")
        except Exception as error:  # no failure of a new network may stop the active one
            with self._lock:
                self._reject(str(error), exc_info=not isinstance(error, InputError | OSError))
            return
        with self._lock:
            self._previous, self.active = self._previous or self.active, new
            self._start_count()
            log.info("switched to network %s on %s, previously %s", new.name, new.rung, self._previous.name)
            audit("model switched", model=new.name, backend=new.rung, previous=self._previous.name)
            self._on_change(new, None)

    def _infer(self, infer: InferWindow, segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        """Run the network and check its outputs and its time. Raises NetworkError, or what the backend raises."""
        self._windows += 1
        start_s = time.perf_counter()
        window, outputs = infer(segment)
        self._spent_s += time.perf_counter() - start_s
        if not outputs.finite:
            raise NetworkError("its outputs are not finite")
        if self._spent_s > MAX_INFERENCE_S * PROBATION_WINDOWS:
            raise SlowNetworkError(f"it took {self._spent_s:.0f} s for {self._windows} windows")
        if self._windows >= PROBATION_WINDOWS:
            self._previous = None
            self._start_count()
        return window, outputs

    def _handle_failure(self, error: Exception) -> bool:
        """Return to the previous network or step down if it is time to; return whether another network is active."""
        problem = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if self._previous:
            failed, self.active, self._previous = self.active, self._previous, None
            self._start_count()
            self._reject(f"{failed.name}: {problem}")
            return True
        self._failures += 1
        if self._failures < MAX_FAILURES and not isinstance(error, SlowNetworkError):
            count = f"{self._failures} of {MAX_FAILURES}"
            log.warning("the network failed on %s, %s: %s", self.active.rung, count, problem)
            return False
        failed, self.active = self.active, step_down(self.active, self._files, problem)
        self._start_count()
        log.error("the network stepped down from %s to %s: %s", failed.rung, self.active.rung, self.active.fallback)
        self._on_change(self.active, None)
        return True

    def _start_count(self) -> None:
        """Start to count windows, failures and time; a count ends after PROBATION_WINDOWS."""
        self._windows, self._failures, self._spent_s = 0, 0, 0.0

    def _reject(self, problem: str, exc_info: bool = False) -> None:
        """Keep the active network and point the link to it again."""
        log.error("new network rejected: %s; %s continues", problem, self.active.name, exc_info=exc_info)
        audit("model rejected", reason=problem, model=self.active.name)
        if self._link and self._link.is_symlink():
            try:
                point_link(self._link, self.active.bundle.folder)
                self._last_attempt = self._fingerprint()
            except OSError as error:
                log.error(
                    "cannot reset %s (%s): the next start will load the rejected network", *(self._link, error.strerror)
                )
        self._on_change(self.active, problem)

    def _fingerprint(self) -> FileFingerprint:
        """Return a value that changes with every change of the bundle's files or the engine."""
        files = [self._link / name for name in (DESCRIPTION, MODEL, SIGNATURE)] if self._link else []
        if engine := self._files.engine:
            files += [engine, float32_path(engine)]
        return tuple(_stat(file) for file in files)


def _no_result(channels: int) -> tuple[SstWindow, TaskOutputs]:
    """Return outputs that no one uses: none of them is finite."""
    window = SstWindow(np.zeros((channels, SST_BINS, SST_COLUMNS), np.float32), np.zeros(channels, np.float32))
    ecg, anchor, cycle = (
        np.full(length, np.nan, np.float32) for length in (ECG_PIECE_SAMPLES, ANCHOR_CLASSES, CYCLE_CLASSES)
    )
    return window, TaskOutputs(ecg, anchor, cycle)


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
