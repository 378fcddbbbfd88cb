"""Receives the DCA1000's frames on a separate thread (`edge.radar.dca1000.receivers` has what the thread does)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator

from edge.core.types import RawFrame
from edge.radar.chirp import HARDWARE_TRIGGER, ChirpConfig
from edge.radar.dca1000.assembler import PAUSE_S, TAIL_S
from edge.radar.dca1000.receivers import open_receiver
from edge.radar.dca1000.udp import open_socket

DEFAULT_DATA_PORT = 4098
SILENCE_S = 0.1
SECOND_SENDER_S = 2.0  # how long a second sender is a fault after its last packet
FINISH_TIMEOUT_S = 2 * TAIL_S  # applies when the radar keeps streaming although it was stopped

log = logging.getLogger(__name__)


def pause_s(chirp: ChirpConfig) -> float:
    """Return the silence after which packets begin a new stream: longer than the gap between two frames."""
    if chirp.trigger == HARDWARE_TRIGGER:
        return TAIL_S  # pulses have no fixed period, but after TAIL_S the card has sent its last short packet
    return max(PAUSE_S, 2 * chirp.frame_period_s)


class DataPort:
    """Receives packets on a separate thread, so that slow processing cannot make the socket's buffer overflow.

    `pause_s` and `tail_s` as in FrameAssembler. With `senders`, packets from any other address are dropped and counted,
    because the card's protocol has no authentication; with `interface`, it receives only from that network interface.
    Raises OSError when host and port, or the interface, cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        frame_bytes: int,
        pause_s: float = PAUSE_S,
        tail_s: float = TAIL_S,
        senders: Collection[str] | None = None,
        interface: str | None = None,
    ) -> None:
        self._senders = senders
        self._has_warned = False  # that packets of other senders are dropped
        self._flush_timeout_s = max(pause_s, tail_s)
        self._open = True
        self._finish_s: float | None = None  # when `finish` was called
        self._has_ended = False  # the receiving thread, because of `_error` if there is one
        self._error: Exception | None = None
        self._socket = open_socket(host, port, interface)
        self.port: int = self._socket.getsockname()[1]
        self._receiver = open_receiver(self._socket, frame_bytes, pause_s, tail_s, senders)
        self._thread = threading.Thread(target=self._receive, name="dca1000-data", daemon=True)
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often the card restarted its byte count."""
        return self._receiver.restarts

    @property
    def foreign_packets(self) -> int:
        """Number of packets from other senders than the expected ones."""
        return self._receiver.foreign_packets

    def fault(self) -> str | None:
        """Return why the frames may not be the card's: another sender also sends data packets. None otherwise."""
        if second := self._receiver.second_sender:
            sender, at_ns = second
            if time.monotonic_ns() - at_ns < SECOND_SENDER_S * 1e9:
                return f"a second sender, {sender}, sends data packets"
        return None

    def silence_s(self) -> float:
        """Return the time since the last frame, or since the port was opened."""
        return time.monotonic() - self._receiver.last_frame_s

    def frames(self, wanted: Callable[[], int] = lambda: 1) -> Iterator[RawFrame | None]:
        """Yield frames as they arrive, and None after each SILENCE_S without one, until the port is closed.

        They may be held back, no longer than SILENCE_S, until there are `wanted()` of them.

        Raises the exception that ended the receiving thread.
        """
        while self._open:
            has_ended = self._has_ended  # before taking: then all frames are in the queue
            frames = self._receiver.take(SILENCE_S, wanted())
            for frame in frames:
                if not self._open:
                    return
                yield frame
            if frames:
                continue
            if has_ended and self._error:
                raise self._error
            if has_ended:
                self.close()
            else:
                yield None

    def finish(self) -> None:
        """End `frames()` when the rest of a stopped stream has arrived, which the card may delay for up to TAIL_S."""
        self._finish_s = time.monotonic()

    def close(self) -> None:
        """Stop receiving; safe to call twice and from a signal handler."""
        self._open = False

    def _receive(self) -> None:
        try:
            with self._socket:
                while self._open and not self._is_finished():
                    self._receiver.receive(SILENCE_S)
                    self._warn_of_foreign()
                    if self._receiver.silence_s > self._flush_timeout_s:
                        self._receiver.flush()
            self._receiver.flush()
        except Exception as error:  # passed on to the thread that reads `frames()`
            self._error = error
        finally:
            self._has_ended = True

    def _warn_of_foreign(self) -> None:
        if self._senders is None or self._has_warned or not self._receiver.foreign_packets:
            return
        self._has_warned = True
        log.warning(
            "packets from %s are dropped: the card's address is %s; if that is the card, set card_address in its "
            "settings (dca1000.toml) and name them: card under [radar]",
            *(self._receiver.foreign_sender, " or ".join(sorted(self._senders))),
        )

    def _is_finished(self) -> bool:
        """Whether the stream was stopped and is complete."""
        if self._finish_s is None:
            return False
        timeout_s = self._flush_timeout_s if self._receiver.has_incomplete_frame else SILENCE_S
        return self._receiver.silence_s > timeout_s or time.monotonic() - self._finish_s > FINISH_TIMEOUT_S
