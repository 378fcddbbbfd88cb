"""Table of the readers. A new reader is one module with a function `read`, and one row here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from train.data.readers import bgt60, mmecg, mscardio, own, phase80, ustc_af
from train.data.trial import Trial

READERS: dict[str, Callable[[Path], Iterator[Trial]]] = {
    "bgt60": bgt60.read,
    "mmecg": mmecg.read,
    "mscardio": mscardio.read,
    "mscardio_test": mscardio.read_test,
    "own": own.read,
    "phase80": phase80.read,
    "ustc_af": ustc_af.read,
}
"""Reader name -> function that yields the trials of a folder."""
TEST_ONLY = frozenset({"mscardio_test"})
"""Readers of people on whom networks are measured; no network is trained on them."""
ATTRIBUTIONS = {"mscardio": "MSCardio, Rahman and Taebi, doi 10.5281/zenodo.15657893, MIT licence"}
"""Name of a data set -> what the card of a network that was trained on it must state."""
