"""Self-test of a loaded network: shapes, finite values, time, and agreement with the bundle's golden outputs.

The golden outputs are those of the float32 network in ONNX Runtime for the windows of `self_test_windows`. A backend
whose outputs are further from them than its precision allows is not used: TensorRT has shipped wrong half precision
(NVIDIA/TensorRT issue 4820).
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
import zipfile
from collections.abc import Sequence

import numpy as np

from edge.core.errors import InputError
from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES, SST_BINS, SST_COLUMNS
from edge.core.types import Float32, TaskOutputs
from edge.dsp.frontend.point_selection import POINTS
from edge.inference.backends.base import LoadedPredictor, Predictor
from edge.inference.bundle import GOLDEN, MODEL, Bundle, BundleError, Precision

MAX_INFERENCE_S = 0.5
"""A window arrives every second; slower inference leaves too little time for the other tasks."""

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.2}
"""Largest difference to float32, of ECG pieces about 1 high and of probabilities (see `differences_to_golden`).

Some thirty layers follow each other (30 convolutions in the shipped network), and each passes errors on about as large
as signals. fp32: sums of 3 * 160 terms in another order, 30 * sqrt(480) * 2^-23 = 8e-5. fp16: one rounding a layer,
30 * 2^-11 = 0.015. int8: 30 * 2^-8 = 0.12, and values beyond the calibrated range. The shipped network is at most
1e-6, 0.002 (every node rounded, as a GPU does) and 0.025 off in these windows; `export.verify` measures others.
"""
MAX_CONSTANT_RANGE = 1e-6
"""Probabilities that differ by less do not depend on the input: rounding alone makes such differences."""
_LENGTHS = {"ecg": ECG_PIECE_SAMPLES, "anchor": ANCHOR_CLASSES, "cycle": CYCLE_CLASSES}

log = logging.getLogger(__name__)


class NetworkError(InputError):
    """The network runs, but its outputs are unusable, or it is too slow; the message says why."""


def run_self_test(predict: LoadedPredictor, bundle: Bundle) -> None:
    """Check a loaded network's outputs with `check_outputs`, and its time. Raises NetworkError, BundleError."""
    shortest_s = check_outputs(predict, bundle)
    if shortest_s > MAX_INFERENCE_S:
        raise NetworkError(
            f"{bundle.folder / MODEL}: inference takes {shortest_s:.2f} s per window, more than {MAX_INFERENCE_S:g}; "
            "use a smaller network, or a TensorRT engine"
        )


def check_outputs(predict: LoadedPredictor, bundle: Bundle) -> float:
    """Check shapes and values of a network's outputs for the windows of `self_test_windows`.

    Returns the shortest time of a window in seconds; others may be longer because the machine was busy.
    Raises NetworkError, BundleError.
    """
    model = bundle.folder / MODEL
    times_s, outputs = [], []
    windows = self_test_windows(POINTS if predict.points == "any" else predict.points)
    for window in windows:
        start_s = time.perf_counter()
        found = predict(window[None])
        times_s.append(time.perf_counter() - start_s)
        if [_lengths(one) for one in found] != [_LENGTHS]:
            raise NetworkError(f"{model}: its outputs have the wrong shapes; export it again")
        outputs += found
    if not all(one.finite for one in outputs):
        raise NetworkError(f"{model}: its outputs are not finite; train or export it again")
    _compare_with_golden(outputs, windows, predict.precision, bundle)
    for head in ("anchor", "cycle"):
        if np.ptp([getattr(one, head) for one in outputs], axis=0).max() <= MAX_CONSTANT_RANGE:
            raise NetworkError(
                f"{model}: its output {head} is the same for silence, noise and beats; train or export it again"
            )
    return min(times_s)


def self_test_windows(points: int) -> tuple[Float32, ...]:
    """Return the windows [P, 71, 120]: silence, noise, beats at 67 per minute, and the largest values.

    Every value is computed by single operations that IEEE 754 defines, from a generator whose stream NumPy guarantees
    (NEP 19): the windows are the same on every machine.
    """
    shape = (points, SST_BINS, SST_COLUMNS)
    bits = np.random.PCG64(0).random_raw(points * SST_BINS * SST_COLUMNS) >> np.uint64(40)  # 24 bits: exact in float32
    uniform = bits.astype(np.float32).reshape(shape) / np.float32(1 << 24)
    square = uniform * uniform
    return np.zeros(shape, np.float32), square * square, _beats(points), np.ones(shape, np.float32)


def encode_golden(predict: Predictor, points: int) -> bytes:
    """Run a float32 network on the self-test's windows; return the content of `golden.npz`."""
    windows = self_test_windows(points)
    outputs = [predict(window[None])[0] for window in windows]
    content = io.BytesIO()
    ecg, anchor, cycle = (np.stack([getattr(one, head) for one in outputs]) for head in _LENGTHS)
    np.savez(content, windows=np.array(_digest(windows)), points=np.array(points), ecg=ecg, anchor=anchor, cycle=cycle)
    return content.getvalue()


def differences_to_golden(
    outputs: Sequence[TaskOutputs], golden: dict[str, Float32], precision: Precision
) -> dict[str, float]:
    """Return the largest difference of each head over the windows.

    For `ecg`, of any sample. For `anchor` and `cycle`, of the probability of any set of classes (the total variation
    distance), because one class of hundreds has little of it; it is at most about the largest difference of logits.
    """
    count = len(outputs) - (precision == "int8")  # its codes saturate in the last window, beyond the calibrated range
    stacked = {head: np.stack([getattr(one, head) for one in outputs[:count]]) for head in _LENGTHS}
    apart = {head: np.abs(values - golden[head][:count]) for head, values in stacked.items()}
    return {head: float(each.max() if head == "ecg" else each.sum(-1).max() / 2) for head, each in apart.items()}


def _compare_with_golden(
    outputs: Sequence[TaskOutputs], windows: Sequence[Float32], precision: Precision, bundle: Bundle
) -> None:
    """Raise NetworkError for outputs too far from the golden ones; log if there are none to compare with."""
    if bundle.golden is None:
        log.warning("%s: made before bundles had %s: outputs are not compared", bundle.folder, GOLDEN)
        return
    golden = _decode_golden(bundle)
    if str(golden["windows"]) != _digest(windows):
        log.warning(
            "%s: %s is for other windows (%d points): outputs are not compared; export the bundle again",
            *(bundle.folder, GOLDEN, golden["points"]),
        )
        return
    for head, difference in differences_to_golden(outputs, golden, precision).items():
        if not difference <= TOLERANCE[precision]:
            raise NetworkError(
                f"{bundle.folder / MODEL}: the output {head} in {precision} differs by {difference:.2g} from the "
                f"bundle's {GOLDEN}, more than the tolerance {TOLERANCE[precision]:g}: this backend computes wrong "
                "values; build the engine again, or use another precision or backend"
            )


def _decode_golden(bundle: Bundle) -> dict[str, Float32]:
    assert bundle.golden is not None
    try:
        with np.load(io.BytesIO(bundle.golden), allow_pickle=False) as content:
            golden = {name: content[name] for name in ("windows", "points", *_LENGTHS)}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{bundle.folder / GOLDEN}: not golden outputs ({error}); export the bundle again") from error
    if any(golden[head].shape[1:] != (length,) for head, length in _LENGTHS.items()):
        raise BundleError(f"{bundle.folder / GOLDEN}: its arrays have the wrong shapes; export the bundle again")
    return golden


def _beats(points: int) -> Float32:
    """Return a spectrogram with the two vibrations of each beat, weaker from point to point."""
    window = np.zeros((SST_BINS, SST_COLUMNS), np.float32)
    for start in range(6, SST_COLUMNS, 27):
        window += np.outer(_bump(SST_BINS, 40, 8), _bump(SST_COLUMNS, start, 3))
        window += np.outer(_bump(SST_BINS, 45, 8), _bump(SST_COLUMNS, start + 9, 3)) / np.float32(2)
    gain = np.arange(points, 0, -1, dtype=np.float32) / np.float32(points)
    return np.asarray(np.multiply.outer(gain, window), np.float32)


def _bump(length: int, middle: int, half_width: int) -> Float32:
    x = (np.arange(length, dtype=np.float32) - np.float32(middle)) / np.float32(half_width)
    height = np.maximum(np.float32(0), np.float32(1) - x * x)
    return np.asarray(height * height, np.float32)


def _digest(windows: Sequence[Float32]) -> str:
    return hashlib.sha256(b"".join(window.astype("<f4").tobytes() for window in windows)).hexdigest()


def _lengths(outputs: TaskOutputs) -> dict[str, int]:
    return {head: len(getattr(outputs, head)) for head in _LENGTHS}
