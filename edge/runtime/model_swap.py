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
from edge.core.types import Float32, SstWindow, TaskOutputs
from edge.ecg.reconstructor import InferWindow
from edge.inference.bundle import DESCRIPTION, MODEL
from edge.inference.loader import MAX_INFERENCE_S, Network, NetworkError, load_network
from edge.inference.signature import SIGNATURE
from edge.runtime.config import Config, ConfigError, load_config, network_of

POLL_INTERVAL_S = 1.0
PROBATION = 60  # windows, one a second
CLOSING_S = 2.0

ModelChangeCallback = Callable[[Network, str | None], None]
"""Hears which network is at work and, when another one was refused, why."""
FileFingerprint = tuple[tuple[int, int, int] | None, ...]

log = logging.getLogger(__name__)


def switch_model(folder: Path, path: Path) -> str:
    """Has the settings at `path`, and who runs with them, use the bundle in `folder`; returns what was done, in words.

    The bundle is tried first. Raises InputError, OSError.
    """
    config = load_config(path)
    wanted = config.network
    if wanted.bundle is None or wanted.backend == "none":
        raise ConfigError(f'{path}: network.bundle names no link to change; set it, as in bundle = "models/current"')
    link = path.parent / wanted.bundle
    if link.exists() and not link.is_symlink():
        raise ConfigError(f"{link} is no link; move the folder beside it, and name a link to it as network.bundle")
    engine = None
    if wanted.engine is not None:
        engine = path.parent / wanted.engine
        if not engine.is_relative_to(link):
            raise ConfigError(f"{path}: network.engine must lie in {wanted.bundle}, so that both change together")
        engine = folder / engine.relative_to(link)
    public_key = path.parent / wanted.public_key if wanted.public_key is not None else None
    network = load_network(folder, wanted.backend, engine, wanted.threads, public_key)
    before = link.resolve() if link.is_symlink() else None
    _point(link, network.folder)
    return f"{link} -> {network.folder}: {network.name}" + (f"; it was {before}" if before else "")


class ChangingNetwork:
    """The network of the settings at `path`; `now` is the one at work. Raises what `network_of` raises."""

    def __init__(self, config: Config, path: Path) -> None:
        self._config, self._path = config, path
        named = config.network.bundle
        self._link = path.parent / named if named is not None else None
        self._last_attempt = self._fingerprint()
        self.now = self._load()
        self._before: Network | None = None  # while the new one is on probation
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="model", daemon=True)

    def begin(self, channels: int) -> InferWindow:
        """SST and network, whichever is at work, for a new stretch of RCG of so many channels.

        If a new one fails, the one before answers.
        """
        asked: Network | None = None
        ask: InferWindow

        def at_work() -> InferWindow:
            """Begun anew with every other network: an SST goes on from the window before."""
            nonlocal asked, ask
            if asked is not self.now:
                asked, ask = self.now, self.now.begin(channels)
            return ask

        def read(segment: Float32) -> tuple[SstWindow, TaskOutputs]:
            with self._lock:
                if self._before is None:
                    return at_work()(segment)
                try:
                    return self._on_probation(at_work(), segment)
                except InputError as error:
                    failed, self.now, self._before = self.now, self._before, None
                    self._refuse(f"{failed.name}: {error}")
                    return at_work()(segment)

        return read

    def watch(self, tell: ModelChangeCallback) -> None:
        """From now on another bundle in that place is taken; `tell` hears of it, from any thread."""
        self._on_change = tell
        if self._link:
            self._watcher.start()

    def close(self) -> None:
        """No more watching; waits briefly for one that is being tried."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join(CLOSING_S)

    def _watch(self) -> None:
        seen = self._last_attempt
        while not self._closing.wait(POLL_INTERVAL_S):
            found = self._fingerprint()
            if found == seen != self._last_attempt:  # another one, and nobody is still copying it
                self._last_attempt = found
                self._load_candidate()
            seen = found

    def _load_candidate(self) -> None:
        try:
            new = self._load()
        except Exception as error:  # whatever it is, the one at work goes on
            with self._lock:
                self._refuse(str(error), exc_info=not isinstance(error, InputError | OSError))
            return
        with self._lock:
            self._before, self.now = self._before or self.now, new
            self._windows, self._spent_s = 0, 0.0
            log.info("the network is %s from now on, before it was %s", new.name, self._before.name)
            self._on_change(new, None)

    def _on_probation(self, read: InferWindow, segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        """What the new one says. Raises InputError: what is wrong with it."""
        start_s = time.perf_counter()
        window, said = read(segment)
        self._spent_s += time.perf_counter() - start_s
        self._windows += 1
        if not said.finite:
            raise NetworkError("what it says is not finite")
        if self._spent_s > MAX_INFERENCE_S * PROBATION:
            raise NetworkError(f"it took {self._spent_s:.0f} s for {self._windows} windows")
        if self._windows == PROBATION:
            self._before = None
        return window, said

    def _refuse(self, problem: str, exc_info: bool = False) -> None:
        """The one at work stays; the link is pointed to it again."""
        log.error("the new network is not used: %s; %s goes on", problem, self.now.name, exc_info=exc_info)
        if self._link and self._link.is_symlink():
            try:
                _point(self._link, self.now.folder)
                self._last_attempt = self._fingerprint()
            except OSError as error:
                log.error("%s still names it, and will at the next start (%s)", self._link, error.strerror)
        self._on_change(self.now, problem)

    def _load(self) -> Network:
        network = network_of(self._config, self._path)
        assert network  # else nobody makes one of these
        return network

    def _fingerprint(self) -> FileFingerprint:
        """Changes with every change of the bundle's files, and of the engine."""
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
    """Makes `link`, or changes it in one step: nobody ever finds it missing. Raises OSError."""
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f"{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(os.path.relpath(folder, link.parent.resolve()))
    part.replace(link)
