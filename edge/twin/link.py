"""The way from the card, as good or as bad as asked for."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

_BURST = 3


@dataclass(frozen=True)
class Faults:
    """How the way from the card fails: each a share of packets. The same `seed` fails the same way.

    A reordered packet comes 1 to 6 packets late; a delayed one 7 to 40 or 100, and in every other case the two after it
    are held up with it; a duplicate comes again within 6.
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    seed: int = 1


class FaultyLink:
    """Packets in, packets out: fewer, more, or in another order."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._count = 0
        self._held = 0  # so many of the next packets are held up ...
        self._until = 0  # ... and arrive at this packet count
        self._under_way: list[tuple[int, int, bytes]] = []  # by the packet count at which it arrives

    def push(self, packets: list[bytes]) -> list[bytes]:
        """The packets that arrive while these are sent."""
        arrived = []
        chance, faults = self._random.random, self._faults
        for packet in packets:
            self._count += 1
            if chance() >= faults.loss:
                self._send(packet, self._delay() or (self._few() if chance() < faults.reorder else 0))
            if chance() < faults.duplicate:
                self._send(packet, self._few())
            while self._under_way and self._under_way[0][0] <= self._count:
                arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    def _delay(self) -> int:
        """By how many packets the next one is held up, alone or in a burst."""
        if self._held:
            self._held -= 1
        elif self._random.random() < self._faults.delay:
            self._until = self._count + self._random.choice((self._random.randint(7, 40), 100))
            self._held = self._random.choice((0, _BURST - 1))
        else:
            return 0
        return self._until - self._count

    def _few(self) -> int:
        return self._random.randint(1, 6)

    def _send(self, packet: bytes, late: int) -> None:
        heapq.heappush(self._under_way, (self._count + late, self._count, packet))
