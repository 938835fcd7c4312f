"""What an attack raises. Each loss gives its value and its slope in the logits, so that only the classifier is ever
differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from auditor.core.errors import AuditorError

LossName = Literal["ce", "margin", "dlr"]

Of = Callable[[Tensor, Tensor], Tensor]
"""function (logits (k, classes), classes chosen per row (k, ...)) -> (k, ...)"""


@dataclass(frozen=True)
class Loss:
    """A loss per row, larger is nearer to the goal, of logits (k, classes) and tags (k, 2) that hold target and
    label.
    """

    value: Of
    """function (logits, tags) -> loss (k,)"""
    slope: Of
    """function (logits, tags) -> its slope in the logits (k, classes)"""
    least: int = 2
    """Fewest classes for which it is defined."""


def _others(logits: Tensor, own: Tensor) -> Tensor:
    return logits.scatter(1, own, float("-inf"))


def _at(logits: Tensor, *places: Tensor) -> Tensor:
    return logits.gather(1, torch.cat(places, 1))


def _unit(logits: Tensor, place: Tensor) -> Tensor:
    return torch.zeros_like(logits).scatter_(1, place, 1.0)


def _log_odds(logits: Tensor, own: Tensor) -> Tensor:
    return _others(logits, own).logsumexp(1) - logits.gather(1, own)[:, 0]


def _log_odds_slope(logits: Tensor, own: Tensor) -> Tensor:
    return torch.softmax(_others(logits, own), 1).scatter_(1, own, -1.0)


def _rival(logits: Tensor, own: Tensor) -> Tensor:
    return _others(logits, own).amax(1) - logits.gather(1, own)[:, 0]


def _rival_slope(logits: Tensor, own: Tensor) -> Tensor:
    return _unit(logits, _others(logits, own).argmax(1, keepdim=True)).scatter_(1, own, -1.0)


def _lead(logits: Tensor, tags: Tensor) -> Tensor:
    chosen = logits.gather(1, tags)
    return chosen[:, 0] - chosen[:, 1]


def _lead_slope(logits: Tensor, tags: Tensor) -> Tensor:
    return _unit(logits, tags[:, :1]).scatter_(1, tags[:, 1:], -1.0)


def _spread(logits: Tensor, last: list[int]) -> tuple[Tensor, Tensor]:
    """Return how far the largest logit is above the mean of those at the places `last` of the ranking (k,), and its
    slope (k, classes).
    """
    top, place = logits.topk(max(last) + 1, dim=1)
    slope = _unit(logits, place[:, :1]) - sum(
        (_unit(logits, place[:, one : one + 1]) for one in last), torch.zeros_like(logits)
    ) / len(last)
    return (top[:, 0] - top[:, last].mean(1)).clamp_min(1e-12), slope


def _ratio(above: Of, last: list[int]) -> Of:
    return lambda logits, chosen: above(logits, chosen) / _spread(logits, last)[0]


def _ratio_slope(above: Of, above_slope: Of, last: list[int]) -> Of:
    def slope(logits: Tensor, chosen: Tensor) -> Tensor:
        spread, along = _spread(logits, last)
        return (above_slope(logits, chosen) - (above(logits, chosen) / spread)[:, None] * along) / spread[:, None]

    return slope


def _away(value: Of, slope: Of, least: int = 2) -> Loss:
    return Loss(lambda logits, tags: value(logits, tags[:, 1:]), lambda logits, tags: slope(logits, tags[:, 1:]), least)


def _towards(value: Of, slope: Of) -> Loss:
    return Loss(lambda logits, tags: -value(logits, tags[:, :1]), lambda logits, tags: -slope(logits, tags[:, :1]))


LEAD = Loss(_lead, _lead_slope)
"""How far the target's logit is above the label's."""

AWAY: dict[LossName, Loss] = {
    "ce": _away(_log_odds, _log_odds_slope),
    "margin": _away(_rival, _rival_slope),
    "dlr": _away(_ratio(_rival, [2]), _ratio_slope(_rival, _rival_slope, [2]), 3),
}
"""Away from the label. 'ce' are the log odds: cross entropy is softplus of them, so both order points alike and have
one direction, but cross
entropy itself rounds to 0 where the classifier is confident (margins beyond 16 in float32) and loses its gradient.
'dlr' is the ratio that no
rescaling of the logits changes (Croce and Hein 2020, arXiv:2003.01690, section 4.1)."""

TOWARDS: dict[LossName, Loss] = {
    "ce": _towards(_log_odds, _log_odds_slope),
    "margin": _towards(_rival, _rival_slope),
    "dlr": Loss(_ratio(_lead, [2, 3]), _ratio_slope(_lead, _lead_slope, [2, 3]), 4),
}
"""Towards the target."""


def loss_named(name: LossName, classes: int, *, targeted: bool) -> Loss:
    """Return a loss that grows towards the goal (AuditorError: it is not defined for so few classes)."""
    chosen = (TOWARDS if targeted else AWAY)[name]
    if classes < chosen.least:
        towards = " for a target" if targeted else ""
        raise AuditorError(
            f"loss '{name}': expected at least {chosen.least} classes{towards}, got {classes}; 'margin' serves any"
            " number."
        )
    return chosen
