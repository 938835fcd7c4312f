"""What probes of tables share: a classifier of rows shown many rows at once, and the rows that others may borrow cells
from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from auditor.core.errors import AuditorError
from auditor.core.outcomes import Missing
from auditor.core.seeds import derive
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Codes, Table
from auditor.models.classifier import margin
from auditor.probes import Bench
from auditor.samples.samples import Samples


@dataclass(frozen=True)
class Reader:
    """A classifier of rows with the table that it reads, shown no more rows at once than the bench says."""

    classifier: TableClassifier
    table: Table
    batch_size: int

    @classmethod
    def of(cls, bench: Bench) -> Reader:
        """Return the bench's classifier with the table that it reads (AuditorError: the data are no table)."""
        classifier, table = bench.classifier, bench.samples.schema
        if not isinstance(table, Table) or not isinstance(classifier, TableClassifier):
            raise AuditorError("probe: expected a classifier of rows and a table, got other data.")
        return cls(classifier, table, bench.batch_size)

    def logits(self, x: Tensor) -> Tensor:
        """Return the scores (n, classes) of rows x (n, columns)."""
        parts = [self.classifier.logits(part) for part in torch.split(x, self.batch_size)] if len(x) else []
        return torch.cat(parts) if parts else torch.zeros(0, len(self.classifier.classes), dtype=torch.float64)

    def decisions(self, x: Tensor) -> Tensor:
        """Return the model's own answers (n,) to rows x (n, columns)."""
        parts = [self.classifier.decisions(part) for part in torch.split(x, self.batch_size)] if len(x) else []
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)

    def margins(self, x: Tensor, y: Tensor) -> Tensor:
        """Return how far the scores of classes y (n,) lie above the largest other one, of rows x (n, columns)."""
        return margin(self.logits(x), y)

    @cached_property
    def rules(self) -> Rules:
        """Return the table's rules."""
        return Rules(self.table)


def broken_rule(rules: Rules, x: Codes) -> list[str]:
    """Return the first rule that each row (n, columns) breaks, by its id; '' where it breaks none."""
    broken = rules.broken(x)
    ids = [rule.id for rule in rules.table.rules]
    return [ids[int(row.argmax())] if row.any() else "" for row in broken]


def own_fault(rule: str) -> Missing:
    """Return why a row that breaks a rule itself is left out."""
    return Missing.not_applicable(f"the row itself breaks rule '{rule}'")


def lenders(samples: Samples, n: int, seed: int) -> tuple[tuple[int, ...], Tensor]:
    """Return positions and codes (n, columns) of at most n rows drawn by seed and id: the same for every row of the
    data.
    """
    positions = samples.draw(n, derive(seed, "lenders"))
    return positions, samples.load(positions).x
