"""An ONNX graph as a torch module with gradients, where that gives the same answers."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from auditor.models.first_look import FixedBatch, first_line
from auditor.models.onnx_converters import add_converters
from auditor.models.torchvision import ensure_torchvision

_AGREEMENT = 1e-3
"""Largest difference between torch and onnxruntime, relative to the largest output, at which gradients are trusted."""


def converted(model: Any, batch: int | None, samples: Tensor, *, expected: Tensor) -> tuple[nn.Module | None, str]:
    """Return a graph as a torch module whose outputs agree with onnxruntime's, and a note on it; None, with the reason,
    where there is none.

    Parameters
    ----------
    batch
        Rows that the graph takes at a time; None where free.
    samples, expected
        Inputs as they reach the graph, and what onnxruntime answers to them.
    """
    module, failure = _module(model)
    if module is None:
        return None, (
            f"no gradients: the graph does not convert to torch ({failure[:200]}), so onnxruntime gives its scores"
        )
    together = _difference(module, samples, expected)
    apart = together if batch is None else _difference(FixedBatch(module, batch), samples, expected)
    difference = min(together, apart)
    if not difference <= _AGREEMENT:
        return None, (
            f"no gradients: in torch the graph differs by {difference:.1e} of the largest output, so onnxruntime gives"
            " its scores"
        )
    note = (
        f"converted from ONNX to torch; largest difference from onnxruntime on {len(samples)} random inputs:"
        f" {difference:.1e} of the largest output"
    )
    # a graph that declares a batch of one often works on any, which is many times faster
    return module if together <= _AGREEMENT or batch is None else FixedBatch(module, batch), note


def _module(model: Any) -> tuple[nn.Module | None, str]:
    """Return a graph as a torch module, or None and why it does not convert."""
    ensure_torchvision()
    failure = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's warnings say nothing that the comparison does not
        for constants in (False, True):
            try:
                import onnx2torch

                add_converters()
                module: nn.Module = onnx2torch.convert(_lifted(model) if constants else model).eval()
            except Exception as error:  # a graph that cannot be converted fails in its own way
                failure = failure or first_line(error)
            else:
                return module, ""
    return None, failure


def _lifted(model: Any) -> Any:
    """Return a copy of a graph in which weights that are written as Constant nodes are initialisers, where the
    converter looks for them.
    """
    from onnx import helper, numpy_helper

    lifted = copy.deepcopy(model)
    for node in list(lifted.graph.node):
        values = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type != "Constant" or not set(values) <= {"value", "value_float", "value_floats", "value_int"}:
            continue
        ((name, value),) = values.items()
        if name != "value":
            import numpy as np

            value = numpy_helper.from_array(np.asarray(value, np.int64 if name == "value_int" else np.float32))
        tensor = lifted.graph.initializer.add()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
        lifted.graph.node.remove(node)
    return lifted


def _difference(module: nn.Module, samples: Tensor, expected: Tensor) -> float:
    """Return the largest difference of a module's outputs from the expected ones (n, classes), relative to the largest;
    infinite where it fails.
    """
    try:
        with torch.no_grad():
            got = module(samples)
    except Exception:  # such as a batch size fixed inside the graph
        return float("inf")
    if not isinstance(got, Tensor) or got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return float("inf")
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
