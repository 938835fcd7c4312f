"""Batch norms folded into the convolution or linear layer before them: fewer operations, the same function."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import random_input

_AGREEMENT = 1e-4
"""Largest difference of the folded logits, relative to the largest logit, at which they are used."""
_TRIALS = 4
"""Random inputs on which the two are compared."""
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_Pair = tuple[nn.Module, nn.Module]


def fold(classifier: TorchClassifier) -> None:
    """Fold what can be folded in a copy of a frozen classifier's module, and use the copy where its logits agree.

    The digest stays that of the weights in the file. A module that torch.fx cannot follow is searched part by part; one
    that cannot be copied, whose input size is free, or that is random, stays as it is.
    """
    if classifier.input_shape is None or classifier.draws > 1:
        return
    x = random_input(classifier.input_shape, classifier.low, classifier.high, rows=_TRIALS).to(classifier.device)
    original = classifier.module
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what tracing warns of, the comparison finds
            expected = classifier.logits(x)
            classifier.module, count = folded(original)
            difference = _difference(classifier.logits(x), expected) if count else float("inf")
    except Exception:  # whatever a user's module raises when it is copied, traced or changed
        difference = float("inf")
    if not difference <= _AGREEMENT:
        classifier.module = original
        return
    norms = f"{count} batch norm{'s' if count > 1 else ''}"
    note = (
        f"{norms} folded into the layers before; largest difference on {_TRIALS} random inputs: {difference:.1e} of the"
        " largest logit"
    )
    classifier.notes = (*classifier.notes, note)


def _difference(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


def folded(module: nn.Module) -> tuple[nn.Module, int]:
    """Return a copy of a frozen module with its batch norms folded, and how many were; the module itself is not
    changed.
    """
    twin = copy.deepcopy(module)
    pairs = list(_pairs(twin))
    for layer, norm in pairs:
        _scale(layer, norm)
        rest = _after(norm)
        for part in list(twin.modules()):
            for name, child in part.named_children():
                if child is norm:
                    setattr(part, name, rest)
    return twin, len(pairs)


class _Tracer(fx.Tracer):
    """Takes batch norms of every library as one step each."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def _pairs(module: nn.Module) -> Iterator[_Pair]:
    """Yield the layers whose only reader is a batch norm, with that norm."""
    try:
        graph = _Tracer().trace(module)
    except Exception:  # a forward that depends on values cannot be followed; its parts may
        for child in module.children():
            if next(child.children(), None) is not None:
                yield from _pairs(child)
        return
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        source = node.args[0] if node.op == "call_module" and len(node.args) == 1 else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) > 1:
            continue
        if calls[node.target] == calls[source.target] == 1:
            layer, norm = module.get_submodule(str(source.target)), module.get_submodule(node.target)
            if _foldable(layer, norm):
                yield layer, norm


def _foldable(layer: nn.Module, norm: nn.Module) -> bool:
    if type(layer) not in LAYERS or not (type(norm) in _NORMS or _with_activation(norm)):
        return False
    # a subclass or a hook may look at what folding removes
    watched = any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in (layer, norm))
    return not watched and not norm.training and isinstance(norm.running_mean, Tensor)


def _with_activation(norm: nn.Module) -> bool:
    """Return whether a module is timm's batch norm that ends in dropout and an activation."""
    return type(norm).__name__ == "BatchNormAct2d" and type(norm).__module__.startswith("timm.")


def _after(norm: nn.Module) -> nn.Module:
    """Return what is left of a folded batch norm."""
    if not _with_activation(norm):
        return nn.Identity()
    return nn.Sequential(*(part for part in (norm.drop, norm.act) if isinstance(part, nn.Module))).train(False)


def _scale(layer: nn.Module, norm: nn.Module) -> None:
    """Give a layer the weights and bias that include the batch norm after it, computed in float64."""
    weight, bias = layer.weight, layer.bias
    mean, variance = norm.running_mean, norm.running_var
    assert (
        isinstance(weight, Tensor)
        and isinstance(mean, Tensor)
        and isinstance(variance, Tensor)
        and isinstance(norm.eps, float)
    )
    factor = torch.rsqrt(variance.double() + norm.eps)
    if isinstance(norm.weight, Tensor):
        factor = factor * norm.weight.double()
    before = bias.double() if isinstance(bias, Tensor) else torch.zeros_like(mean, dtype=torch.float64)
    shift = norm.bias.double() if isinstance(norm.bias, Tensor) else 0.0
    wide = factor.view(-1, *(1,) * (weight.ndim - 1))
    layer.weight = nn.Parameter((weight.double() * wide).to(weight.dtype), requires_grad=False)
    layer.bias = nn.Parameter(((before - mean.double()) * factor + shift).to(weight.dtype), requires_grad=False)
