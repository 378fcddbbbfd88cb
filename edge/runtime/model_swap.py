"""Replaces the network while the device runs: the new one is loaded and self-tested, then observed for a minute.

`[network] bundle` names a link, `models/current`, to one of several folders. `switch_model` points it to another one; a
running device detects the change within seconds. A network that cannot be loaded, returns values that are not finite or
takes too long is rejected: the previous one continues, and the link points to it again, so that the next start finds
a network that works.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.core.errors import InputError
from edge.core.settings import ConfigError, resolve_file
from edge.core.types import Float32, SstWindow, TaskOutputs
from edge.ecg.reconstructor import InferWindow
from edge.inference.bundle import DESCRIPTION, MODEL
from edge.inference.loader import MAX_INFERENCE_S, Network, NetworkError, load_network
from edge.inference.settings import load_configured_network
from edge.inference.signature import SIGNATURE
from edge.runtime.config import Config, load_config

POLL_INTERVAL_S = 1.0
PROBATION_WINDOWS = 60  # one window per second
CLOSE_TIMEOUT_S = 2.0

ModelChangeCallback = Callable[[Network, str | None], None]
"""Receives the active network and, if another network was rejected, the reason."""
FileFingerprint = tuple[tuple[int, int, int] | None, ...]

log = logging.getLogger(__name__)


def switch_model(folder: Path, path: Path) -> str:
    """Switches the settings at `path`, and a runtime that uses them, to the bundle in `folder`.

    Loads and tests the bundle first; returns a description of the change. Raises InputError, OSError.
    """
    config = load_config(path)
    wanted = config.network
    if wanted.bundle is None or wanted.backend == "none":
        raise ConfigError(f'{path}: network.bundle must name a link, for example bundle = "models/current"')
    link = path.parent / wanted.bundle
    if link.exists() and not link.is_symlink():
        raise ConfigError(f"{link} is not a link; rename the folder, and set network.bundle to a link to it")
    engine = None
    if wanted.engine is not None:
        engine = path.parent / wanted.engine
        if not engine.is_relative_to(link):
            raise ConfigError(f"{path}: network.engine must be in {wanted.bundle}, so that both change together")
        engine = folder / engine.relative_to(link)
    network = load_network(folder, wanted.backend, engine, wanted.threads, resolve_file(path, wanted.public_key))
    before = link.resolve() if link.is_symlink() else None
    _point(link, network.folder)
    return f"{link} -> {network.folder}: {network.name}" + (f"; previously {before}" if before else "")


class SwappableNetwork:
    """The network of the settings at `path`, replaceable at run time; `now` is the active one.

    Raises what `load_configured_network` raises.
    """

    def __init__(self, config: Config, path: Path) -> None:
        self._config, self._path = config, path
        self._link = resolve_file(path, config.network.bundle)
        self._last_attempt = self._fingerprint()
        self.active = self._load()
        self._previous: Network | None = None  # set while the new network is on probation
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="model", daemon=True)

    def begin(self, channels: int) -> InferWindow:
        """Start SST and active network for a new, continuous RCG stream of `channels` channels.

        If a new network fails, the previous one processes the window.
        """
        started: Network | None = None
        infer: InferWindow

        def active() -> InferWindow:
            """Return the active network, restarted after a change: the SST continues from its previous window."""
            nonlocal started, infer
            if started is not self.active:
                started, infer = self.active, self.active.begin(channels)
            return infer

        def infer_window(segment: Float32) -> tuple[SstWindow, TaskOutputs]:
            with self._lock:
                if self._previous is None:
                    return active()(segment)
                try:
                    return self._infer_on_probation(active(), segment)
                except InputError as error:
                    failed, self.active, self._previous = self.active, self._previous, None
                    self._reject(f"{failed.name}: {error}")
                    return active()(segment)

        return infer_window

    def watch(self, on_change: ModelChangeCallback) -> None:
        """Start to watch for another bundle behind the link; call `on_change` for each change, from any thread."""
        self._on_change = on_change
        if self._link:
            self._watcher.start()

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
            new = self._load()
        except Exception as error:  # no failure of a new network may stop the active one
            with self._lock:
                self._reject(str(error), exc_info=not isinstance(error, InputError | OSError))
            return
        with self._lock:
            self._previous, self.active = self._previous or self.active, new
            self._windows, self._spent_s = 0, 0.0
            log.info("switched to network %s, previously %s", new.name, self._previous.name)
            self._on_change(new, None)

    def _infer_on_probation(self, infer: InferWindow, segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        """Run the new network and check its outputs and its time. Raises InputError if it fails."""
        start_s = time.perf_counter()
        window, outputs = infer(segment)
        self._spent_s += time.perf_counter() - start_s
        self._windows += 1
        if not outputs.finite:
            raise NetworkError("its outputs are not finite")
        if self._spent_s > MAX_INFERENCE_S * PROBATION_WINDOWS:
            raise NetworkError(f"it took {self._spent_s:.0f} s for {self._windows} windows")
        if self._windows == PROBATION_WINDOWS:
            self._previous = None
        return window, outputs

    def _reject(self, problem: str, exc_info: bool = False) -> None:
        """Keep the active network and point the link to it again."""
        log.error("new network rejected: %s; %s continues", problem, self.active.name, exc_info=exc_info)
        if self._link and self._link.is_symlink():
            try:
                _point(self._link, self.active.folder)
                self._last_attempt = self._fingerprint()
            except OSError as error:
                log.error(
                    "cannot reset %s (%s): the next start will load the rejected network", *(self._link, error.strerror)
                )
        self._on_change(self.active, problem)

    def _load(self) -> Network:
        network = load_configured_network(self._config.network, self._path)
        assert network  # a SwappableNetwork is created only for a backend other than "none"
        return network

    def _fingerprint(self) -> FileFingerprint:
        """Return a value that changes with every change of the bundle's files or the engine."""
        files = [self._link / name for name in (DESCRIPTION, MODEL, SIGNATURE)] if self._link else []
        if self._config.network.engine is not None:
            files.append(self._path.parent / self._config.network.engine)
        return tuple(_stat(file) for file in files)


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _point(link: Path, folder: Path) -> None:
    """Create or replace `link` atomically. Raises OSError."""
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f"{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(os.path.relpath(folder, link.parent.resolve()))
    part.replace(link)
