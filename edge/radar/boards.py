"""The radar and the capture card together: made ready, started in the order that loses nothing, watched, and stopped.

The card records first and the radar streams last, so that byte 0 is the first byte of a frame; at the end the same
backwards. The data port is to be opened in between: no sooner, or it hears what an earlier program left streaming.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from edge.chirp import ChirpConfig
from edge.errors import InputError
from edge.radar.awr1843 import Awr1843
from edge.radar.dca1000_control import Card, CardConfig, CardError, log_status
from edge.radar.dca1000_messages import DATA_LOST

WATCH_S = 0.2
SILENT_S = 3.0  # frames come every 0.1 s at least
AGAIN_S = 0.5  # after a failure, until the boards are started again; after each further failure twice as long
MOST_AGAIN_S = 60.0
STEADY_S = 30.0  # boards that ran as long as this had been started well

log = logging.getLogger(__name__)


Silence = Callable[[], float]
"""Tells for how long no data has come, s."""


@contextmanager
def boards(chirp: ChirpConfig, serial: str | None, card: CardConfig) -> Iterator[Callable[[Silence], None]]:
    """Configures both boards for `chirp` and yields what starts them, given the silence; leaving stops them.

    `serial` is the radar's command port or "auto"; without it the boards are someone else's to start and stop.
    Raises RadarError and CardError, as the start does; both boards are then stopped.
    """
    if serial is None:
        yield lambda _: log.info("no serial port of the radar is given: the boards are not driven, others start them")
        return
    with ExitStack() as opened:
        yield _Boards(chirp, serial, card, opened).start


class _Boards:
    """Both boards, configured. `opened` ends what is begun here, last things first."""

    def __init__(self, chirp: ChirpConfig, serial: str, card: CardConfig, opened: ExitStack) -> None:
        self._chirp, self._serial, self._opened = chirp, serial, opened
        self._leaving = threading.Event()
        self._data_lost = False
        self._pause_s = AGAIN_S
        self._card = opened.enter_context(Card(card, self._hear))
        self._open_radar()
        opened.callback(lambda: self._radar.close())  # the one then open
        self._configure()

    def start(self, silence_s: Silence) -> None:
        """Card, then radar; from then on both are watched."""
        self._silence_s = silence_s
        self._opened.callback(self._stop)
        self._start()
        watcher = threading.Thread(target=self._watch, name="boards", daemon=True)
        watcher.start()
        self._opened.callback(watcher.join)
        self._opened.callback(self._leaving.set)

    def _open_radar(self) -> None:
        self._radar = Awr1843(self._serial, self._chirp.image)

    def _configure(self) -> None:
        self._radar.stop()  # an earlier program may have left it streaming
        version = self._card.configure()
        log.info("the card is configured (FPGA %d.%d)", version.major, version.minor)
        self._radar.configure(self._chirp)
        log.info("the radar at %s is configured with %s", self._radar.port, self._chirp.source)

    def _start(self) -> None:
        self._card.start()
        self._data_lost = False  # what was, was of an earlier recording
        log.info("the card records")
        self._radar.start()
        self._started_s = time.monotonic()
        log.info("the radar streams")

    def _stop(self) -> None:
        """What fails to stop is said and does not keep the other from stopping."""
        for name, board in (("radar", self._radar), ("card", self._card)):
            try:
                board.stop()
            except InputError as error:
                log.error("the %s was not stopped: %s", name, error)
            else:
                log.info("the %s is stopped", name)

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
        if min(self._silence_s(), time.monotonic() - self._started_s) > SILENT_S:
            raise CardError(f"no data for {SILENT_S:g} s: check the card's power and Ethernet cable, and the firewall")

    def _start_again(self, error: Exception) -> None:
        """Until it works. A radar that only lost its USB cable streams on meanwhile: the card is left alone so long."""
        if time.monotonic() - self._started_s > STEADY_S:
            self._pause_s = AGAIN_S
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
