"""A network as a folder, called a bundle: `model.onnx`, `golden.npz`, their description `bundle.json`, and a README.md.

A bundle is loaded only if it is unchanged and compatible: its files are checked against their digests, and the
training's spectrograms and labels against those of this version. `export.bundle` writes bundles.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge.core.errors import InputError
from edge.core.settings import END_OF_STRING
from edge.core.spec import (
    ANCHOR_CLASSES,
    CYCLE_CLASSES,
    ECG_PIECE_SAMPLES,
    SST_BINS,
    SST_COLUMNS,
    SST_DEFAULT,
    SstSpec,
    fingerprint,
)
from edge.inference import signature
from edge.inference.onnx_file import ModelFileError, check_model

FORMAT = "radarecg.bundle/1"
MODEL = "model.onnx"
GOLDEN = "golden.npz"
"""The float32 outputs for the self-test (`edge.inference.self_test`); older bundles have none."""
DESCRIPTION = "bundle.json"
SHIPPED = Path(__file__).parents[1] / "models" / "compact"
"""The bundle shipped with radarecg."""

Precision = Literal["fp32", "fp16", "int8"]
"""Number format of the graph's expensive layers; inputs and outputs are always float32."""
Points = Annotated[int, msgspec.Meta(ge=1)] | Literal["any"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,54}$" + END_OF_STRING)]
"""With nine more characters it is the network's id in MQTT messages (edge/mqtt/fields.py)."""


class BundleError(InputError):
    """The folder is not a bundle, or the bundle is damaged or incompatible; the message names the mismatch."""


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the network's float32 inputs or outputs; an axis with a name may have any length."""

    name: str
    shape: tuple[int | str, ...]


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Origin of the weights: the data set and its subjects used for training, validation and test.

    `seed` and `settings` are the training's; `versions` are those of the programs that trained and exported; `epoch` is
    the one whose weights were exported. `before`: for each data set of an earlier training that provided the initial
    weights, its training and validation subjects.
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
    """The figures that `train.evaluate` measured, and the data set they were measured on."""

    data: str
    figures: dict[str, float | None]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of `bundle.json`.

    `spec` is the fingerprint of `sst` and of all shared constants; `points` is a fixed number or "any". `version` rises
    with every bundle that its maker signs, so that a device can refuse an earlier one.
    """

    format: str = FORMAT
    name: Name
    spec: str
    sst: SstSpec
    points: Points
    precision: Precision
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    provenance: Provenance
    metrics: Metrics | None
    sha256: dict[str, str]
    version: Annotated[int, msgspec.Meta(ge=0)] = 0


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder, its description, and the checked bytes of its files; `golden` may be missing.

    With a `public_key`, the bundle was signed with it, and its engines must be, or carry a code of the `device_key`.
    """

    folder: Path
    about: Description
    model: bytes
    description: bytes
    golden: bytes | None = None
    public_key: Path | None = field(default=None, compare=False)
    device_key: Path | None = field(default=None, compare=False)


class _Format(msgspec.Struct):
    format: str


def load_bundle(
    folder: Path, public_key: Path | None = None, device_key: Path | None = None, min_version: int = 0
) -> Bundle:
    """Read and check a bundle; with a public key, also its signature. `device_key`: as in `Bundle`.

    Raises BundleError, SignatureError, FileNotFoundError.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such bundle; python -m export.bundle makes one from a checkpoint")
    description = _read(folder / DESCRIPTION)
    if public_key:
        signature.verify_signature(description, folder / signature.SIGNATURE, public_key)
    about = _decode_description(folder / DESCRIPTION, description)
    _check_compatibility(folder / DESCRIPTION, about)
    if about.version < min_version:
        raise BundleError(
            f"{folder / DESCRIPTION}: version {about.version}, must be {min_version} or later (min_version under "
            "[network]); install a newer bundle"
        )
    if set(about.sha256) - {GOLDEN} != {MODEL}:
        raise BundleError(f"{folder / DESCRIPTION}: sha256 must list {MODEL} and {GOLDEN}; export the bundle again")
    content = {name: _read_verified(folder / name, digest) for name, digest in about.sha256.items()}
    try:
        check_model(content[MODEL])
    except ModelFileError as error:
        raise BundleError(f"{folder / MODEL}: {error}; export the bundle again") from error
    return Bundle(folder, about, content[MODEL], description, content.get(GOLDEN), public_key, device_key)


def encode_description(about: Description) -> bytes:
    """Return the content of `bundle.json`; without a version, devices of before there was one read it too."""
    content = msgspec.to_builtins(about)
    if not about.version:
        del content["version"]
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def require_newer(new: Bundle, active: Bundle) -> None:
    """Raise BundleError if a signed bundle is earlier than the active one: an earlier one may have a known weakness."""
    if new.public_key and new.about.version < active.about.version:
        raise BundleError(
            f"{new.folder / DESCRIPTION}: version {new.about.version} is earlier than the active one's, "
            f"{active.about.version}; to return to an earlier network, sign it again with a later version"
        )


def inputs(points: Points) -> tuple[Tensor, ...]:
    """Return the inputs of every network: spectrograms in 0..1, row 0 is the lowest frequency."""
    return (Tensor("spectrograms", ("batch", "points" if points == "any" else points, SST_BINS, SST_COLUMNS)),)


def outputs() -> tuple[Tensor, ...]:
    """Return the outputs of every network: the middle beat, and logits of R peak positions and of its cycle length."""
    lengths = {"ecg": ECG_PIECE_SAMPLES, "anchor": ANCHOR_CLASSES, "cycle": CYCLE_CLASSES}
    return tuple(Tensor(name, ("batch", length)) for name, length in lengths.items())


def _decode_description(path: Path, content: bytes) -> Description:
    try:
        # Check the format first: another format may have different keys.
        if (found := msgspec.json.decode(content, type=_Format).format) != FORMAT:
            raise BundleError(
                f"{path}: format {found!r} must be {FORMAT}; use the radarecg it was made for, or export it again"
            )
        return msgspec.json.decode(content, type=Description)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{path}: {error}; copy or export the bundle again") from error


def _check_compatibility(path: Path, about: Description) -> None:
    if about.spec != (ours := fingerprint(about.sst)):
        raise BundleError(
            f"{path}: trained for the spec {about.spec}, but this version has {ours}: spectrograms or labels have "
            "changed; use the radarecg it was made with, or train and export again"
        )
    if about.sst != SST_DEFAULT:
        raise BundleError(f"{path}: trained on another SST ({about.sst}) than this version computes ({SST_DEFAULT})")
    for what, found, expected in (
        ("inputs", about.inputs, inputs(about.points)),
        ("outputs", about.outputs, outputs()),
    ):
        if found != expected:
            raise BundleError(
                f"{path}: {what} are {_format(found)}, must be {_format(expected)}; export the bundle again"
            )


def _read_verified(path: Path, digest: str) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path}: sha256 differs from the one in {DESCRIPTION}; copy or export the bundle again")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot read this file of the bundle ({error.strerror}); copy or export the bundle again"
        ) from error


def _format(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{tensor.name} [{', '.join(map(str, tensor.shape))}]" for tensor in tensors)
