"""The paper's network (radarODE-MTL, section III), with the authors' published shapes, for comparison."""

from __future__ import annotations

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES
from train.model.backbone import Backbone
from train.model.decoders import Morphology, class_decoder
from train.model.network import Network

POINTS = 50
"""Points are channels, so their number and order are fixed."""


def reference() -> Network:
    """Create the network: 38 M parameters, 6 GMAC per window; batches of at least 2, for its batch normalisation."""
    return Network(
        Backbone(POINTS),
        Morphology(),
        class_decoder(8, 4, classes=ANCHOR_CLASSES),
        class_decoder(8, 4, 2, classes=CYCLE_CLASSES),
    )
