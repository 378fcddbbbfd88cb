"""Windows of a data set, as a network is shown them: to calibrate on, to compare on."""

from __future__ import annotations

from collections.abc import Sequence

from edge.bundle import Points
from edge.dsp.points import POINTS
from edge.frames import Float32
from edge.spec import SST_DEFAULT
from train.batches import Batches
from train.data.dataset import Recording

CALIBRATION = 128
"""As many windows find int8's scales."""


def windows_of(recordings: Sequence[Recording], points: Points, count: int = CALIBRATION) -> list[Float32]:
    """At most `count` windows [1, P, 71, 120], spread over the recordings. Raises InputError where there is none."""
    batches = Batches(recordings, 1, POINTS if points == "any" else points, augment=False, seed=0, spec=SST_DEFAULT)
    return [batch.x for batch in batches.spread(count)]
