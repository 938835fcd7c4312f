"""Which classifiers planted.py trains and which audits it makes of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

STRENGTHS = (0.5, 0.6, 0.75, 0.9, 1.0)
"""P(nuisance agrees with the class) in training; 0.5 is the honest twin."""
KINDS = ("marker", "text", "border", "texture", "colour", "scanner")
LOOKS = ("small", "large", "faint")
FAMILIES = (*KINDS, *LOOKS, "context", "masked", "uncorrelated")
AGREEMENT = 0.95
"""P(nuisance agrees with the class) in the audit data."""
GREY_LEVELS = 12
"""What a gradient-masked network sees: rounding leaves no gradient."""


@dataclass(frozen=True)
class Model:
    """One classifier with a known truth."""

    kind: str
    looks: str
    strength: float
    seed: int
    levels: int = 0
    """Grey levels that it sees; 0: all of them."""

    @property
    def name(self) -> str:
        """Return its name, of which its file is made."""
        return f"{self.series}-{self.strength:g}"

    @property
    def series(self) -> str:
        """Return what it shares with its twins of other strengths: the scenes of training and audit; no two series
        share any.
        """
        return f"{self.kind}-{self.looks}-{self.seed}" + (f"-levels{self.levels}" if self.levels else "")


@dataclass(frozen=True)
class Case:
    """One audit of one classifier."""

    family: str
    model: Model
    guilty: bool
    """Whether the classifier reads something outside the mask, by construction."""
    mask: str = "mask"
    """Which mask the expert drew: of the lesion, or 'wide' with the second structure."""
    agreement: float = AGREEMENT
    factor: bool = False
    """Whether the audit declares the nuisance as a factor."""
    quality: bool = False
    """Whether the audit looks for signs of hidden gradients."""

    @property
    def name(self) -> str:
        """Return its name, of which its folder is made."""
        return f"{self.family}-{self.model.name}" + ("-wide" if self.mask == "wide" else "")


def cases(families: tuple[str, ...], *, seed: int, quick: bool) -> list[Case]:
    """Return every audit of the chosen families."""
    twins, copies = (2, 1) if quick else (8, 4)
    strengths = (0.5, 0.9, 1.0) if quick else STRENGTHS
    few = range(seed, seed + copies)
    many = range(seed, seed + twins)
    found = [
        Case(kind, Model(kind, "usual", p, s), p > 0.5)
        for s in many
        for kind in KINDS
        for p in strengths
        if p == 0.5 or s in few
    ]
    found += [Case(looks, Model("marker", looks, p, s), p > 0.5) for looks in LOOKS for p in (0.5, 0.9) for s in few]
    found += [
        Case("context", Model("marker", "context", 0.5, s), mask == "mask", mask)
        for mask in ("wide", "mask")
        for s in few
    ]
    found += [
        Case("masked", Model("marker", "usual", p, s, GREY_LEVELS), p > 0.5, quality=True)
        for p in (0.5, 1.0)
        for s in few
    ]
    if offers_factors():  # the nuisance tells nothing in these data: only the declared factor can name the shortcut
        found += [
            Case("uncorrelated", Model("marker", "usual", p, s), p > 0.5, agreement=0.5, factor=True)
            for p in strengths
            for s in few
        ]
    return [case for case in found if case.family in families]


@functools.cache
def offers_factors() -> bool:
    """Return whether this version of the auditor takes `data.factors`."""
    from auditor.core.errors import AuditorError
    from auditor.samples import data

    try:
        data.bind("images", {"manifest": "manifest.csv", "factors": ["nuisance"]})
    except AuditorError:
        return False
    return True
