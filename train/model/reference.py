"""The paper's network (radarODE-MTL, section III), in the shapes its authors published: what ours is compared with."""

from __future__ import annotations

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES
from train.model.backbone import Backbone
from train.model.decoders import Morphology, class_decoder
from train.model.network import Network

POINTS = 50
"""They are channels, so their number and order are fixed."""


def reference() -> Network:
    """38 M parameters, 6 GMAC a window. In training a batch holds two windows or more: its dense layers normalise."""
    return Network(
        Backbone(POINTS),
        Morphology(),
        class_decoder(8, 4, classes=ANCHOR_CLASSES),
        class_decoder(8, 4, 2, classes=CYCLE_CLASSES),
    )
