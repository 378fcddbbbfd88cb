"""The paper's network (radarODE-MTL, section III), with the authors' published layers, for comparison.

Checkpoints of `reference` with 38.14 M parameters have decoders of an earlier definition and are refused on loading.
"""

from __future__ import annotations

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES
from train.model.backbone import Backbone
from train.model.decoders import Morphology, class_decoder
from train.model.network import Network

POINTS = 50
"""Points are channels, so their number and order are fixed."""


def reference() -> Network:
    """Create the network: 39 M parameters, 6 GMAC per window; batches of at least 2, for its batch normalisation."""
    return Network(
        Backbone(POINTS),
        Morphology(),
        class_decoder(ANCHOR_CLASSES),
        class_decoder(CYCLE_CLASSES),
    )
