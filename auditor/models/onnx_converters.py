"""Operators that torch's own exporter writes and onnx2torch cannot read.

Each result is compared with onnxruntime before it is used, so an operator that a converter misreads costs gradients,
never
correctness.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor, nn

RETYPED: tuple[str, ...] = (
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "MaxPool",
)
RETYPED += ("Pad", "Shape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose later versions added number types, and nothing else that a classifier uses."""


class Reshape(nn.Module):
    """ONNX Reshape; a 0 in the shape copies that side unless allowzero is set."""

    def __init__(self, allowzero: bool) -> None:
        super().__init__()
        self.allowzero = allowzero

    def forward(self, x: Tensor, shape: Tensor) -> Tensor:
        """Return x in another shape."""
        sides = [
            x.shape[axis] if side == 0 and not self.allowzero else side for axis, side in enumerate(shape.tolist())
        ]
        return x.reshape(sides)


class ReduceMean(nn.Module):
    """ONNX ReduceMean with its axes as an input."""

    def __init__(self, keepdims: bool, noop: bool) -> None:
        super().__init__()
        self.keepdims, self.noop = keepdims, noop

    def forward(self, x: Tensor, axes: Tensor | None = None) -> Tensor:
        """Return the mean of x over some axes."""
        chosen = [] if axes is None else axes.tolist()
        if not chosen and self.noop:
            return x
        return x.mean(chosen or list(range(x.ndim)), keepdim=self.keepdims)


@functools.cache
def add_converters() -> None:
    """Teach onnx2torch these operators, once."""
    from onnx import defs
    from onnx2torch.node_converters.registry import add_converter, get_converter
    from onnx2torch.utils.common import OperationConverterResult, onnx_mapping_from_node

    def enter(operator: str, versions: tuple[int, ...], make: Any) -> None:
        def convert(node: Any, graph: Any) -> Any:
            return OperationConverterResult(
                torch_module=make(node.attributes), onnx_mapping=onnx_mapping_from_node(node=node)
            )

        for version in versions:
            _missing(
                operator,
                version,
                get_converter,
                add=lambda version=version: add_converter(operation_type=operator, version=version)(convert),
            )

    from onnx2torch.node_converters import registry

    # only this one is replaced: the version that it has refuses allowzero
    registry._CONVERTER_REGISTRY.pop(
        registry.OperationDescription(domain="", operation_type="Reshape", version=14), None
    )
    enter("Reshape", (14, 19, 21, 23, 24, 25), lambda values: Reshape(bool(values.get("allowzero", 0))))
    enter(
        "ReduceMean",
        (18,),
        lambda values: ReduceMean(bool(values.get("keepdims", 1)), bool(values.get("noop_with_empty_axes", 0))),
    )
    enter("Gelu", (20,), lambda values: nn.GELU(values.get("approximate", "none")))
    for operator in RETYPED:
        versions = sorted(
            schema.since_version
            for schema in defs.get_all_schemas_with_history()
            if schema.name == operator and not schema.domain
        )
        _extend(operator, versions, add_converter, get=get_converter)


def _missing(operator: str, version: int, get: Any, *, add: Any) -> None:
    try:
        get(operator, version)
    except NotImplementedError:
        add()


def _extend(operator: str, versions: list[int], add: Any, *, get: Any) -> None:
    """Enter the newest known converter of an operator for its later versions."""
    known = None
    for version in versions:
        try:
            known = get(operator, version)
        except NotImplementedError:
            if known is not None:
                add(operation_type=operator, version=version)(known)
