"""The long-term stage of radarODE: the reference from single cycles, and the ECG from windows of both."""

from __future__ import annotations

import numpy as np
import torch

from edge.core.spec import (
    ECG_PIECE_R_FRACTION,
    ECG_PIECE_SAMPLES,
    SST_BINS,
    SST_COLUMNS,
    SST_DEFAULT,
    SST_PAST,
    SST_WINDOW,
)
from edge.core.types import Float32, Float64
from edge.dsp.sst.transform import Sst
from train.comparators.cycles import find_cycles
from train.comparators.radarode import EDGE, WINDOW
from train.comparators.segments import high_passed, normalised
from train.comparators.tiling import tile
from train.data.trial import Trial
from train.evaluation.long_ecg import LongEcg
from train.training.task_loop import MultiTaskNetwork

BATCH = 16


class RadarOdeEcg(LongEcg):
    """Reconstructs the ECG of a trial with both networks, which are moved to `device`."""

    def __init__(
        self, generator: MultiTaskNetwork, long_term: MultiTaskNetwork, points: int, device: torch.device
    ) -> None:
        self._generator, self._long_term = generator.eval().to(device), long_term.eval().to(device)
        self._points, self._device = points, device

    @torch.no_grad()
    def compute_ecg(self, trial: Trial) -> Float64:
        """Return the ECG [n], in units of the QRS complex's height."""
        rcg = high_passed(trial, self._points)
        reference = make_reference(self._generator, rcg, self._device)
        ecg = np.zeros(rcg.shape[1])
        tiles = tile(rcg.shape[1], WINDOW, EDGE, EDGE)
        for first in range(0, len(tiles), BATCH):
            some = tiles[first : first + BATCH]
            radar = np.stack([normalised(rcg[:, t.start : t.start + WINDOW]) for t in some])
            shape = np.stack([reference[None, t.start : t.start + WINDOW] for t in some]).astype(np.float32)
            features = self._long_term.encoder(
                torch.from_numpy(radar).to(self._device), torch.from_numpy(shape).to(self._device)
            )
            for own, t in zip(self._long_term.decoders["ecg"](features).cpu().numpy(), some, strict=True):
                ecg[t.kept] = own[t.kept.start - t.start : t.kept.stop - t.start]
        return ecg


@torch.no_grad()
def make_reference(generator: MultiTaskNetwork, rcg: Float32, device: torch.device) -> Float64:
    """Return the reference [n]: the generated ECG of every cycle of high-passed RCG [P, n], stretched to its length.

    A cycle's spectrogram has its beat in the middle, or as near as the ends of the recording allow.
    """
    beats, points = find_cycles(rcg), len(rcg)
    transform, pieces = Sst(points, SST_DEFAULT), []
    last = rcg.shape[1] - SST_DEFAULT.segment
    starts = np.clip(np.rint(beats - SST_WINDOW / 2 - SST_PAST), 0, last).astype(int)
    for first in range(0, len(starts), BATCH):
        shown = np.stack(
            [
                transform(rcg[:, s : s + SST_DEFAULT.segment]).values.reshape(points, SST_BINS, SST_COLUMNS).copy()
                for s in starts[first : first + BATCH]
            ]
        )
        features = generator.encoder(torch.from_numpy(shown).to(device))
        pieces.append(generator.decoders["ecg"](features).double().cpu().numpy())
    return join_pieces(np.concatenate(pieces), beats, rcg.shape[1])


def join_pieces(pieces: Float64, beats: Float64, samples: int) -> Float64:
    """Return pieces [k, 200], each stretched to the cycle that begins at its beat, one after the other.

    A piece covers a third of its cycle before the beat and two thirds after it, so neighbours meet without a gap. The
    last cycle is as long as the one before it; 0 before the first piece and after the last one.
    """
    lengths = np.diff(beats, append=2 * beats[-1] - beats[-2] if len(beats) > 1 else beats[-1] + SST_WINDOW / 4)
    t, joined = np.arange(samples, dtype=float), np.zeros(samples)
    starts = beats - ECG_PIECE_R_FRACTION * lengths
    stops = np.append(starts[1:], starts[-1] + lengths[-1])
    places = np.arange(ECG_PIECE_SAMPLES) / ECG_PIECE_SAMPLES - ECG_PIECE_R_FRACTION
    for piece, beat, length, start, stop in zip(pieces, beats, lengths, starts, stops, strict=True):
        inside = slice(max(0, int(np.ceil(start))), max(0, min(samples, int(np.ceil(stop)))))
        joined[inside] = np.interp((t[inside] - beat) / length, places, piece)
    return joined
