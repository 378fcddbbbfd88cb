"""Exports a trained network to ONNX: float32, batch normalisation folded, only operators that a Jetson can parse."""

from __future__ import annotations

import logging
import warnings

import onnx
import torch

from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.inference.bundle import Points, inputs, outputs
from export.operators import check_operators
from train.model.network import Network

OPSET = 18

_EXAMPLE_BATCH, _EXAMPLE_POINTS = 2, 3  # for free axes; torch would treat a length of 1 as fixed


def to_onnx(network: Network, points: Points) -> onnx.ModelProto:
    """Export the network for any number of windows, with a bundle's names of inputs and outputs.

    Raises ExportError, naming the node, for an operator that a Jetson's parser may not support.
    """
    batch: dict[int, object] = {0: torch.export.Dim("batch")}
    free = {**batch, 1: torch.export.Dim("points")} if points == "any" else batch
    shape = (_EXAMPLE_BATCH, _EXAMPLE_POINTS if points == "any" else points, SST_BINS, SST_COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecation warnings
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network.eval(),
            (torch.rand(shape),),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=(free,),
            input_names=[each.name for each in inputs(points)],
            output_names=[each.name for each in outputs()],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    check_operators(model)
    _strip_build_metadata(model)
    return model


def _strip_build_metadata(model: onnx.ModelProto) -> None:
    """Remove source lines and paths of the exporting machine: the same weights give the same file on any machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
