"""Computes long ECGs with the network of MMECG: features of overlapping segments, then sample by sample."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edge.core.types import Float32, Float64
from train.comparators.mmecg import CONTEXT, LAYERS, SEGMENT, Decoder, Encoder
from train.comparators.mulaw import CLASSES, compand, decode
from train.comparators.segments import high_passed, normalised, positions_m
from train.comparators.tiling import tile
from train.data.trial import Trial
from train.evaluation.long_ecg import LongEcg
from train.training.task_loop import MultiTaskNetwork

BATCH = 32
VALUES = decode(np.arange(CLASSES))
"""ECG of each class."""


class MmecgEcg(LongEcg):
    """Reconstructs the ECG of a trial; the network is moved to `device`."""

    def __init__(self, network: MultiTaskNetwork, points: int, device: torch.device) -> None:
        network.eval().to(device)
        encoder, decoder = network.encoder, network.decoders["ecg"]
        assert isinstance(encoder, Encoder)
        assert isinstance(decoder, Decoder)
        self._encoder, self._decoder, self._points, self._device = encoder, decoder, points, device

    @torch.no_grad()
    def compute_ecg(self, trial: Trial) -> Float64:
        """Return the ECG [n], in units of the QRS complex's height."""
        features = self._features(trial)
        if self._decoder.is_autoregressive:
            return generate(self._decoder, features)
        long = torch.from_numpy(features)[None].to(self._device)
        return expected(self._decoder(long, long[:, 0])[0].T.double().cpu().numpy())

    def _features(self, trial: Trial) -> Float32:
        """Return features [4, n]; every segment contributes its last samples, which have their whole context."""
        rcg, positions = high_passed(trial, self._points), positions_m(trial, self._points)
        tiles, parts = tile(rcg.shape[1], SEGMENT, before=CONTEXT), []
        for first in range(0, len(tiles), BATCH):
            some = tiles[first : first + BATCH]
            segments = np.stack([normalised(rcg[:, t.start : t.start + SEGMENT]) for t in some])
            x = torch.from_numpy(segments).to(self._device)
            places = torch.from_numpy(positions).to(self._device).expand(len(some), -1, -1)
            for own, (start, kept) in zip(self._encoder(x, places).cpu().numpy(), some, strict=True):
                parts.append(own[:, kept.start - start : kept.stop - start])
        return np.asarray(np.concatenate(parts, axis=1), np.float32)


def expected(logits: Float64) -> Float64:
    """Return the mean ECG of distributions over classes, from logits [..., 256]."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights @ VALUES / weights.sum(axis=-1))


def generate(decoder: Decoder, features: Float32) -> Float64:
    """Return the ECG [n] for features [4, n], each sample computed from the previous ones.

    Every dilated convolution keeps its last inputs, so that a sample costs one product per layer instead of a pass
    over its whole context.
    """
    first_w, first_b = _matrix(decoder.first.weight), _numpy(decoder.first.bias)
    layers = []
    for number, (dilated, narrow) in enumerate(zip(decoder.dilated, decoder.narrow, strict=True)):
        past, now = _numpy(dilated.weight).transpose(2, 0, 1)
        memory = np.zeros((2**number, len(now)), np.float32)
        layers.append((past, now, _numpy(dilated.bias), _matrix(narrow.weight), _numpy(narrow.bias), memory))
    wide_w, wide_b = _matrix(decoder.out[1].weight), _numpy(decoder.out[1].bias)
    last_w, last_b = _matrix(decoder.out[3].weight), _numpy(decoder.out[3].bias)
    assert len(layers) == LAYERS
    ecg, previous = np.zeros(features.shape[1]), 0.0
    for t, own in enumerate(features.T):
        y = first_w @ np.append(own, np.float32(previous)) + first_b
        for past, now, bias, narrow_w, narrow_b, memory in layers:
            place = t % len(memory)
            inner = past @ memory[place] + now @ y + bias
            memory[place] = y
            y = y + narrow_w @ np.maximum(inner, 0) + narrow_b
        logits = last_w @ np.maximum(wide_w @ np.maximum(y, 0) + wide_b, 0) + last_b
        ecg[t] = expected(logits.astype(np.float64))
        previous = float(compand(ecg[t : t + 1])[0])
    return ecg


def _matrix(weight: Tensor | nn.Module) -> Float32:
    return np.asarray(_numpy(weight)[..., 0])


def _numpy(values: Tensor | nn.Module | None) -> Float32:
    assert isinstance(values, Tensor)
    return np.asarray(values.detach().cpu().numpy(), np.float32)
