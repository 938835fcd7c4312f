"""Which cases are shown: chosen by rule from a ranking, never by hand."""

from __future__ import annotations

from collections.abc import Sequence


def picked(ranked: Sequence[str]) -> dict[str, str]:
    """Return rule -> sample id: first, middle and last of a ranking, worst first; of a short one each sample once."""
    if not ranked:
        return {}
    picks = {"worst": ranked[0], "median": ranked[len(ranked) // 2], "best": ranked[-1]}
    return {rule: name for place, (rule, name) in enumerate(picks.items()) if name not in list(picks.values())[:place]}
