"""What a finding on targeted harm shows: success of every group's perturbation on every group, and each excess."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.checks.common import few_text, percent
from auditor.checks.fairness.held_out import Held
from auditor.core.displays import Matrix, MatrixCell, Named, Rows
from auditor.core.records import Estimate
from auditor.stats.shares import proportion


def success_matrix(held: Held, counts: Mapping[str, int]) -> Matrix:
    """Return the success of every group's perturbation on every group, whatever its size."""
    names = tuple(counts)
    entries = tuple(tuple(_entry(held, fitted, judged, n=n) for judged in names) for fitted, n in counts.items())
    return Matrix(rows=names, columns=names, entries=entries, role="success")


def _entry(held: Held, fitted: str, judged: str, *, n: int) -> MatrixCell:
    if fitted not in held.names:
        return MatrixCell(note=_unfitted(n, held.minimum))
    flags, units = held.flipped(fitted, held.groups == judged)
    share = proportion(flags, units, unit="success among correct")
    return MatrixCell(estimate=share, note=few_text(len(flags), held.minimum, "correct predictions"))


def excess_rows(
    held: Held, counts: Mapping[str, int], excess: Mapping[str, Estimate], *, seen: Mapping[str, float]
) -> tuple[Rows, Rows]:
    """Return each group's excess, and by how much its own perturbation is ahead of the others' on the same samples."""
    found, ahead = [], []
    for name, n in counts.items():
        if name not in held.names:
            found.append(Named(name=name, note=_unfitted(n, held.minimum)))
            continue
        note = few_text(held.n(name), held.minimum, "correct predictions")
        own = excess.get(name)
        found.append(Named(name=name, estimate=own, note=note or ("" if own else "no class in common with the others")))
        flips = f"flips {percent(seen[name])} of the samples that it was fitted on" if name in seen else ""
        ahead.append(Named(name=name, estimate=held.aimed(name), note=flips))
    return Rows(rows=tuple(found), role="excess"), Rows(rows=tuple(ahead), role="aimed")


def _unfitted(n: int, minimum: int) -> str:
    return few_text(n, minimum, "samples") or "not fitted, since no other group is large enough"
