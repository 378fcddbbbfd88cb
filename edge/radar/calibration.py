"""Calibration of the phase and gain of a board's antenna pairs.

It is measured on a reflector: `edge.dsp.frontend.reflector_calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.core.errors import InputError


class CalibrationError(InputError):
    """The calibration cannot be used or cannot be measured. The message names the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Complex factors of the antenna pairs and the range bias.

    A pair's samples times its factor have the phase of the geometric path. Measured ranges are `range_bias_m` too long.
    `factors` are in the order of the chirp file's frames [tx, rx]; a single factor applies to all pairs. `text` is the
    content of the calibration file.
    """

    range_bias_m: float = 0.0
    factors: tuple[complex, ...] = (1 + 0j,)
    text: str = ""


UNCALIBRATED = Calibration()
