"""The paper's network (radarODE-MTL, section III), in the shapes its authors published: what ours is compared with."""

from __future__ import annotations

from edge.spec import ANCHOR_CLASSES, CYCLE_CLASSES
from train.model.backbone import Backbone
from train.model.decoders import Morphology, class_decoder
from train.model.network import Network


def reference(points: int = 50) -> Network:
    """38 M parameters, 6 GMAC a window of 50 points. The points are channels: their number and order are fixed."""
    return Network(
        Backbone(points),
        Morphology(),
        class_decoder(8, 4, classes=ANCHOR_CLASSES),
        class_decoder(8, 4, 2, classes=CYCLE_CLASSES),
    )
