"""Reads and writes a calibration file: a range bias, and a complex factor for each antenna pair.

    range_bias_m = 0.0712
    tx = [1, 2, 3]
    rx = [1, 2, 3, 4]
    factors = "0.98 -0.12  0.91 0.33  ..."

`factors` holds a pair Re Im for each TX in the order of `tx` and, within it, each RX. They are the numbers after the
range bias in TI's `compRangeBiasAndRxChanPhase` (mmWave SDK 3.5 user guide) and may be copied from it. The stock demo
uses that command for its own detections only: raw data are unchanged, and studio_cli replies Error -50.
"""

from __future__ import annotations

import cmath
from pathlib import Path
from typing import Annotated

import msgspec

from edge.core.files import read_text_file
from edge.core.toml import TomlError, parse_toml
from edge.radar.calibration import UNCALIBRATED, Calibration, CalibrationError
from edge.radar.chirp import ChirpConfig

MAX_BIAS_M = 0.3  # the board's lines and filters add a delay of centimetres

Antennas = Annotated[tuple[int, ...], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    range_bias_m: float
    tx: Antennas
    rx: Antennas
    factors: str


def load_calibration(path: Path | None, chirp: ChirpConfig) -> Calibration:
    """Read a calibration file for the antenna pairs of a chirp file; without one, return `UNCALIBRATED`.

    Raises InputError, FileNotFoundError.
    """
    if path is None:
        return UNCALIBRATED
    return parse_calibration(read_text_file(path), chirp, str(path))


def parse_calibration(text: str, chirp: ChirpConfig, source: str) -> Calibration:
    """Parse the calibration for a chirp file's antenna pairs. Raises CalibrationError."""
    try:
        file = parse_toml(text, _File)
    except TomlError as error:
        raise CalibrationError(f"{source}: {error}") from error
    if not abs(file.range_bias_m) <= MAX_BIAS_M:
        raise CalibrationError(f"{source}: range_bias_m is {file.range_bias_m}; must be within +-{MAX_BIAS_M} m")
    pairs = [(tx, rx) for tx in file.tx for rx in file.rx]
    factors = dict(zip(pairs, _factors(file, source), strict=True))
    if len(factors) < len(pairs):
        raise CalibrationError(f"{source}: tx {list(file.tx)} or rx {list(file.rx)} contains an antenna twice")
    wanted = [(tx, rx) for tx in chirp.tx_order for rx in chirp.rx]
    if missing := [pair for pair in wanted if pair not in factors]:
        raise CalibrationError(
            f"{source}: no factor for TX{missing[0][0]} to RX{missing[0][1]}, which {chirp.source} uses: "
            "calibrate with this chirp file"
        )
    return Calibration(file.range_bias_m, tuple(factors[pair] for pair in wanted), text)


def calibration_text(chirp: ChirpConfig, range_bias_m: float, factors: tuple[complex, ...], comment: str) -> str:
    """Format a calibration file from the factors of a chirp file's antenna pairs."""
    pairs = [f"{factor.real:8.5f} {factor.imag:8.5f}" for factor in factors]
    rows = ["   ".join(pairs[k : k + len(chirp.rx)]) for k in range(0, len(pairs), len(chirp.rx))]
    return "\n".join(
        [
            f"# {comment}",
            f"range_bias_m = {range_bias_m:.3f}",
            f"tx = {list(chirp.tx_order)}",
            f"rx = {list(chirp.rx)}",
            'factors = """',
            *rows,
            '"""',
            "",
        ]
    )


def _factors(file: _File, source: str) -> list[complex]:
    words, count = file.factors.split(), len(file.tx) * len(file.rx)
    if len(words) != 2 * count:
        raise CalibrationError(
            f"{source}: factors has {len(words)} numbers; must be {2 * count}, Re and Im for {len(file.tx)} TX x "
            f"{len(file.rx)} RX (the first number of TI's line is range_bias_m)"
        )
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise CalibrationError(f"{source}: factors: {error}; must be numbers separated by spaces") from error
    factors = [complex(*numbers[k : k + 2]) for k in range(0, len(numbers), 2)]
    for index, factor in enumerate(factors):
        if not cmath.isfinite(factor) or factor == 0:
            pair = f"TX{file.tx[index // len(file.rx)]} to RX{file.rx[index % len(file.rx)]}"
            raise CalibrationError(f"{source}: the factor of {pair} is {factor:g}; must be finite and not 0")
    return factors
