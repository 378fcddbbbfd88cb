"""Multi-task balancing strategies: each computes one weight per task from losses or gradients.

    strategy = STRATEGIES["ega"](tasks=3, temperature=1.0)

A new strategy is one file here, one row in STRATEGIES, and one in tests/train/strategies/test_strategies.py.
"""

from __future__ import annotations

from collections.abc import Callable

from train.strategies.aligned import AlignedMTL
from train.strategies.base import GradientStrategy, LossStrategy, Strategy
from train.strategies.cagrad import CAGrad
from train.strategies.conflict_free import ConFIG
from train.strategies.dbmtl import DBMTL
from train.strategies.dwa import DWA
from train.strategies.ega import EGA
from train.strategies.equal import EW
from train.strategies.fairgrad import FairGrad
from train.strategies.fixed import FixedWeights
from train.strategies.gls import GLS
from train.strategies.imtl import IMTL
from train.strategies.moco import MoCo
from train.strategies.single import STL
from train.strategies.stch import STCH
from train.strategies.upgrad import UPGrad
from train.strategies.uw import UW

__all__ = ["STRATEGIES", "GradientStrategy", "LossStrategy", "Strategy"]

# Strategy name -> class. Arguments: the number of tasks and the class's own options; `fixed` requires `values`, `stl`
# requires `task`.
STRATEGIES: dict[str, Callable[..., LossStrategy | GradientStrategy]] = {
    "stl": STL,
    "ew": EW,
    "fixed": FixedWeights,
    "uw": UW,
    "gls": GLS,
    "dwa": DWA,
    "stch": STCH,
    "cagrad": CAGrad,
    "imtl": IMTL,
    "moco": MoCo,
    "aligned": AlignedMTL,
    "ega": EGA,
    "upgrad": UPGrad,
    "fairgrad": FairGrad,
    "config": ConFIG,
    "dbmtl": DBMTL,
}
