"""`Calibration`: what makes a board's antenna pairs alike, measured on a reflector
(`edge.dsp.frontend.reflector_calibration`)."""

from __future__ import annotations

from dataclasses import dataclass

from edge.core.errors import InputError


class CalibrationError(InputError):
    """The calibration cannot be used, or not be measured; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A pair's samples times its factor have the phase of the exact path; ranges measured are `range_bias_m` too long.

    `factors` are those of one chirp file's antenna pairs, in the order of its frames [tx, rx]; a single one is that of
    all. `text` is the file they came from.
    """

    range_bias_m: float = 0.0
    factors: tuple[complex, ...] = (1 + 0j,)
    text: str = ""


UNCALIBRATED = Calibration()
