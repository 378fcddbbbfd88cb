from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from edge.dsp.sst.transform import Sst
from train.data.dataset import DataSet, Recording, with_windows
from train.data.labels import label
from train.data.trial import Trial
from train.data.workers import LocalWorkers
from train.training.batches import POINT_COUNTS, Batches

R = 300.0 + np.cumsum(150 + 30 * np.sin(np.arange(60)))  # in samples


@pytest.fixture(scope="module")
def data():
    """A chest that shakes at its R peaks and at no other time."""
    t = np.arange(9000.0)
    shake = sum(np.exp(-0.5 * ((t - r) / 4) ** 2) * np.cos(2 * np.pi * 20 / 200 * (t - r)) for r in R)
    noise = 1e-3 * np.random.default_rng(1).standard_normal((9, len(t)))
    trial = Trial("bells", "s", (np.linspace(1, 2, 9)[:, None] * shake + noise).astype(np.float32), r_peaks_s=R / 200)
    return [Recording(trial, label(trial))]


def batches(data, size=8, points=4, augment=True):
    return Batches(data, size, points, augment, 1, SST_DEFAULT)


def test_the_same_windows_whatever_was_made_before(data):
    first = list(batches(data).draw(0, range(3)))
    later = list(batches(data).draw(0, range(2, 3)))
    assert first[2].source == later[0].source
    np.testing.assert_array_equal(first[2].x, later[0].x)
    assert any(not np.array_equal(first[2].x, other.x) for other in batches(data).draw(1, range(3)))


@pytest.mark.parametrize("augment", [False, True])
def test_the_chest_shakes_where_the_anchors_say(data, augment, monkeypatch):
    monkeypatch.setattr("train.data.augment.NOISE_SHARE", 0.0)
    monkeypatch.setattr("train.data.augment.MOVEMENT_SHARE", 0.0)
    monkeypatch.setattr("train.data.augment.UNREST_SHARE", 0.0)
    monkeypatch.setattr("train.data.augment.FRAME_RATE_SHARE", 0.0)
    for batch in batches(data, augment=augment).draw(0, range(4)):
        for x, anchors, cycle in zip(batch.x, batch.anchors, batch.cycle, strict=True):
            loud = x.mean(axis=(0, 1))
            at = anchors[np.isfinite(anchors)]
            assert len(at) >= 3
            for sample in at:
                column = sample * 30 / 200
                if 5 < column < 115:
                    near = slice(int(column) - 4, int(column) + 6)
                    assert abs(np.average(np.arange(120)[near], weights=loud[near] ** 2) - column) < 1.0
            middle = at[np.abs(at - 400).argmin()]
            following = at[at > middle]
            if len(following):
                assert abs(following[0] - middle - cycle) < 0.01


def test_few_points_are_drawn_again(data):
    batch = next(batches(data, points=16).draw(0, range(1)))
    assert batch.x.shape == (8, 16, 71, 120)
    assert np.isnan(batch.piece).all()  # there is no ECG here


def test_every_batch_has_a_number_of_points_of_its_own(data):
    varied = Batches(data, 2, 4, True, 1, SST_DEFAULT, vary_points=True)
    made = list(varied.draw(0, range(12)))
    counts = [batch.x.shape[1] for batch in made]
    assert set(counts) <= set(POINT_COUNTS)
    assert len(set(counts)) > 3
    np.testing.assert_array_equal(next(varied.draw(0, range(7, 8))).x, made[7].x)


def test_a_share_of_the_windows_is_from_the_further_recordings(data):
    other = replace(data[0], trial=replace(data[0].trial, name="others"))
    mixed = Batches(data, 50, 1, False, 1, SST_DEFAULT, more=[other], share=0.25)
    sources = [source for batch in mixed.draw(0, range(4)) for source in batch.source]
    # 200 draws with a probability of a quarter: a standard deviation of 6.
    assert sum(source.startswith("others") for source in sources) == pytest.approx(50, abs=20)


def test_windows_are_spread_over_all_of_them(data):
    made = list(batches(data, augment=False).sample_evenly(20))
    assert sum(len(batch.source) for batch in made) == 20
    assert len({source for batch in made for source in batch.source}) == 20


@pytest.mark.usefixtures("in_process")
def test_windows_on_the_disk_are_the_same(data, tmp_path):
    cached = with_windows(DataSet("bells", tuple(data), ()), tmp_path, workers=LocalWorkers(1)).recordings
    for ours, theirs in zip(
        batches(data, augment=False).sample_evenly(8), batches(cached, augment=False).sample_evenly(8), strict=True
    ):
        assert ours.source == theirs.source
        assert np.abs(ours.x - theirs.x).mean() < 1e-4  # kept in 16 bits


def assert_same(ours, theirs):
    assert ours.source == theirs.source
    for name in ("x", "piece", "anchors", "cycle"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_another_process_makes_the_same_windows(data):
    made = Batches(data, 4, 4, True, 1, SST_DEFAULT, processes=1)
    for ours, theirs in zip(made.draw(0, range(2)), batches(data, size=4).draw(0, range(2)), strict=True):
        assert_same(ours, theirs)


@pytest.mark.usefixtures("in_process")
def test_a_worker_that_was_killed_is_reported(data, monkeypatch):
    def killed(*_):
        raise BrokenProcessPool

    monkeypatch.setattr("train.training.batches.make_windows", killed)
    with pytest.raises(InputError, match="was killed; check the free memory"):
        next(Batches(data, 4, 4, True, 1, SST_DEFAULT, processes=1).draw(0, range(1)))


def test_whole_batches_are_transformed_on_the_gpu(data, monkeypatch):
    """The GPU's place is taken by the CPU's transform; tests/edge/gpu compares both."""
    made: list[int] = []

    def on_gpu(channels, spec):
        made.append(channels)
        return Sst(channels, spec)

    monkeypatch.setattr("train.training.batches.CudaSst", on_gpu)
    gpu = Batches(data, 8, 4, True, 1, SST_DEFAULT, on_gpu=True)
    for ours, theirs in zip(gpu.draw(0, range(3)), batches(data).draw(0, range(3)), strict=True):
        assert_same(ours, theirs)
    assert made == [8 * 4]
    assert [len(batch.source) for batch in gpu.sample_evenly(10)] == [8, 2]
    assert made == [8 * 4, 2 * 4]


def test_no_window_is_an_error(data):
    none = replace(data[0], labels=replace(data[0].labels, window=data[0].labels.window[:0]))
    with pytest.raises(InputError, match="no usable window"):
        batches([none])
