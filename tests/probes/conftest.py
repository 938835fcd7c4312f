"""A table of six columns with coupled and defined ones, and classifiers of its rows whose every effect is known."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from auditor.core.facts import Facts
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.table import Column, Rule, Table
from auditor.probes import Bench
from auditor.samples.samples import Samples

TABLE = Table(
    (
        Column("skill", "real", low=-4, high=4, step=0.01),
        Column("years", "integer", low=0, high=40, dtype="int64", cost=0.5),
        Column("shoe", "integer", role="irrelevant", low=20, high=60, dtype="int64"),
        Column("rel", "categorical", role="irrelevant", levels=("wife", "husband", "none"), allowed=(0, 1, 2)),
        Column("sex", "categorical", role="protected", levels=("f", "m"), allowed=(0, 1), mutable=False),
        Column("twice", "real", role="irrelevant", step=0.01),
    ),
    (
        Rule("husband", when="rel == 'husband'", then="sex == 'm'", swap={"rel": {"husband": "wife"}}),
        Rule("wife", when="rel == 'wife'", then="sex == 'f'"),
        Rule("twice", then="2 * shoe", defines="twice"),
    ),
    "yes",
)
WEIGHTS = (1.0, 0.1, 0.5, 0.0, 0.0, 0.0)


def codes(n: int = 120, seed: int = 0) -> np.ndarray:
    """Return rows (n, 6) that keep every rule."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    rel = np.where(rng.random(n) < 0.4, 2, sex)  # wife 0 with f 0, husband 1 with m 1
    shoe = rng.integers(34, 46, n)
    return np.stack([np.round(rng.normal(size=n), 2), rng.integers(0, 30, n), shoe, rel, sex, 2 * shoe], 1).astype(
        np.float64
    )


def additive(weights: Sequence[float] = WEIGHTS, shift: float = 0.0, **changes: Any) -> TableClassifier:
    """Return a classifier whose log odds of 'yes' are a weighted sum of codes, about 0 in the middle; 'nan' cells count
    as 0.
    """
    middle = np.array([0, 15, 40, 1, 0.5, 80])

    def scores(frame: Any) -> np.ndarray:
        x = np.stack(
            [
                (frame[one.name] if one.numeric else frame[one.name].map(one.position)).to_numpy(np.float64)
                for one in TABLE.columns
            ],
            1,
        )
        # not by BLAS, whose last bits depend on the batch: some rows lie on the boundary
        edge = (np.nan_to_num(x - middle) * np.array(weights)).sum(1) + shift
        return np.stack([np.zeros(len(x)), edge], 1)

    known: dict[str, Any] = {
        "name": "additive",
        "digest": "d",
        "classes": ("no", "yes"),
        "offers": frozenset({"labels", "scores"}),
    }
    return TableClassifier(scores, **{**known, **changes}).over(TABLE)


@pytest.fixture(scope="session")
def table_rows() -> Callable[..., np.ndarray]:
    """Return function () -> codes (120, 6) that keep every rule."""
    return codes


@pytest.fixture
def table_bench(make_table_samples: Callable[..., Samples]) -> Callable[..., Bench]:
    """Return function (weights) -> Bench of 120 rows, labels as the model decides."""

    def make(
        weights: Sequence[float] = WEIGHTS,
        *,
        x: np.ndarray | None = None,
        units: Sequence[str] = (),
        table: Table = TABLE,
        **changes: Any,
    ) -> Bench:
        rows, classifier = codes() if x is None else x, additive(weights, **changes).over(table)
        y = classifier.decisions(TABLE.frame(rows)).tolist()
        return Bench(classifier, make_table_samples(table, rows, y, units=units), lambda name: None, batch_size=512)

    return make


@pytest.fixture(scope="session")
def facts_of() -> Callable[[Bench], Facts]:
    """Return function (bench of a table) -> Facts."""

    def make(bench: Bench) -> Facts:
        samples = bench.samples
        return Facts(
            classes=("no", "yes"),
            offers=("labels", "scores"),
            modality="table",
            ids=samples.ids,
            y=samples.y,
            units=samples.units,
            groups={},
            mask_share=samples.mask_share,
            low=0,
            high=1,
            levels=None,
            norm="cost",
            epsilons=(1.0, 2.0),
            primary=1.0,
            guard=0.0,
            attack="table_search",
            attack_settings={},
            schema=bench.samples.schema.as_dict() if bench.samples.schema else None,
        )

    return make
