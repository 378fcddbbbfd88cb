"""The radar and the capture card together: made ready, started in the order that loses nothing, watched, and stopped.

The card records first and the radar streams last, so that byte 0 is the first byte of a frame; at the end the same
backwards. The data port is to be opened in between: no sooner, or it hears what an earlier program left streaming.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from edge.chirp import ChirpConfig
from edge.errors import InputError
from edge.radar.awr1843 import Awr1843, RadarError
from edge.radar.dca1000_control import Card, CardConfig

WATCH_S = 0.2
AGAIN_S = 2.0  # after a failure, until the boards are started again

log = logging.getLogger(__name__)


@contextmanager
def boards(chirp: ChirpConfig, serial: str | None, card: CardConfig) -> Iterator[Callable[[], None]]:
    """Configures both boards for `chirp` and yields what starts them; leaving stops them.

    `serial` is the radar's command port or "auto"; without it the boards are someone else's to start and stop.
    Raises RadarError and CardError, as the start does; both boards are then stopped.
    """
    if serial is None:
        yield lambda: log.info("no serial port of the radar is given: the boards are not driven, others start them")
        return
    with ExitStack() as opened:
        yield _Boards(chirp, serial, opened.enter_context(Card(card)), opened).start


class _Boards:
    """Both boards, configured. `opened` ends what is begun here, last things first."""

    def __init__(self, chirp: ChirpConfig, serial: str, card: Card, opened: ExitStack) -> None:
        self._chirp, self._serial, self._card, self._opened = chirp, serial, card, opened
        self._leaving = threading.Event()
        self._open_radar()
        opened.callback(lambda: self._radar.close())  # the one then open
        self._configure()

    def start(self) -> None:
        """Card, then radar; from then on both are watched."""
        self._opened.callback(self._stop)
        self._start()
        watcher = threading.Thread(target=self._watch, name="boards", daemon=True)
        watcher.start()
        self._opened.callback(watcher.join)
        self._opened.callback(self._leaving.set)

    def _open_radar(self) -> None:
        self._radar = Awr1843(self._serial, self._chirp.firmware)

    def _configure(self) -> None:
        self._radar.stop()  # an earlier program may have left it streaming
        version = self._card.configure()
        log.info("the card is configured (FPGA %d.%d)", version.major, version.minor)
        self._radar.configure(self._chirp)
        log.info("the radar at %s is configured with %s", self._radar.port, self._chirp.source)

    def _start(self) -> None:
        self._card.start()
        log.info("the card records")
        self._radar.start()
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

    def _watch(self) -> None:
        """Hands on what the card reports, and starts both anew when the radar rebooted or its port failed."""
        while not self._leaving.wait(WATCH_S):
            self._card.poll()
            try:
                self._radar.listen()
            except RadarError as error:
                log.error("%s", error)
                self._start_again()

    def _start_again(self) -> None:
        """Until it works. A radar that only lost its USB cable streams on meanwhile: the card is left alone so long."""
        self._radar.close()
        while not self._leaving.wait(AGAIN_S):
            try:
                self._open_radar()
                self._configure()
                self._start()
            except InputError as error:
                log.error("%s; trying again", error)
                self._radar.close()
            else:
                return
