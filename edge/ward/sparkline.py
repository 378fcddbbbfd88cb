"""Heart rate of one device over the last ten minutes, second by second, and as bins for drawing."""

from __future__ import annotations

from array import array

SPAN_S = 600
BIN_S = 5
BINS = SPAN_S // BIN_S
WITHHELD = 0
"""Value of a bin in which vitals came, but no valid rate."""

Bin = tuple[int, int | None]
"""Number of a bin and its rate per minute: the mean of its valid seconds, WITHHELD, or None if nothing came."""


class Sparkline:
    """Rates by second of the hub's monotonic clock. A second that comes twice or late replaces itself."""

    def __init__(self) -> None:
        self._second = array("q", [-1]) * SPAN_S
        self._rate_bpm = array("f", [WITHHELD]) * SPAN_S
        self._changed: set[int] = set()

    def put(self, second: int, rate_bpm: float | None, now: int) -> None:
        """Store the rate of a second, None if it was not valid; ignore one of the future or of too long ago."""
        if now - SPAN_S < second <= now:
            place = second % SPAN_S
            self._second[place] = second
            self._rate_bpm[place] = WITHHELD if rate_bpm is None else rate_bpm
            self._changed.add(second // BIN_S)

    def take_changes(self, now: int) -> list[Bin]:
        """Return the complete bins that have changed since the last call."""
        complete = {number for number in self._changed if number < now // BIN_S}
        self._changed -= complete
        return [(number, self._value(number)) for number in sorted(complete)]

    def bins(self, now: int) -> list[int | None]:
        """Return the values of the last BINS complete bins, oldest first."""
        end = now // BIN_S
        return [self._value(number) for number in range(end - BINS, end)]

    def _value(self, number: int) -> int | None:
        seconds = range(number * BIN_S, (number + 1) * BIN_S)
        received = [self._rate_bpm[each % SPAN_S] for each in seconds if self._second[each % SPAN_S] == each]
        valid = [rate for rate in received if rate != WITHHELD]
        if valid:
            return round(sum(valid) / len(valid))
        return WITHHELD if received else None
