"""Which regions of the samples the expert marked: mask files by name, and expressions over them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from auditor.core.errors import DataError, nearest
from auditor.core.zones import RESERVED, Mask, usable_name
from auditor.modalities.images.data.reading import MaskReading, MaskSource

MAIN = "mask"
"""Name of the main mask in expressions."""
_LONGEST = 300
OPERATIONS: dict[type[ast.AST], Any] = {
    ast.Sub: lambda one, other: one & ~other,
    ast.BitOr: operator.or_,
    ast.Or: operator.or_,
    ast.BitAnd: operator.and_,
    ast.And: operator.and_,
}
ALLOWED = (ast.Name, ast.Load, ast.UnaryOp, ast.Not, ast.Invert, ast.BinOp, ast.BoolOp, *OPERATIONS)


@dataclass(frozen=True)
class _Expression:
    """A region made of masks: `not` or `~` the complement, `-` the difference, `|` or `or` the union, `&` or `and` the
    intersection.

    They bind as in Python: `~` before `-` before `&` before `|`, and all of these before `not`, `and` and `or`.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]

    def of(self, masks: Mapping[str, Mask | None]) -> Mask | None:
        """Return the region (height, width); None where one of its masks is missing."""
        given = {name: mask for name in self.names if (mask := masks[name]) is not None}
        return _value(self.tree, given) if len(given) == len(self.names) else None


def _value(node: ast.expr, masks: Mapping[str, Mask]) -> Mask:
    if isinstance(node, ast.Name):
        return masks[node.id]
    if isinstance(node, ast.UnaryOp):
        return ~_value(node.operand, masks)
    assert isinstance(node, ast.BinOp | ast.BoolOp)
    parts = node.values if isinstance(node, ast.BoolOp) else [node.left, node.right]
    result: Mask = reduce(OPERATIONS[type(node.op)], [_value(part, masks) for part in parts])
    return result


def mask_expression(where: str, text: str, known: Iterable[str]) -> _Expression:
    """Return an expression over the names of masks; nothing in it is ever run (DataError: anything else, or an unknown
    name).
    """
    plain = " ".join(text.split())
    try:
        tree = ast.parse(plain if len(plain) <= _LONGEST else "", mode="eval").body
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError):
        nodes = []
    if not nodes or not all(isinstance(node, ALLOWED) for node in nodes):
        shown = plain if len(plain) <= _LONGEST else f"{plain[:40]}... of {len(plain)} characters"
        raise DataError(
            f"{where}: expected names of masks with not, -, |, & and parentheses, such as 'organ - mask', got"
            f" '{shown}'."
        )
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    for name in names:
        if name not in (valid := list(known)):
            raise DataError(f"{where}: expected the name of a mask, got '{name}'; {nearest(name, valid)}")
    return _Expression(ast.unparse(tree), tree, frozenset(names))


@dataclass(frozen=True)
class Regions:
    """The regions that an audit file declares."""

    files: Mapping[str, MaskSource]
    """Name of a mask -> where its files lie and what in them is meant; the main one is called 'mask'."""
    named: Mapping[str, _Expression]
    """Every named zone: each named mask, and each expression of `zones`."""
    inside: _Expression | None
    """What the expert declares as relevant; None where no mask says so."""
    readings: Mapping[str, MaskReading] = field(default_factory=dict)
    """Name of a mask -> how it is made of what its files say; known once the files have been looked at."""

    @property
    def plain(self) -> bool:
        """Return whether there is nothing but the main mask, or not even that."""
        return not self.named and (self.inside is None or self.inside.text == MAIN)

    def of(self, masks: Mapping[str, Mask | None]) -> dict[str, Mask | None]:
        """Return 'inside' and every named zone (height, width) of one sample; None where it has none."""
        named = {name: expression.of(masks) for name, expression in self.named.items()}
        return {"inside": self.inside.of(masks) if self.inside else None, **named}

    def texts(self) -> dict[str, str]:
        """Return the expressions as text."""
        return {
            name: expression.text for name, expression in (("inside", self.inside), *self.named.items()) if expression
        }


def declare(
    mask: MaskSource | None, masks: Mapping[str, MaskSource], zones: Mapping[str, str], *, inside: str | None
) -> Regions:
    """Return the declared regions, checked (DataError: a name that cannot be one, one that is used twice, an expression
    that cannot be read).
    """
    for key, names in (("masks", masks), ("zones", zones)):
        for name in names:
            if not usable_name(name):
                taken = f"but none of {', '.join(RESERVED)}" if name in RESERVED else "such as 'organ'"
                raise DataError(f"'data.{key}': expected a name of letters, digits and _, {taken}, got '{name}'.")
    if twice := sorted(set(masks) & set(zones)):
        raise DataError(f"'data.zones': expected other names than in 'data.masks', got '{twice[0]}' in both.")
    files = ({MAIN: mask} if mask else {}) | dict(masks)
    named = {
        name: mask_expression(f"'data.zones.{name}'", text, files)
        for name, text in ({name: name for name in masks} | dict(zones)).items()
    }
    whole = inside if inside is not None else MAIN if mask else None
    return Regions(files, named, mask_expression("'data.inside'", whole, files) if whole is not None else None)
