"""Logs the card's statuses, at a limited rate: a faulty card, or another sender, may send thousands a second."""

from __future__ import annotations

import logging
import time

from edge.radar.dca1000.messages import HARMLESS, status_words

REPEAT_S = 10.0

log = logging.getLogger(__name__)


class StatusLog:
    """Logs a status, and the same one again after REPEAT_S only, with the number of those left out."""

    def __init__(self) -> None:
        self._due_s: dict[int, float] = {}
        self._left_out = 0

    def __call__(self, bits: int) -> None:
        """Log a status: as information if it only reports a completed operation, else as a warning."""
        now_s = time.monotonic()
        for bit in range(16):
            if not bits >> bit & 1:
                continue
            if now_s < self._due_s.get(bit, now_s):
                self._left_out += 1
                continue
            self._due_s[bit] = now_s + REPEAT_S
            left_out, self._left_out = self._left_out, 0
            level = logging.INFO if HARMLESS >> bit & 1 else logging.WARNING
            (words,) = status_words(1 << bit)
            log.log(level, "the card reports: %s%s", words, f" ({left_out} further reports)" if left_out else "")
