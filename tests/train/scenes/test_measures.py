"""Tests losses and measures of scenes against values computed by hand, and Delta_m against the paper's Table II."""

import math

import pytest
import torch

from train.scenes.measures import TASKS, Measures, delta_m, scene_losses
from train.scenes.scene import CLASSES, SceneBatch

NAMES = [name for measures in TASKS.values() for name in measures]
# The paper's Table II, with its Delta_m.
BASELINE = (52.08, 74.11, 0.4147, 0.1751, 23.83, 17.36, 34.34, 60.22, 71.47)
TABLE_TWO = {
    "ew": ((53.36, 74.94, 0.3953, 0.1672, 24.35, 17.55, 34.22, 59.64, 70.71), 1.74),
    "uw": ((53.33, 75.43, 0.3878, 0.1639, 24.03, 17.24, 34.80, 60.33, 71.31), 2.92),
    "gls": ((53.04, 74.68, 0.3951, 0.1600, 24.03, 17.30, 34.78, 60.17, 71.28), 2.69),
    "dwa": ((53.12, 75.23, 0.3883, 0.1615, 24.26, 17.60, 34.25, 59.51, 70.62), 2.55),
    "stch": ((52.87, 74.78, 0.3915, 0.1615, 23.27, 16.34, 36.61, 62.33, 72.98), 4.00),
    "cagrad": ((52.19, 74.07, 0.3976, 0.1634, 23.83, 17.16, 34.89, 60.65, 71.77), 2.09),
    "imtl": ((52.34, 74.35, 0.3897, 0.1579, 23.76, 17.00, 35.28, 60.92, 71.89), 3.24),
    "moco": ((52.78, 74.59, 0.3858, 0.1612, 23.34, 16.51, 36.21, 61.90, 72.65), 3.94),
    "aligned": ((52.19, 74.17, 0.3911, 0.1605, 23.44, 16.73, 35.45, 61.74, 72.70), 3.23),
    "ega-0.1": ((52.16, 74.23, 0.3944, 0.1651, 23.32, 16.62, 35.87, 61.81, 72.72), 2.84),
    "ega-0.5": ((51.82, 73.98, 0.3904, 0.1614, 23.41, 16.66, 35.87, 61.65, 72.51), 3.11),
    "ega-1": ((51.75, 74.38, 0.3913, 0.1609, 23.09, 16.29, 36.54, 62.51, 73.22), 3.71),
    "ega-1.5": ((52.37, 74.65, 0.3950, 0.1571, 23.15, 16.46, 36.07, 62.22, 73.07), 3.96),
    "ega-2": ((52.18, 74.23, 0.3922, 0.1605, 23.28, 16.61, 35.77, 61.95, 72.86), 3.40),
}


@pytest.mark.parametrize("row", TABLE_TWO)
def test_delta_m_is_the_papers(row):
    figures, published = TABLE_TWO[row]
    found = delta_m(dict(zip(NAMES, figures, strict=True)), dict(zip(NAMES, BASELINE, strict=True)))
    assert found == pytest.approx(published, abs=0.02)  # of figures with two digits


def one_scene():
    """Two by two pixels: classes 0, 0, 1 and none; depths 1, 2, 4 and none; normals z, z, x and none."""
    label = torch.tensor([[[0, 0], [1, -1]]])
    depth = torch.tensor([[[[1.0, 2], [4, 0]]]])
    normal = torch.zeros(1, 3, 2, 2)
    normal[0, 2, 0] = 1
    normal[0, 0, 1, 0] = 1
    return SceneBatch(torch.zeros(1, 3, 2, 2), label, depth, normal)


def outputs(batch):
    logits = torch.full((1, len(CLASSES), 2, 2), -50.0)
    for (row, column), kind in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 5}.items():
        logits[0, kind, row, column] = 50
    angle = math.radians(20)
    normal = 7 * batch.normal.clone()  # any length
    normal[0, :, 0, 1] = torch.tensor([math.sin(angle), 0, math.cos(angle)])
    return {"segmentation": logits, "depth": torch.tensor([[[[1.5, 2], [3, 9]]]]), "normal": normal}


def test_measures_by_hand():
    batch, measures = one_scene(), Measures()
    measures.add(outputs(batch), batch)
    found = measures.figures()
    assert found["miou"] == pytest.approx((1 / 2 + 1 / 2) / 2)  # of the two classes that occur in known pixels
    assert found["pixel_accuracy"] == pytest.approx(2 / 3)
    assert found["absolute_error"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert found["relative_error"] == pytest.approx((0.5 + 0 + 0.25) / 3)
    assert found["mean_deg"] == pytest.approx(20 / 3, abs=0.05)  # acos loses half the digits of float32 near 1
    assert found["median_deg"] == pytest.approx(0, abs=0.05)
    assert [found[f"within_{limit}"] for limit in ("11.25", "22.5", "30")] == pytest.approx([2 / 3, 1, 1])


def test_losses_by_hand():
    batch = one_scene()
    found = scene_losses(outputs(batch), batch)
    assert found["segmentation"] == pytest.approx(100 / 3)  # one of three wrong by 100 in the logits
    assert found["depth"] == pytest.approx(0.5)
    assert found["normal"] == pytest.approx((1 - math.cos(math.radians(20))) / 3, rel=1e-5)


def test_a_scene_without_labels_has_no_loss_and_a_finite_gradient():
    batch = one_scene()
    empty = SceneBatch(batch.image, torch.full_like(batch.label, -1), batch.depth * 0, batch.normal * 0)
    predicted = {task: values.requires_grad_() for task, values in outputs(batch).items()}
    losses = scene_losses(predicted, empty)
    assert [loss.item() for loss in losses.values()] == [0, 0, 0]
    for gradient in torch.autograd.grad(sum(losses.values()), list(predicted.values())):
        assert (gradient == 0).all()
