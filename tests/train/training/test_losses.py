"""Tests the losses: minimal for correct outputs, as the device decodes them, and finite without targets."""

import numpy as np
import torch

from edge.core.spec import SST_WINDOW
from edge.core.types import TaskOutputs
from edge.ecg.stitcher import Stitcher
from train.evaluation.windows import cycle_length
from train.training.losses import anchor_loss, cycle_loss, ecg_loss, gaussians


def learnt(loss, classes: int) -> torch.Tensor:
    """The probabilities that a loss alone leads to."""
    logits = torch.zeros(1, classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(logits)
        value.backward()
        return value

    optimizer.step(closure)
    return logits.detach().softmax(-1)[0]


def outputs(anchor: torch.Tensor | None = None, cycle: torch.Tensor | None = None) -> TaskOutputs:
    anchor = torch.full((800,), 1 / 800) if anchor is None else anchor
    cycle = torch.full((260,), 1 / 260) if cycle is None else cycle
    return TaskOutputs(np.zeros(200, np.float32), anchor.numpy(), cycle.numpy())


def test_what_the_cycle_loss_teaches_is_the_length_the_device_reads():
    for length in (60.0, 61.0, 160.4, 319.0):
        p = learnt(lambda logits, c=length: cycle_loss(logits, torch.tensor([c])), 260)
        off = cycle_length(outputs(cycle=p)) - length
        assert abs(off) < (0.05 if 70 < length < 310 else 2)  # at the ends half a Gaussian is all there is


def test_what_the_anchor_loss_teaches_are_the_beats_the_device_reads():
    places = [150.0, 310.4, 470, 630.5]
    anchor = learnt(lambda logits: anchor_loss(logits, torch.tensor([places])), SST_WINDOW)
    cycle = learnt(lambda logits: cycle_loss(logits, torch.tensor([160.0])), 260)
    stitcher = Stitcher()
    read = [stitcher.push(outputs(anchor, cycle), SST_WINDOW).r_peaks, stitcher.flush().r_peaks]
    np.testing.assert_allclose(np.concatenate(read), places, atol=0.2)


def test_a_perfect_answer_costs_nothing():
    beats, length = torch.tensor([[150.0, 310.4]]), torch.tensor([160.4])
    perfect = gaussians(beats, 800).clamp(min=1e-30).log(), gaussians(length[:, None] - 60, 260).clamp(min=1e-30).log()
    torch.testing.assert_close(anchor_loss(perfect[0], beats), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(cycle_loss(perfect[1], length), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_beats_have_equal_shares_also_at_the_edge():
    p = learnt(lambda logits: anchor_loss(logits, torch.tensor([[0, 300, 799, torch.nan]])), SST_WINDOW)
    assert torch.allclose(torch.stack([p[:20].sum(), p[280:320].sum(), p[-20:].sum()]), torch.tensor(1 / 3), atol=1e-3)


def test_a_window_without_a_beat_or_an_ecg_does_not_count():
    logits, piece = torch.randn(2, 800, requires_grad=True), torch.randn(2, 200, requires_grad=True)
    beats = torch.tensor([[100, torch.nan], [torch.nan, 800.0]])
    target = torch.stack([torch.ones(200), torch.full((200,), torch.nan)])
    torch.testing.assert_close(anchor_loss(logits, beats), anchor_loss(logits[:1], beats[:1]))
    torch.testing.assert_close(ecg_loss(piece, target), ecg_loss(piece[:1], target[:1]))
    cycles = torch.tensor([160.0, torch.nan])
    torch.testing.assert_close(cycle_loss(logits[:, :260], cycles), cycle_loss(logits[:1, :260], cycles[:1]))
    nothing = (
        ecg_loss(piece[1:], target[1:]) + anchor_loss(logits[1:], beats[1:]) + cycle_loss(logits[1:, :260], cycles[1:])
    )
    assert nothing == 0
    (ecg_loss(piece, target) + anchor_loss(logits, beats) + nothing).backward()
    for gradient in (logits.grad, piece.grad):
        assert gradient.isfinite().all()
        assert gradient[0].abs().max() > 0 == gradient[1].abs().max()


def test_the_ecg_loss_is_the_rms_and_has_a_slope_everywhere():
    target = torch.randn(3, 200)
    torch.testing.assert_close(ecg_loss(target + 0.25, target), torch.tensor(0.25))
    for constant in (target, torch.zeros(3, 200)):
        piece = constant.clone().requires_grad_()
        ecg_loss(piece, constant).backward()
        assert piece.grad.isfinite().all()
