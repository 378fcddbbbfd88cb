"""How the tasks share the network: from losses and gradients to one weight a task.

    strategy = STRATEGIES["ega"](tasks=3, temperature=1.0)

A new strategy is one file here, one row in STRATEGIES, and one in tests/train/strategies/test_strategies.py.
"""

from __future__ import annotations

from collections.abc import Callable

from train.strategies.aligned import Aligned
from train.strategies.base import GradientStrategy, LossStrategy, Strategy
from train.strategies.cagrad import ConflictAverse
from train.strategies.conflict_free import ConflictFree
from train.strategies.dbmtl import DualBalancing
from train.strategies.dwa import DynamicWeightAverage
from train.strategies.ega import Eccentric
from train.strategies.equal import Equal
from train.strategies.fairgrad import Fair
from train.strategies.fixed import Fixed
from train.strategies.gls import GeometricLoss
from train.strategies.imtl import Impartial
from train.strategies.moco import MultiObjectiveCorrection
from train.strategies.single import SingleTask
from train.strategies.stch import SmoothTchebycheff
from train.strategies.upgrad import UnconflictingProjection
from train.strategies.uw import UncertaintyWeighting

__all__ = ["STRATEGIES", "GradientStrategy", "LossStrategy", "Strategy"]

# Name to what makes it, from the number of tasks and its own options; `fixed` needs `values`, `stl` needs `task`.
STRATEGIES: dict[str, Callable[..., LossStrategy | GradientStrategy]] = {
    "stl": SingleTask,
    "ew": Equal,
    "fixed": Fixed,
    "uw": UncertaintyWeighting,
    "gls": GeometricLoss,
    "dwa": DynamicWeightAverage,
    "stch": SmoothTchebycheff,
    "cagrad": ConflictAverse,
    "imtl": Impartial,
    "moco": MultiObjectiveCorrection,
    "aligned": Aligned,
    "ega": Eccentric,
    "upgrad": UnconflictingProjection,
    "fairgrad": Fair,
    "config": ConflictFree,
    "dbmtl": DualBalancing,
}
