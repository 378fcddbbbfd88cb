"""Receives frames from a DCA1000 (or its digital twin) over the network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.data_port import DataPort, pause_s
from edge.radar.iq import IqOrder, decode_frame


class LiveSource:
    """Source of the frames that arrive at the card's data port; `senders` and `interface` as in DataPort.

    Raises OSError when the port or the interface cannot be bound.
    """

    def __init__(
        self,
        chirp: ChirpConfig,
        iq_order: IqOrder,
        host: str,
        port: int,
        senders: Collection[str] | None = None,
        interface: str | None = None,
    ) -> None:
        self.chirp = chirp
        self._iq_order = iq_order
        self._port = DataPort(host, port, chirp.frame_bytes, pause_s(chirp), 0.0, senders, interface)
        self.wanted: Callable[[], int] = lambda: 1
        """Returns how many frames the receiver's next step needs; they may be held back until then, up to 0.1 s."""
        self.port, self.silence_s, self.fault = self._port.port, self._port.silence_s, self._port.fault

    def foreign_packets(self) -> int:
        """Return the number of packets from other senders, which were dropped."""
        return self._port.foreign_packets

    def frames(self) -> Iterator[RadarFrame | None]:
        """Yield frames as they arrive, and None after each 0.1 s without one."""
        for raw in self._port.frames(lambda: self.wanted()):
            yield decode_frame(raw, self.chirp, self._iq_order) if raw else None

    def close(self) -> None:
        """Stop receiving."""
        self._port.close()
