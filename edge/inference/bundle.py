"""A network as a folder: `model.onnx`, `bundle.json` that says all about it, and a README.md for people.

A bundle is used as it was written or not at all: every file is checked against its digest, and what the network was
trained on against this version's spectrograms and labels. `export.bundle` writes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge.core.errors import InputError
from edge.core.spec import (
    ANCHOR_CLASSES,
    CYCLE_CLASSES,
    PIECE,
    SST_BINS,
    SST_COLUMNS,
    SST_DEFAULT,
    SstSpec,
    fingerprint,
)
from edge.inference import signature

FORMAT = "radarecg.bundle/1"
MODEL = "model.onnx"
DESCRIPTION = "bundle.json"
SHIPPED = Path(__file__).parents[1] / "models" / "compact"
"""The bundle that comes with radarecg."""

Precision = Literal["fp32", "fp16", "int8"]
"""What the graph computes in, where that is the work; inputs and outputs are float32 in all of them."""
Points = Annotated[int, msgspec.Meta(ge=1)] | Literal["any"]


class BundleError(InputError):
    """A folder that is no bundle, a damaged one, or one of another spec; the message says what does not fit."""


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the network's inputs or outputs, float32; an axis with a name may have any length."""

    name: str
    shape: tuple[int | str, ...]


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the weights came from: the data set, whom of it the network learnt from, was chosen by and never saw.

    `seed` and `settings` are the training's; `versions` of the programs that trained and exported; `epoch` the one
    whose weights these are. `before`: by data set, whom the weights it began with had been learnt from or chosen by.
    """

    data: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    epoch: int
    command: str
    versions: dict[str, str]
    settings: dict[str, Any]
    before: dict[str, tuple[str, ...]] = {}


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `train.evaluate` measured, and on which recordings."""

    data: str
    figures: dict[str, float | None]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`bundle.json`. `spec` is the fingerprint of `sst` and of all shared numbers; `points` a fixed number or any."""

    format: str = FORMAT
    name: str
    spec: str
    sst: SstSpec
    points: Points
    precision: Precision
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    provenance: Provenance
    metrics: Metrics | None
    sha256: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder, what bundle.json says, and `model.onnx` and bundle.json as they were checked."""

    folder: Path
    about: Description
    model: bytes
    description: bytes


class _Format(msgspec.Struct):
    format: str


def load(folder: Path, public_key: Path | None = None) -> Bundle:
    """Reads and checks a bundle, and where a public key is named, that its owner has signed it.

    Raises BundleError, SignatureError, FileNotFoundError.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such bundle; python -m export.bundle makes one from a checkpoint")
    description = _read(folder / DESCRIPTION)
    if public_key:
        signature.check(description, folder / signature.SIGNATURE, public_key)
    about = _described(folder / DESCRIPTION, description)
    _check_meaning(folder / DESCRIPTION, about)
    if set(about.sha256) != {MODEL}:
        raise BundleError(f"{folder / DESCRIPTION}: no sha256 of {MODEL} alone; export the bundle again")
    return Bundle(folder, about, _checked(folder / MODEL, about.sha256[MODEL]), description)


def inputs(points: Points) -> tuple[Tensor, ...]:
    """What every network takes: spectrograms in 0..1, row 0 the lowest frequency."""
    return (Tensor("spectrograms", ("batch", "points" if points == "any" else points, SST_BINS, SST_COLUMNS)),)


def outputs() -> tuple[Tensor, ...]:
    """What every network gives: the middle beat, then logits of the R peaks' places and of its cycle's length."""
    lengths = {"ecg": PIECE, "anchor": ANCHOR_CLASSES, "cycle": CYCLE_CLASSES}
    return tuple(Tensor(name, ("batch", length)) for name, length in lengths.items())


def _described(path: Path, content: bytes) -> Description:
    try:
        # The format first: another one may have any other keys.
        if (found := msgspec.json.decode(content, type=_Format).format) != FORMAT:
            raise BundleError(
                f"{path}: format {found!r} is not {FORMAT}; use the radarecg it was made for, or export it again"
            )
        return msgspec.json.decode(content, type=Description)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: {error}; copy or export the bundle again") from error


def _check_meaning(path: Path, about: Description) -> None:
    if about.spec != (ours := fingerprint(about.sst)):
        raise BundleError(
            f"{path}: trained for the spec {about.spec}, this is {ours}: its spectrograms or labels meant something "
            "else; use the radarecg it was made with, or train and export again"
        )
    if about.sst != SST_DEFAULT:
        raise BundleError(f"{path}: trained on another SST ({about.sst}) than this one makes ({SST_DEFAULT})")
    for what, found, expected in (
        ("inputs", about.inputs, inputs(about.points)),
        ("outputs", about.outputs, outputs()),
    ):
        if found != expected:
            raise BundleError(f"{path}: {what} are {_shown(found)}, not {_shown(expected)}; export the bundle again")


def _checked(path: Path, digest: str) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path}: not the file its {DESCRIPTION} describes (sha256); copy or export the bundle again")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: a bundle needs this file, and it cannot be read ({error.strerror}); "
            "copy or export the bundle again"
        ) from error


def _shown(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{tensor.name} [{', '.join(map(str, tensor.shape))}]" for tensor in tensors)
