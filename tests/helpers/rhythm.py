"""A rhythm of given cycles."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from edge.core.types import Float64
from edge.twin.rhythm import FIRST_BEAT_S, Beat


@dataclass(frozen=True, slots=True)
class GivenCycles:
    """Measured cycles [n], repeated without end. Raises ValueError for cycles outside 0.2 to 5 s."""

    cycles_s: Float64

    def __post_init__(self) -> None:
        if self.cycles_s.size == 0 or not (self.cycles_s > 0.2).all() or not (self.cycles_s < 5).all():
            raise ValueError(f"cycles of {self.cycles_s} s; every one must be between 0.2 and 5 s")

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm; nothing is random."""
        now_s = FIRST_BEAT_S
        cycles_s = self.cycles_s.tolist()
        for before_s, cycle_s in itertools.cycle(zip(cycles_s[-1:] + cycles_s[:-1], cycles_s, strict=True)):
            yield Beat(now_s, before_s)
            now_s += cycle_s
