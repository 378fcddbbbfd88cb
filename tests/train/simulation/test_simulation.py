"""Tests simulated trials: reproducible, consistent with their labels, varied, and in MMECG's format."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from edge.twin.body import Body, Movement
from train.data import dataset
from train.data.readers import mmecg as mmecg_format
from train.data.trial import Trial
from train.data.workers import LocalWorkers
from train.simulate import main
from train.simulation.session import Session, draw_session
from train.simulation.simulated_set import simulate_set
from train.simulation.slow_motion import through_frames
from train.simulation.subject import draw_subject
from train.simulation.trial import WAVELENGTH_MM, simulate

SECONDS = 20
SAMPLES = SECONDS * RCG_RATE_HZ
BAND = signal.butter(2, (2, 25), "bandpass", fs=RCG_RATE_HZ, output="sos")


def session(subject: int = 1, number: int = 1, seed: int = 1, **scene) -> Session:
    drawn = draw_session(draw_subject(seed, subject), number, SECONDS)
    return replace(drawn, scene=replace(drawn.scene, **scene)) if scene else drawn


def still(subject: int = 1, **scene) -> Session:
    body = session(subject).scene.body
    return replace(session(subject, body=Body(breaths=body.breaths), **scene), slips=())


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return [simulate(session(subject), SAMPLES) for subject in range(1, 25)]


def test_a_trial_is_the_same_for_the_same_numbers_and_another_for_others():
    one, same = (simulate(session(), SAMPLES) for _ in range(2))
    np.testing.assert_array_equal(one.rcg, same.rcg)
    np.testing.assert_array_equal(one.ecg, same.ecg)
    for other in (session(2), session(1, 2), session(seed=2)):
        assert not np.allclose(simulate(other, SAMPLES).r_peaks_s[:5], one.r_peaks_s[:5])
    assert draw_subject(1, 1).mechanics == session(1, 2).subject.mechanics


def test_r_peaks_are_where_the_ecg_has_them(trials):
    for trial in trials:
        for r_s in trial.r_peaks_s[(trial.r_peaks_s > 0.5) & (trial.r_peaks_s < SECONDS - 0.5)]:
            first = round((r_s - 0.1) * RCG_RATE_HZ)
            found = first + trial.ecg[first : first + round(0.2 * RCG_RATE_HZ)].argmax()
            assert found / RCG_RATE_HZ == pytest.approx(r_s, abs=9e-3), trial.name


def test_people_differ(trials):
    assert {trial.rhythm for trial in trials} == {"sinus", "af", "ectopic"}
    assert {trial.status for trial in trials} == {"NB", "IB", "PE", "SP"}
    rates = [60 / np.diff(trial.r_peaks_s).mean() for trial in trials]
    assert np.ptp(rates) > 40
    inside = [signal.sosfiltfilt(BAND, trial.rcg, axis=1)[:, ~trial.moving] for trial in trials]
    assert np.std(np.log([x.std() for x in inside])) > 0.3


def test_a_subject_keeps_the_heart_and_changes_the_state():
    sessions = [session(3, number) for number in range(1, 9)]
    assert len({s.status for s in sessions}) > 1
    assert all(s.subject == sessions[0].subject for s in sessions)


def test_after_effort_the_heart_slows_down_and_asleep_it_is_slower():
    subject = replace(draw_subject(5, 2), rhythm="sinus")
    first_bpm, last_bpm = {}, {}
    for number in range(1, 25):
        drawn = draw_session(subject, number, SECONDS)
        for rates, from_s in ((first_bpm, 0), (last_bpm, 150)):
            rates.setdefault(drawn.status, []).append(drawn.scene.heart.rate_bpm(from_s + SECONDS, SECONDS))
    assert np.median(first_bpm["PE"]) > np.median(last_bpm["PE"]) + 10
    assert np.median(first_bpm["SP"]) < np.median(first_bpm["NB"])


@pytest.mark.slow  # draws the hearts of 120 people
def test_people_are_as_fast_and_as_irregular_as_real_ones():
    """GUDB: 75 bpm sitting and up to 167 in effort; RR vary by 6 % (10 to 90 % of the people: 4 to 10 %) at rest."""
    rates, spreads = [], []
    for number in range(1, 121):
        drawn = draw_session(replace(draw_subject(3, number), rhythm="sinus"), 1, 60)
        cycles_s = np.diff(drawn.scene.heart.beats_s(0, 60))
        if drawn.status == "PE":
            rates.append(60 / cycles_s[:5].mean())
        elif drawn.status == "NB":
            spreads.append(np.log(cycles_s).std())
    assert max(rates) <= 200  # 180, and what breathing and drift add
    assert np.quantile(rates, 0.9) > 140
    assert np.quantile(rates, 0.2) > 90
    assert 0.04 < np.median(spreads) < 0.08


def test_points_differ_in_heart_motion_and_some_are_inverted():
    shares = []
    for subject in (1, 2, 26):  # in 2 of the first 40 people some points are inverted: 26 and 29
        x = signal.sosfiltfilt(BAND, simulate(still(subject), SAMPLES).rcg, axis=1)
        main_shape = np.linalg.svd(x, full_matrices=False)[2][0]
        along = x @ main_shape
        shares.append(min((along > 0).mean(), (along < 0).mean()))
        assert np.quantile(np.abs(along), 0.9) > 1.1 * np.quantile(np.abs(along), 0.1)
    assert max(shares) > 0.02


def test_a_movement_is_labelled_when_it_is_and_shakes_every_point():
    body = replace(still().scene.body, movements=(Movement(8, 1.5, 6), Movement(14, 2, 60)))
    trial = simulate(replace(still(), scene=replace(still().scene, body=body)), SAMPLES)
    t_s = np.arange(SAMPLES) / RCG_RATE_HZ
    np.testing.assert_array_equal(trial.moving, ((t_s >= 8) & (t_s < 9.5)) | ((t_s >= 14) & (t_s < 16)))
    quiet, mild, extensive = (
        trial.rcg[:, (t_s > a) & (t_s < b)].std(axis=1) for a, b in ((2, 7.9), (8, 9.5), (14, 16))
    )
    assert (mild > quiet).all()
    assert (extensive > 2 * mild).all()


def test_a_slip_is_half_a_wavelength_of_one_point():
    clean, slipped = simulate(still(), SAMPLES), simulate(replace(still(), slips=((10.0, 0.5),)), SAMPLES)
    change = slipped.rcg - clean.rcg
    assert np.flatnonzero(np.abs(change).max(axis=1)).tolist() == [25]
    moved = np.cumsum(np.cumsum(change[25].astype(float))) / RCG_RATE_HZ**2
    assert abs(moved[11 * RCG_RATE_HZ]) == pytest.approx(WAVELENGTH_MM / 2, rel=0.01)


def test_fast_simulation_and_radar_frames_agree(mmecg):
    drawn = still(2, noise_counts=4.0)
    sensed = through_frames(drawn, mmecg, 9)
    quick = simulate(drawn, SAMPLES)
    assert sensed.t_s[0] == pytest.approx(0, abs=0.1)
    first = round(sensed.t_s[400] * RCG_RATE_HZ)
    ours = signal.sosfiltfilt(BAND, quick.rcg, axis=1)[:, first : first + 1200]
    main_ours, main_theirs = (
        np.linalg.svd(x, full_matrices=False)[2][0]
        for x in (ours, signal.sosfiltfilt(BAND, sensed.rcg_mm_s2, axis=1)[:, 400:1600])
    )
    correlations = [
        abs(np.corrcoef(main_ours[10:-10], np.roll(main_theirs, lag)[10:-10])[0, 1]) for lag in range(-8, 9)
    ]
    assert max(correlations) > 0.8
    assert abs(int(np.argmax(correlations)) - 8) <= 2  # samples


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_set_is_the_same_bytes_however_it_was_made_and_reads_back(tmp_path, request, processes):
    one = simulate_set(tmp_path / "one", 2, 1, 2, SAMPLES, workers=LocalWorkers(processes))
    request.getfixturevalue("in_process")
    assert [path.name for path in one] == ["1.mat", "2.mat", "3.mat", "4.mat"]
    part = simulate_set(tmp_path / "other", 1, 1, 2, SAMPLES)
    kept = part[0].stat().st_mtime_ns
    other = simulate_set(tmp_path / "other", 2, 1, 2, SAMPLES)
    assert other[0].stat().st_mtime_ns == kept
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [*(p.name for p in one), "dataset.toml"]

    trial, made = mmecg_format.read_trial(one[2]), simulate(session(2, 1), SAMPLES)
    assert (trial.name, trial.subject, trial.status, trial.rhythm) == ("3", "2", made.status, made.rhythm)
    for field in ("rcg", "ecg", "r_peaks_s", "points_m", "moving"):
        np.testing.assert_array_equal(getattr(trial, field), getattr(made, field))
    assert dataset.describe(tmp_path / "one" / "dataset.toml").reader == "mmecg"
    assert [trial.name for trial in mmecg_format.read(tmp_path / "one")] == ["1", "2", "3", "4"]


@pytest.mark.usefixtures("in_process")
def test_two_trainings_that_begin_at_once_share_the_set(tmp_path):
    with ThreadPoolExecutor() as pool:
        begun = [pool.submit(simulate_set, tmp_path, 2, 1, 1, SAMPLES, workers=LocalWorkers(1)) for _ in range(2)]
    one, other = (each.result() for each in begun)
    assert one == other
    assert {path.name for path in tmp_path.iterdir()} == {"dataset.toml", "1.mat", "2.mat"}


@pytest.mark.usefixtures("in_process")
def test_a_folder_with_another_set_is_not_changed(tmp_path, monkeypatch):
    simulate_set(tmp_path, 1, 1, 1, SAMPLES, workers=LocalWorkers(1))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="another set"):
        simulate_set(tmp_path, 1, 2, 1, SAMPLES, workers=LocalWorkers(1))
    monkeypatch.setattr("train.simulation.simulated_set.SIMULATION_VERSION", "others")
    with pytest.raises(InputError, match="another set"):
        simulate_set(tmp_path, 1, 1, 1, SAMPLES, workers=LocalWorkers(1))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("in_process")
def test_the_command_writes_the_set_and_a_picture(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--subjects", "1", "--seed", "4", "--trials-per-subject", "1"]) == 0
    assert (tmp_path / "trial.png").stat().st_size > 10_000
    trial = mmecg_format.read_trial(tmp_path / "1.mat")
    assert trial.rcg.shape == (50, 35_505)
    assert trial.points_m.shape == (50, 3)
    assert main(["--out", str(tmp_path), "--subjects", "1", "--seed", "5"]) == 2
    assert "another set" in capsys.readouterr().err


@pytest.mark.usefixtures("in_process")
def test_the_shortest_trial_is_drawn_and_a_shorter_one_refused(tmp_path, capsys):
    short = ["--out", str(tmp_path), "--subjects", "1", "--seed", "4", "--trials-per-subject", "1", "--seconds"]
    assert main([*short, "15"]) == 0
    assert (tmp_path / "trial.png").stat().st_size > 10_000
    with pytest.raises(SystemExit):
        main([*short, "14"])
    assert "--seconds 14: a trial has at least 15 s" in capsys.readouterr().err
