"""Configures, starts, monitors and stops the radar and the capture card together.

Start order: card, then radar, so that byte 0 is the first byte of a frame. Stop order: radar, then card. Open the data
port after configuring and before starting: earlier, it would receive a stream that another program left running.
The card sends the rest of the stream two seconds after the radar has stopped. To receive the last frame, call
`stop_radar` and leave the context when the rest has arrived.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal, Protocol

from edge.core.errors import InputError
from edge.radar.awr1843.driver import Awr1843
from edge.radar.chirp import HARDWARE_TRIGGER, SOFTWARE_TRIGGER, ChirpConfig, ChirpConfigError
from edge.radar.dca1000.control import Card, CardConfig, CardError
from edge.radar.dca1000.messages import DATA_LOST
from edge.radar.dca1000.status_log import StatusLog

CHECK_INTERVAL_S = 0.2
NO_DATA_TIMEOUT_S = 3.0  # the frame period is at most 0.1 s
RESTART_DELAY_S = 0.5  # from a failure to the restart of the boards; doubles with each further failure
MAX_RESTART_DELAY_S = 60.0
STABLE_RUN_S = 30.0  # after a run of this length the restart delay is reset

log = logging.getLogger(__name__)


Silence = Callable[[], float]
"""Returns the time since data last arrived, s."""


class Boards(Protocol):
    """Both boards, configured and ready to start.

    `versions` are those of the radar's firmware and the card's FPGA, as far as they are known.
    """

    versions: Mapping[str, str]

    def start(self, silence_s: Silence) -> None:
        """Start both boards. Raises RadarError and CardError; both are then stopped."""

    def stop_radar(self) -> bool:
        """Stop the frames, but not the card's recording. Returns False when frames may continue."""

    def has_sent_all(self) -> bool:
        """Whether the radar was started for a fixed number of frames and enough time for them has passed."""


@contextmanager
def open_boards(chirp: ChirpConfig, serial: str | None, card: CardConfig) -> Iterator[Boards]:
    """Configure both boards for `chirp` and yield them; on exit they are stopped.

    `serial` is the radar's command port or "auto"; without it, radarecg neither starts nor stops the boards.
    Raises RadarError and CardError; both boards are then stopped.
    """
    if serial is None:
        yield _ExternalBoards()
        return
    with ExitStack() as stack:
        yield _Boards(chirp, serial, card, stack)


def require_unlimited_frames(chirp: ChirpConfig) -> None:
    """Raise ChirpConfigError when the radar would stop after a number of frames, or needs a hardware trigger."""
    if chirp.frames:
        problem = f"the radar stops after {chirp.frames} frames (numFrames); set numFrames to 0"
    elif chirp.trigger == HARDWARE_TRIGGER:
        problem = "each frame needs a hardware trigger pulse (triggerSelect 2); set triggerSelect to 1"
    else:
        return
    raise ChirpConfigError(f"{chirp.source}: frameCfg: {problem} for frames without end, or use `radarecg record`")


class _ExternalBoards:
    """Boards that another program starts and stops."""

    versions: Mapping[str, str] = {}

    def start(self, silence_s: Silence) -> None:
        log.info("no serial port is given for the radar: radarecg does not start the boards")

    def stop_radar(self) -> bool:
        return False

    def has_sent_all(self) -> bool:
        return False


class _Boards:
    """Both boards, configured. The clean-up steps are registered on `stack`, which runs them in reverse order."""

    def __init__(self, chirp: ChirpConfig, serial: str, card: CardConfig, stack: ExitStack) -> None:
        self._chirp, self._serial, self._stack = chirp, serial, stack
        self._stopping = threading.Event()
        self._monitor_thread: threading.Thread | None = None
        self._stopped_boards: set[str] = set()
        self._data_lost = False
        self._log_status = StatusLog()
        self._pause_s = RESTART_DELAY_S
        self.versions: Mapping[str, str] = {}
        self._card = stack.enter_context(Card(card, self._on_card_status))
        self._open_radar()
        stack.callback(lambda: self._radar.close())  # a restart replaces self._radar
        self._configure()

    def start(self, silence_s: Silence) -> None:
        """Start the card, then the radar, then the monitoring of both."""
        self._silence_s = silence_s
        self._stack.callback(self._stop)
        self._start()
        self._monitor_thread = threading.Thread(target=self._monitor, name="boards", daemon=True)
        self._monitor_thread.start()
        self._stack.callback(self._stop_monitoring)

    def stop_radar(self) -> bool:
        """See Boards. Monitoring ends: the boards are not restarted afterwards."""
        self._stop_monitoring()
        return self._stop_board("radar")

    def has_sent_all(self) -> bool:
        """See Boards. Always False with a hardware trigger: the time of its pulses is unknown."""
        frames_s = self._chirp.frames * self._chirp.frame_period_s
        is_software = self._chirp.trigger == SOFTWARE_TRIGGER
        return is_software and frames_s > 0 and time.monotonic() - self._started_s > frames_s

    def _stop_monitoring(self) -> None:
        self._stopping.set()
        if self._monitor_thread:
            self._monitor_thread.join()

    def _open_radar(self) -> None:
        self._radar = Awr1843(self._serial, self._chirp.image)

    def _configure(self) -> None:
        self._radar.stop()  # an earlier program may have left it streaming
        version = self._card.configure()
        log.info("the card is configured (FPGA %d.%d)", version.major, version.minor)
        self.versions = {"radar_firmware": self._chirp.image, "card_fpga": f"{version.major}.{version.minor}"}
        self._radar.configure(self._chirp)
        log.info("the radar at %s is configured with %s", self._radar.port, self._chirp.source)

    def _start(self) -> None:
        self._stopped_boards.clear()
        self._card.start()
        self._data_lost = False  # an earlier loss belongs to an earlier recording
        log.info("the card records")
        self._radar.start()
        self._started_s = time.monotonic()
        log.info("the radar streams")

    def _stop(self) -> None:
        """Stop both boards. A failure is logged and does not prevent stopping the other board."""
        for name in ("radar", "card"):
            self._stop_board(name)

    def _stop_board(self, name: Literal["radar", "card"]) -> bool:
        """Stop a board unless it is stopped already; log a failure and return False."""
        if name in self._stopped_boards:
            return True
        try:
            (self._radar if name == "radar" else self._card).stop()
        except InputError as error:
            log.error("the %s was not stopped: %s", name, error)
            return False
        log.info("the %s is stopped", name)
        self._stopped_boards.add(name)
        return True

    def _on_card_status(self, bits: int) -> None:
        """Log an asynchronous status of the card and record a data loss."""
        self._log_status(bits)
        self._data_lost |= bool(bits & DATA_LOST)

    def _monitor(self) -> None:
        """Restarts both boards when frames stop arriving or a board reports an error."""
        while not self._stopping.wait(CHECK_INTERVAL_S):
            try:
                self._check()
            except (InputError, OSError) as error:
                self._restart(error)

    def _check(self) -> None:
        """Process the card's reports. Raises RadarError and CardError when the boards must be restarted."""
        self._card.poll()
        if self._data_lost:
            self._stop()  # at once: lost bytes are not counted, so all later frames start at a wrong byte
            raise CardError("the card lost data")
        self._radar.check_for_reboot()
        expects_silence = self._chirp.trigger == HARDWARE_TRIGGER or self.has_sent_all()
        if not expects_silence and min(self._silence_s(), time.monotonic() - self._started_s) > NO_DATA_TIMEOUT_S:
            raise CardError(
                f"no data for {NO_DATA_TIMEOUT_S:g} s: check the card's power and Ethernet cable, and the firewall"
            )

    def _restart(self, error: Exception) -> None:
        """Restarts both boards, retrying until it succeeds.

        The card is not stopped before the radar's port opens: a radar that only lost its USB cable keeps streaming.
        """
        if time.monotonic() - self._started_s > STABLE_RUN_S:
            self._pause_s = RESTART_DELAY_S
        while True:
            log.error("%s; both boards are started again in %g s", error, self._pause_s)
            self._radar.close()
            if self._stopping.wait(self._pause_s):
                return
            self._pause_s = min(2 * self._pause_s, MAX_RESTART_DELAY_S)
            try:
                self._open_radar()
                self._configure()
                self._start()
            except (InputError, OSError) as restart_error:  # OSError: ports appear and disappear during USB enumeration
                error = restart_error
            else:
                return
