"""Loads a bundle's weights into a torch network, for further training.

The export folds every batch normalisation into the layer before it: `model.onnx` has one weight and one bias for both.
Here the layer receives that weight, and the normalisation only adds that bias (mean 0, variance 1, factor 1). The
network gives the same outputs as the bundle; train it with fixed batch normalisation statistics.
"""

from __future__ import annotations

import msgspec
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from edge.core.spec import SST_DEFAULT, fingerprint
from edge.inference.bundle import MODEL, Bundle, BundleError
from train.model import NETWORKS
from train.model.network import Network
from train.training.checkpoint import Checkpoint
from train.training.config import TrainConfig


def checkpoint_from_bundle(bundle: Bundle) -> Checkpoint:
    """Return the bundle as a checkpoint with the bundle's provenance and without an optimizer state.

    Raises BundleError if its spec or its layers are not those of this version.
    """
    about = bundle.about
    if about.spec != (ours := fingerprint(SST_DEFAULT)):
        raise BundleError(f"{bundle.folder}: made for the spec {about.spec}, training uses {ours}; train a new network")
    try:
        config = msgspec.convert(about.provenance.settings, TrainConfig)
        network = NETWORKS[config.model]()
        network.load_state_dict(_weights(network, onnx.load_from_string(bundle.model)), strict=False)
    except (msgspec.ValidationError, KeyError, RuntimeError) as error:
        raise BundleError(
            f"{bundle.folder / MODEL}: its layers are not those of this version's networks "
            f"({str(error).splitlines()[0]}); use the radarecg version it was made with, or start from a checkpoint"
        ) from error
    provenance = msgspec.to_builtins(about.provenance)
    return Checkpoint(config, {"network": network.state_dict()}, provenance)


def _weights(network: Network, model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return parameters and statistics of all layers by name. Raises KeyError if the model does not have one."""
    held = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in model.graph.initializer}
    bias_of = {node.input[1]: node.input[2] for node in model.graph.node if len(node.input) == 3}
    weights: dict[str, Tensor] = {}
    before = ""
    for name, layer in network.named_modules():
        if isinstance(layer, _BatchNorm):
            one = torch.ones(layer.num_features)
            weights[f"{name}.weight"], weights[f"{name}.bias"] = one, held[bias_of[f"{before}.weight"]]
            weights[f"{name}.running_mean"], weights[f"{name}.running_var"] = 0 * one, one - layer.eps
        else:
            weights |= {f"{name}.{own}": held[f"{name}.{own}"] for own, _ in layer.named_parameters(recurse=False)}
            before = name
    return weights
