"""Which class becomes which: flips split by true class, and attacks aimed at a declared class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.checks.exposure.smallest import Thresholds, reach, sizes_of
from auditor.core.displays import TableCell, TableDisplay
from auditor.core.errors import ConfigError, nearest
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation, Trial
from auditor.stats.shares import proportion

MOST_ROWS = 12
"""A table of flips names at most this many pairs of classes, the most frequent ones."""
Pair = tuple[int, int]
"""A true class and the class that it becomes, by their places among the classes."""


def pairs(facts: Facts, directions: Sequence[tuple[str, str]]) -> list[Pair]:
    """Return every declared direction and its opposite (ConfigError: not two classes of the model)."""
    found: dict[Pair, None] = {}
    for both in directions:
        for name in both:
            if name not in facts.classes:
                raise ConfigError(
                    f"check 'exposure', setting 'directions': expected classes of the model, got '{name}';"
                    f" {nearest(name, facts.classes)}"
                )
        one, other = (facts.classes.index(name) for name in both)
        if one == other:
            raise ConfigError(
                f"check 'exposure', setting 'directions': expected two different classes, got '{both[0]}' twice."
            )
        found |= {(one, other): None, (other, one): None}
    return list(found)


def directed_trial(base: Trial, pair: Pair, samples: int) -> Trial:
    """Return the trial that aims at a class and, from there, back: both ways of a pair share it."""
    low, high = sorted(pair)
    threat = {**base.threat, "targets": {str(low): high, str(high): low}}
    return Trial("directed", base.method, base.settings, base.zone, threat, base.seed, samples=samples)


@dataclass(frozen=True)
class ClassFlips:
    """How many samples of one class become another one."""

    own: str
    end: str
    n: int
    """Samples of the class that were attacked."""
    flips: int
    estimate: Estimate | None
    size: str
    """Median smallest epsilon of the class in words; empty where too few were flipped for it."""


def by_class(facts: Facts, hits: Mapping[str, Observation], found: Thresholds) -> list[ClassFlips]:
    """Return the flips of each true class: all that can be told with two classes, else the classes that it most often
    becomes.
    """
    label = dict(zip(facts.ids, facts.y, strict=True))
    ends = Counter(
        (label[name], int(row.values["predicted"])) for name, row in hits.items() if Outcome.of(row.values).flipped
    )
    listed = [(0, 1), (1, 0)] if len(facts.classes) == 2 else [pair for pair, _ in ends.most_common(MOST_ROWS)]
    rows = []
    for own, end in listed:
        among = [name for name in hits if label[name] == own]
        flags = [
            float(Outcome.of(hits[name].values).flipped and hits[name].values["predicted"] == end) for name in among
        ]
        estimate = proportion(
            flags, [facts.unit_of[name] for name in among], unit="share of correct predictions flipped"
        )
        mine = sizes_of(facts, {name: one for name, one in found.items() if label[name] == own}, reach(facts))
        rows.append(ClassFlips(facts.classes[own], facts.classes[end], len(among), ends[own, end], estimate, mine.text))
    return rows


def class_table(facts: Facts, rows: Sequence[ClassFlips], budget: str) -> TableDisplay:
    """Return the flips by class as a table."""
    shown: list[tuple[TableCell, ...]] = [(one.own, one.end, one.n, one.flips, one.estimate) for one in rows]
    columns: tuple[str, ...] = ("From", "To", "Correct", "Flipped", "Share of the correct ones")
    more = f" (the {len(shown)} most frequent ways)"
    if len(facts.classes) == 2:
        columns, more = (*columns, "Median smallest epsilon"), ""
        shown = [(*cells, one.size or "too few flipped") for cells, one in zip(shown, rows, strict=True)]
    return TableDisplay(title=f"What becomes of each class at {budget}{more}", columns=columns, rows=tuple(shown))
