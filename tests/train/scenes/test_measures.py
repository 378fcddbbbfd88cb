"""Tests losses and measures of scenes against values computed by hand."""

import math

import pytest
import torch

from train.scenes.measures import Measures, scene_losses
from train.scenes.scene import CLASSES, SceneBatch


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
