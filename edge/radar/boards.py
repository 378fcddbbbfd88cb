"""The radar and the capture card together: made ready, started in the order that loses nothing, watched, and stopped.

The card records first and the radar streams last, so that byte 0 is the first byte of a frame; at the end the same
backwards. The data port is to be opened in between: no sooner, or it hears what an earlier program left streaming.
Between the two stops the card sends the rest of the stream, after two seconds: whoever wants the last frame stops the
radar with `stop_radar`, and leaves when the rest has come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, Protocol

from edge.core.errors import InputError
from edge.radar.awr1843.driver import Awr1843
from edge.radar.chirp import HARDWARE_TRIGGER, SOFTWARE_TRIGGER, ChirpConfig, ChirpConfigError
from edge.radar.dca1000.control import Card, CardConfig, CardError, log_status
from edge.radar.dca1000.messages import DATA_LOST

WATCH_S = 0.2
SILENT_S = 3.0  # frames come every 0.1 s at least
RESTART_DELAY_S = 0.5  # after a failure, until the boards are started again; after each further failure twice as long
MOST_AGAIN_S = 60.0
STEADY_S = 30.0  # boards that ran as long as this had been started well

log = logging.getLogger(__name__)


Silence = Callable[[], float]
"""Tells for how long no data has come, s."""


class Boards(Protocol):
    """Both boards, made ready."""

    def start(self, silence_s: Silence) -> None:
        """Starts them, given the silence. Raises RadarError and CardError; both are then stopped."""

    def stop_radar(self) -> bool:
        """Ends the frames, but not the card's recording; False when they may go on coming."""

    def has_sent_all(self) -> bool:
        """Whether the radar was started for a number of frames, and has had the time for them."""


@contextmanager
def boards(chirp: ChirpConfig, serial: str | None, card: CardConfig) -> Iterator[Boards]:
    """Configures both boards for `chirp` and yields them; leaving stops them.

    `serial` is the radar's command port or "auto"; without it the boards are someone else's to start and stop.
    Raises RadarError and CardError; both boards are then stopped.
    """
    if serial is None:
        yield _OthersBoards()
        return
    with ExitStack() as opened:
        yield _Boards(chirp, serial, card, opened)


def require_endless(chirp: ChirpConfig) -> None:
    """Raises ChirpConfigError when the radar would stop by itself, or wait for somebody's pulses."""
    if chirp.frames:
        problem = f"the radar stops after {chirp.frames} frames (numFrames); set numFrames to 0"
    elif chirp.trigger == HARDWARE_TRIGGER:
        problem = "each frame waits for a pulse at a pin of the radar (triggerSelect 2); set triggerSelect to 1"
    else:
        return
    raise ChirpConfigError(f"{chirp.source}: frameCfg: {problem} for frames without end, or use `radarecg record`")


class _OthersBoards:
    """Boards that somebody else starts and stops."""

    def start(self, silence_s: Silence) -> None:
        log.info("no serial port of the radar is given: the boards are not driven, others start them")

    def stop_radar(self) -> bool:
        return False

    def has_sent_all(self) -> bool:
        return False


class _Boards:
    """Both boards, configured. `opened` ends what is begun here, last things first."""

    def __init__(self, chirp: ChirpConfig, serial: str, card: CardConfig, opened: ExitStack) -> None:
        self._chirp, self._serial, self._opened = chirp, serial, opened
        self._leaving = threading.Event()
        self._watcher: threading.Thread | None = None
        self._is_stopped: set[str] = set()
        self._data_lost = False
        self._pause_s = RESTART_DELAY_S
        self._card = opened.enter_context(Card(card, self._hear))
        self._open_radar()
        opened.callback(lambda: self._radar.close())  # the one then open
        self._configure()

    def start(self, silence_s: Silence) -> None:
        """Card, then radar; from then on both are watched."""
        self._silence_s = silence_s
        self._opened.callback(self._stop)
        self._start()
        self._watcher = threading.Thread(target=self._watch, name="boards", daemon=True)
        self._watcher.start()
        self._opened.callback(self._end_watch)

    def stop_radar(self) -> bool:
        """See Boards; from then on nothing is started again."""
        self._end_watch()
        return self._stop_board("radar")

    def has_sent_all(self) -> bool:
        """See Boards; a radar that waits for pulses has all the time."""
        frames_s = self._chirp.frames * self._chirp.frame_period_s
        software = self._chirp.trigger == SOFTWARE_TRIGGER
        return software and frames_s > 0 and time.monotonic() - self._started_s > frames_s

    def _end_watch(self) -> None:
        self._leaving.set()
        if self._watcher:
            self._watcher.join()

    def _open_radar(self) -> None:
        self._radar = Awr1843(self._serial, self._chirp.image)

    def _configure(self) -> None:
        self._radar.stop()  # an earlier program may have left it streaming
        version = self._card.configure()
        log.info("the card is configured (FPGA %d.%d)", version.major, version.minor)
        self._radar.configure(self._chirp)
        log.info("the radar at %s is configured with %s", self._radar.port, self._chirp.source)

    def _start(self) -> None:
        self._is_stopped.clear()
        self._card.start()
        self._data_lost = False  # what was, was of an earlier recording
        log.info("the card records")
        self._radar.start()
        self._started_s = time.monotonic()
        log.info("the radar streams")

    def _stop(self) -> None:
        """What fails to stop is said and does not keep the other from stopping."""
        for name in ("radar", "card"):
            self._stop_board(name)

    def _stop_board(self, name: Literal["radar", "card"]) -> bool:
        """Unless it is stopped already. False when it does not stop, which is said."""
        if name in self._is_stopped:
            return True
        try:
            (self._radar if name == "radar" else self._card).stop()
        except InputError as error:
            log.error("the %s was not stopped: %s", name, error)
            return False
        log.info("the %s is stopped", name)
        self._is_stopped.add(name)
        return True

    def _hear(self, bits: int) -> None:
        """A status of the card."""
        log_status(bits)
        self._data_lost |= bool(bits & DATA_LOST)

    def _watch(self) -> None:
        """Starts both anew whenever frames no longer come, or no longer are what they seem."""
        while not self._leaving.wait(WATCH_S):
            try:
                self._check()
            except (InputError, OSError) as error:
                self._start_again(error)

    def _check(self) -> None:
        """Hands on what the card reports. Raises RadarError and CardError when the boards must be started again."""
        self._card.poll()
        if self._data_lost:
            self._stop()  # at once: the bytes lost had not been counted, so every frame now begins in another's middle
            raise CardError("the card lost data")
        self._radar.listen()
        waits = self._chirp.trigger == HARDWARE_TRIGGER or self.has_sent_all()  # then silence is no fault
        if not waits and min(self._silence_s(), time.monotonic() - self._started_s) > SILENT_S:
            raise CardError(f"no data for {SILENT_S:g} s: check the card's power and Ethernet cable, and the firewall")

    def _start_again(self, error: Exception) -> None:
        """Until it works. A radar that only lost its USB cable streams on meanwhile: the card is left alone so long."""
        if time.monotonic() - self._started_s > STEADY_S:
            self._pause_s = RESTART_DELAY_S
        while True:
            log.error("%s; both boards are started again in %g s", error, self._pause_s)
            self._radar.close()
            if self._leaving.wait(self._pause_s):
                return
            self._pause_s = min(2 * self._pause_s, MOST_AGAIN_S)
            try:
                self._open_radar()
                self._configure()
                self._start()
            except (InputError, OSError) as again:  # OSError: ports come and go while USB sorts itself out
                error = again
            else:
                return
