"""What an attacker may write to one column of one row, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.core.errors import AuditorError
from auditor.modalities.tables.table import DIGITS, Column
from auditor.threats.listed import Booleans, Integers, Numbers

EVEN = 12
"""Of more values that many are listed evenly between a row's own and the middle of the search, and others ever further
from the middle.
"""
_ROUNDING = 2e-7
"""A threshold may have been rounded to float32 on its way: values this near to it, in its own size, may lie on either
side.
"""
_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Choices:
    """Values (k,) of one column, the row's own first; the rest as in Block."""

    values: Numbers
    cost: Numbers
    stride: Numbers
    extent: Integers
    complete: bool = True


def affordable(cost: Numbers, epsilon: float | Numbers) -> Booleans:
    """Return which costs are within the budget, up to the rounding of their sum."""
    result: Booleans = cost <= epsilon * (1 + _SLACK) + _SLACK
    return result


def price(column: Column, values: Numbers, own: Numbers | float) -> Numbers:
    """Return the cost (n,) of taking values (n,) in the place of a row's own."""
    gap = np.abs(values - own)
    gap = np.where(np.isnan(gap), 0.0, gap)
    return np.asarray(
        column.cost * (gap if column.numeric or column.kind == "ordinal" else (gap > 0)), dtype=np.float64
    )


def permitted(column: Column, values: Numbers, own: Numbers) -> Booleans:
    """Return which values (n,) the column's limits let take the place of a row's own (n,)."""
    kept = np.isfinite(values) & np.isfinite(own)
    values, own = np.where(kept, values, 0.0), np.where(kept, own, 0.0)
    slack = _SLACK * max(1.0, column.step)
    if column.numeric:
        kept &= np.abs(column.on_grid(values) - values) <= slack
    else:
        kept &= np.isin(values, _levels(column))
    if column.numeric or column.kind == "ordinal":
        kept &= (values >= column.low - slack) & (values <= column.high + slack)
        kept &= (values - own >= column.least - slack) & (values - own <= column.most + slack)
    return kept


def choices(
    column: Column,
    own: float,
    epsilon: float,
    *,
    thresholds: Numbers | None,
    cuts: Numbers | None,
    centre: float,
    straight: bool,
    many: int,
) -> Choices:
    """Return what may be written to a column (AuditorError: endless).

    Parameters
    ----------
    thresholds
        Numbers between which the classifier does not change; None: nothing is known.
    cuts
        Numbers between which no rule tells values apart; None: any two may differ.
    straight
        The classifier is straight between the cuts in place of constant: values beside the row's own matter too.
    many
        A numeric column with at most this many permitted values is listed whole.
    """
    if not column.numeric:
        codes = _levels(column)
        codes = codes[permitted(column, codes, np.full(len(codes), own)) & (codes != own)]
        return _listed(column, codes, own, epsilon=epsilon)
    first, last = _range(column, own, epsilon)
    if last - first < many:
        return _listed(column, _value(column, np.arange(first, last + 1)), own, epsilon=epsilon)
    if thresholds is not None and cuts is not None:
        return _cells(column, own, (first, last), thresholds=thresholds, cuts=cuts, straight=straight)
    wanted = _sampled(column, own, (first, last), cuts=cuts, centre=centre)
    listed = _listed(column, _value(column, wanted), own, epsilon=epsilon)
    return Choices(listed.values, listed.cost, listed.stride, listed.extent, False)


def _sampled(column: Column, own: float, span: tuple[int, int], *, cuts: Numbers | None, centre: float) -> Numbers:
    """Return some of the many places of a column, ever wider apart from the centre, and those beside the cuts."""
    first, last = span
    known = (
        np.array([])
        if cuts is None
        else np.concatenate(
            [np.floor(cuts / column.step), np.floor(cuts / column.step) + 1, np.ceil(cuts / column.step) - 1]
        )
    )
    near = 2.0 ** np.arange(np.ceil(np.log2(last - first)) + 1)
    middle, here = np.round(centre / column.step), np.round(own / column.step)
    even = np.round(np.linspace(here, middle, EVEN + 1) if middle != here else np.linspace(first, last, EVEN + 1))
    return np.unique(
        np.clip(np.concatenate([middle - near, [middle, first, last], middle + near, even, known]), first, last)
    )


def _levels(column: Column) -> Numbers:
    """Return the codes that may be written to a column with levels."""
    return np.array(column.allowed, dtype=np.float64)


def _value(column: Column, places: Numbers | Integers) -> Numbers:
    return np.asarray(np.round(places * column.step, DIGITS), dtype=np.float64)


def _range(column: Column, own: float, epsilon: float) -> tuple[int, int]:
    """Return the first and last place on the column's grid that limits and budget leave."""
    reach = epsilon * (1 + _SLACK) / column.cost if column.cost > 0 else float("inf")
    low, high = max(column.low, own + max(column.least, -reach)), min(column.high, own + min(column.most, reach))
    if not np.isfinite([low, high]).all():
        raise AuditorError(
            f"column '{column.name}': expected a range, or a cost above 0 and a budget, since endlessly many values may"
            " be written to it."
        )
    return int(np.ceil(low / column.step - _SLACK)), int(np.floor(high / column.step + _SLACK))


def _listed(column: Column, values: Numbers, own: float, *, epsilon: float) -> Choices:
    values = values[values != own]
    cost = price(column, values, own)
    values, cost = values[affordable(cost, epsilon)], cost[affordable(cost, epsilon)]
    order = np.argsort(cost, kind="stable")
    count = len(order) + 1
    return Choices(
        np.append(own, values[order]), np.append(0.0, cost[order]), np.zeros(count), np.zeros(count, np.int64)
    )


def _cells(
    column: Column, own: float, span: tuple[int, int], *, thresholds: Numbers, cuts: Numbers, straight: bool
) -> Choices:
    """Return the cheapest value of each cell, for all values in it; the row's own cell is itself alone, or also what
    lies on both sides of it.
    """
    first, last = span
    size = max(abs(first), abs(last)) * column.step
    unclear = np.maximum(_ROUNDING * np.maximum(np.abs(thresholds), size), _SLACK)
    edges = np.concatenate([thresholds, cuts])
    slack = np.concatenate([unclear, np.full(len(cuts), _SLACK)])
    starts = np.concatenate([np.ceil((edges - slack) / column.step), np.floor((edges + slack) / column.step) + 1])
    vague = (np.floor((edges + slack) / column.step) - np.ceil((edges - slack) / column.step))[: len(thresholds)] > 0
    here = own / column.step
    near = np.round(here) if abs(here - np.round(here)) < _SLACK else np.nan
    around = [np.ceil(here), near + 1] if straight or not len(starts) else [np.ceil(here)]
    starts = np.unique(np.concatenate([starts, [first], [one for one in around if np.isfinite(one)]]))
    starts = starts[(starts >= first) & (starts <= last)]
    ends = np.append(starts[1:] - 1, last)
    if not straight:
        bounds = np.sort(
            np.concatenate([np.ceil((edges - slack) / column.step), np.floor((edges + slack) / column.step) + 1])
        )
        mine = int((own >= edges - slack).sum() + (own > edges + slack).sum())  # it need not lie on the grid
        apart = np.searchsorted(bounds, starts, "right") != mine
        starts, ends = starts[apart], ends[apart]
    kept = ~((starts == near) & (ends == near))
    starts, ends = starts[kept], ends[kept]
    below = ends < here
    values = _value(column, np.where(below, ends, starts))
    cost = price(column, values, own)
    order = np.argsort(cost, kind="stable")
    stride = np.where(below, -column.step, column.step)
    return Choices(
        np.append(own, values[order]), np.append(0.0, cost[order]), np.append(0.0, stride[order]),
        np.append(0, (ends - starts)[order]).astype(np.int64), not bool(vague.any()),
    )  # fmt: skip
