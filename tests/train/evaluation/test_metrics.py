import numpy as np
import pytest

from train.evaluation.metrics import lag_adjusted_pcc, match_beats, pcc, rates_bpm, rmse


def test_rmse_and_pcc():
    x = np.sin(np.arange(1000) / 20)
    assert rmse(x + 0.1, x) == pytest.approx(0.1)
    assert pcc(2 * x + 3, x) == pytest.approx(1)
    assert pcc(-x, x) == pytest.approx(-1)
    assert pcc(np.ones(1000), x) == 0


@pytest.mark.parametrize("lag", [-20, 0, 7, 30])
def test_a_constant_lag_is_found(lag):
    rng = np.random.default_rng(1)
    x = np.convolve(rng.standard_normal(3000), np.ones(9) / 9, "same")
    found, lag_ms = lag_adjusted_pcc(np.roll(x, lag), x, np.ones(3000, bool))
    assert lag_ms == 5 * lag
    assert found > 0.99


def test_unknown_values_do_not_count():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(3000)
    ours, known = x.copy(), np.ones(3000, bool)
    ours[1000:1500], known[1000:1500] = 0, False
    assert lag_adjusted_pcc(ours, x, known) == (pytest.approx(1), 0)


def test_beats_are_matched_once_and_nearest_first():
    match = match_beats(np.array([100.0, 118, 300, 560]), np.array([110.0, 302, 500]))
    assert sorted(match.timing_ms) == [-10, 40]  # 118 is nearer to 110 than 100 is
    assert (match.missed, match.false) == (1, 2)
    assert match.mdr == pytest.approx(1 / 3)
    assert match.f1 == pytest.approx(4 / 7)


def test_without_beats_nothing_breaks():
    none = np.zeros(0)
    assert match_beats(none, none).mdr == 0
    assert match_beats(none, np.array([5.0])).mdr == 1
    assert match_beats(np.array([5.0]), none).f1 == 0


def test_rates_need_two_beats():
    rates = rates_bpm(np.array([100.0, 300, 500]), np.array([200.0, 600]), 1000)
    assert np.isnan(rates[0])
    assert rates[1] == 60
