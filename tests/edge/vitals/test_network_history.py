"""The network's outputs of the last seconds as evidence."""

import numpy as np
import pytest

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, RCG_RATE_HZ, SST_WINDOW
from edge.core.types import EcgBlock, EcgEstimate, TaskOutputs
from edge.vitals.network_history import NetworkHistory
from edge.vitals.rate_evidence import RATES_BPM

CYCLE_S = 0.8
BEATS_S = np.arange(0.3, 40, CYCLE_S)


def block(end: int, continues=True) -> EcgBlock:
    """The outputs of a window that ends before sample `end`, with a sharp anchor at each beat."""
    positions = np.round(BEATS_S * RCG_RATE_HZ).astype(int) - (end - SST_WINDOW)
    anchor = np.zeros(SST_WINDOW, np.float32)
    anchor[positions[(positions >= 0) & (positions < SST_WINDOW)]] = 1
    cycle = np.zeros(CYCLE_CLASSES, np.float32)
    cycle[round(CYCLE_S * RCG_RATE_HZ) - CYCLE_MIN] = 1
    start_s, stop_s = end / RCG_RATE_HZ - 2, end / RCG_RATE_HZ - 1
    beats = BEATS_S[(start_s <= BEATS_S) & (stop_s > BEATS_S)] * RCG_RATE_HZ
    first = round(start_s * RCG_RATE_HZ)
    estimate = EcgEstimate(first, np.zeros(200), np.ones(200, bool), beats, np.ones(len(beats)))
    outputs = TaskOutputs(np.zeros(200, np.float32), anchor / max(anchor.sum(), 1), cycle)
    return EcgBlock(0, first, estimate, continues, outputs, None, end)


def filled(seconds=12) -> NetworkHistory:
    history = NetworkHistory()
    for second in range(6, 6 + seconds):
        history.push(block(second * RCG_RATE_HZ, continues=second > 6))
    return history


def best_bpm(evidence) -> float:
    return RATES_BPM[evidence.features[0].argmax()]


def test_all_sources_have_the_rate_of_the_outputs():
    found = filled().evidence()
    assert set(found) == {"anchors", "cycle", "beats"}
    for evidence in found.values():
        assert best_bpm(evidence) == pytest.approx(60 / CYCLE_S, rel=0.011)  # half a step of the grid
    assert found["anchors"].strength > 0.9


def test_one_window_has_anchors_and_a_cycle_but_no_beats_yet():
    assert set(filled(1).evidence()) == {"anchors", "cycle"}


def test_there_is_nothing_before_the_first_window_after_a_reset_and_when_outdated():
    history = NetworkHistory()
    assert history.evidence() == {}
    history = filled()
    history.advance(2.0)
    assert history.evidence()
    history.advance(1.0)
    assert history.evidence() == {}
    history = filled()
    history.reset()
    assert history.evidence() == {}


def test_a_window_after_a_break_discards_the_earlier_ones():
    history = filled()
    history.push(block(30 * RCG_RATE_HZ, continues=False))
    assert set(history.evidence()) == {"anchors", "cycle"}
