"""Tests one simulated trial against stored values: any change of the simulation requires a new SIMULATION_VERSION."""

import numpy as np

from train.simulation.session import draw_session
from train.simulation.simulated_set import SIMULATION_VERSION
from train.simulation.subject import draw_subject
from train.simulation.trial import simulate

RMS_MM_S2 = 109.867918


def test_the_first_person_of_this_version():
    trial = simulate(draw_session(draw_subject(1, 1), 1, 10), 2000)
    assert SIMULATION_VERSION == "3", "other people: write the numbers below again"
    np.testing.assert_allclose(trial.r_peaks_s[:4], [0.13125447, 0.51212249, 0.90505181, 1.29307069], atol=1e-6)
    # Sums of some thousand float64 terms, stored as float32: far below 1e-4 of the signal on any processor.
    rms = float(np.sqrt(np.mean(np.square(trial.rcg, dtype=np.float64))))
    np.testing.assert_allclose(rms, RMS_MM_S2, rtol=1e-4)
    samples = trial.rcg[[0, 20, 40], [100, 900, 1500]]
    np.testing.assert_allclose(samples, [-97.84002, -120.078606, 63.594635], atol=1e-4 * RMS_MM_S2)
    np.testing.assert_allclose(trial.ecg[[100, 900, 1500]], [0.48889095, -0.05978958, -0.01586606], atol=1e-5)
    assert trial.points_m is not None
    np.testing.assert_allclose(trial.points_m[10], [0.05651609, 0.53702964, 0.07311402], atol=1e-6)
