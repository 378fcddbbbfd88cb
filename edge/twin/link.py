"""Simulates the network between card and host, with configurable faults."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

_BURST = 3


@dataclass(frozen=True)
class Faults:
    """Faults of the network, each as a fraction of packets. The same `seed` gives the same faults.

    A reordered packet arrives 1 to 6 packets late; a delayed one 7 to 40 or 100, in half of the cases together with the
    two packets after it; a duplicate arrives within 6 packets.
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    seed: int = 1


class FaultyLink:
    """Drops, duplicates, reorders and delays packets."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._count = 0
        self._held = 0  # number of the next packets that are delayed
        self._until = 0  # the packet count at which they arrive
        self._in_flight: list[tuple[int, int, bytes]] = []  # heap, by the packet count of the arrival

    def push(self, packets: list[bytes]) -> list[bytes]:
        """Send packets and return those that arrive meanwhile."""
        arrived = []
        chance, faults = self._random.random, self._faults
        for packet in packets:
            self._count += 1
            if chance() >= faults.loss:
                self._send(packet, self._draw_delay() or (self._draw_short_delay() if chance() < faults.reorder else 0))
            if chance() < faults.duplicate:
                self._send(packet, self._draw_short_delay())
            while self._in_flight and self._in_flight[0][0] <= self._count:
                arrived.append(heapq.heappop(self._in_flight)[2])
        return arrived

    def _draw_delay(self) -> int:
        """Return by how many packets the next one is delayed, alone or in a burst."""
        if self._held:
            self._held -= 1
        elif self._random.random() < self._faults.delay:
            self._until = self._count + self._random.choice((self._random.randint(7, 40), 100))
            self._held = self._random.choice((0, _BURST - 1))
        else:
            return 0
        return self._until - self._count

    def _draw_short_delay(self) -> int:
        return self._random.randint(1, 6)

    def _send(self, packet: bytes, late: int) -> None:
        heapq.heappush(self._in_flight, (self._count + late, self._count, packet))
