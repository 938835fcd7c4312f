"""The probe of the cheapest flip: a search's word is never taken, outcomes are what is known, and every found row can
be had.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Problem
from auditor.checks import make_check
from auditor.core import displays
from auditor.core.displays import Curve, Outcomes, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, Outcome
from auditor.core.records import Observation, Observations, Trial
from auditor.modalities.tables.rule_check import broken, forbidden, price_of_change
from auditor.modalities.tables.table import Table
from auditor.probes import Bench, Row, probes

Make = Callable[..., Bench]
SEARCH = attacks.bind("table_search", {})
TRIAL = Trial(
    "flip",
    "table_search",
    SEARCH,
    "outside",
    {"norm": "cost", "epsilon": 3.0, "max_changes": None, "towards": ""},
    keep=True,
)


def measured(bench: Bench, trial: Trial = TRIAL, rows: Any = range(120)) -> list[Row]:
    with torch.no_grad():
        return probes["flip"].make(bench, trial, bench.samples.load(rows))


@pytest.fixture
def liar() -> Iterator[Callable[..., str]]:
    """Return function (points (n, columns)) -> name of an attack that claims these very rows as cheapest flips."""
    name = "liar"

    def claim(point: Callable[[Tensor], Tensor]) -> str:
        def lie(problem: Problem) -> tuple[Tensor, Tensor]:
            return point(problem.x.clone()), torch.ones(len(problem.x), dtype=torch.bool)

        attacks._entries.pop((name, ""), None)
        attacks.register(name, needs="labels", norms=("cost",), cost=lambda: (1, 0))(lie)
        return name

    yield claim
    attacks._entries.pop((name, ""), None)


def table_of(bench: Bench) -> Table:
    assert bench.samples.schema is not None
    return bench.samples.schema


def least_shoes(bench: Bench, towards: int = -1) -> list[float]:
    """Return the least change of shoes, at 0.5 log odds and a cost of 1 each, that turns each row's decision; infinite
    beyond 3 or the range.
    """
    x = bench.samples.load(range(120)).x
    before = bench.classifier.decisions(x)  # type: ignore[attr-defined]
    result = []
    for row in range(120):
        found = [np.inf]
        for step in range(-3, 4):
            other = x[row].clone()
            other[2], other[5] = other[2] + step, 2 * (other[2] + step)
            after = int(bench.classifier.decisions(other[None]))  # type: ignore[attr-defined]
            if after != int(before[row]) and (towards < 0 or after == towards):
                found.append(abs(step))
        result.append(float(min(found)))
    return result


@pytest.mark.slow
def test_cheapest_flips_by_brute_force(table_bench: Make) -> None:
    bench = table_bench()
    rows, least = measured(bench), least_shoes(bench)
    assert {row.values["flipped"] for row in rows} == {0, 1}
    for row, known in zip(rows, least, strict=True):
        assert row.values["searched"] == 1 and row.values["refused"] == 0 and row.values["correct"] == 1
        if np.isinf(known):
            assert (
                row.values["outcome"] == Outcome.PROVEN_IMPOSSIBLE
                and row.arrays is None
                and row.allowed is None
                and "cost" not in row.values
            )
        else:
            assert row.values["outcome"] == Outcome.FLIPPED_EXACTLY and row.values["cost"] == known and row.allowed
            assert row.values["changes"] == 1 and {key for key in row.values if key.startswith("set/")} == {
                "set/2",
                "set/5",
            }, "the column that follows is no change"
            assert (
                row.values["margin"] <= 0 <= row.values["clean_margin"]
                and row.values["predicted"] != row.values["before"]
            )


@pytest.mark.slow
def test_every_found_row_can_be_had(table_bench: Make) -> None:
    """What is kept passes the independent reader as a file would hold it, keeps the zone bit for bit, and is decided
    otherwise.
    """
    bench = table_bench()
    table = table_of(bench)
    for zone in ("outside", "everywhere"):
        x = bench.samples.load(range(120)).x.numpy()
        for place, row in enumerate(measured(bench, replace(TRIAL, zone=zone))):
            if row.arrays is None:
                continue
            found = row.arrays["adversarial"]
            before, after = (
                dict(zip(table.names, table.texts(one[None])[0], strict=True)) for one in (x[place], found)
            )
            assert broken(table, after) == ()
            plain = {**after, "twice": before["twice"]}  # it follows 'shoe'
            writable = ["shoe", "rel"] if zone == "outside" else ["skill", "years", "shoe", "rel"]
            assert forbidden(table, before, plain, writable=writable) == "" and price_of_change(
                table, before, plain
            ) == pytest.approx(row.values["cost"])
            assert (
                row.values["cost"] <= 3
                and int(bench.classifier.decisions(torch.from_numpy(found[None]))) == row.values["predicted"]
            )  # type: ignore[attr-defined]
            if zone == "outside":
                assert np.array_equal(found[[0, 1, 4]], x[place][[0, 1, 4]])


def test_a_model_that_reads_what_should_matter_only_cannot_be_flipped_outside(table_bench: Make) -> None:
    rows = measured(table_bench((1, 0.1, 0, 0, 0, 0)))
    assert all(row.values["flipped"] == 0 and row.values["outcome"] == Outcome.PROVEN_IMPOSSIBLE for row in rows)


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({2: 2}, True),
        ({2: 9}, False),
        ({0: 4}, False),
        ({4: 1}, False),
        ({3: 2}, True),
        ({2: 0.5}, False),
        ({5: 1}, False),
    ],
    ids=["two sizes", "too dear", "outside the zone", "immutable", "another level", "off the grid", "computed"],
)
def test_a_search_that_lies_is_refused(
    table_bench: Make, liar: Callable[..., str], change: dict[int, float], allowed: bool
) -> None:
    bench = table_bench()

    def point(x: Tensor) -> Tensor:
        for place, step in change.items():
            x[:, place] = step if place == 3 else 1 - x[:, place] if place == 4 else x[:, place] + step
        x[:, 5] = x[:, 5] if 5 in change else 2 * x[:, 2]
        return x

    x = bench.samples.load(range(120)).x
    flips = bench.classifier.decisions(point(x.clone())) != bench.classifier.decisions(x)  # type: ignore[attr-defined]
    rows = measured(bench, replace(TRIAL, method=liar(point), settings={}))
    for row, flip in zip(rows, flips.tolist(), strict=True):
        assert row.values["flipped"] == float(allowed and flip)
        assert row.values["outcome"] in (Outcome.NONE_FOUND, Outcome.FLIPPED_AT_MOST), "nobody proved anything"
        assert not (row.values["flipped"] and row.values["refused"]) and (row.arrays is None) == (
            not row.values["flipped"]
        )


@pytest.mark.slow
def test_only_rows_decided_otherwise_are_searched_towards_a_class(table_bench: Make) -> None:
    bench = table_bench()
    rows = measured(bench, replace(TRIAL, threat={**TRIAL.threat, "towards": "yes"}))
    least = least_shoes(bench, towards=1)
    for row, label, known in zip(rows, bench.samples.y, least, strict=True):
        assert row.values["before"] == label and row.values["searched"] == 1 - label
        if label == 0:
            assert row.values.get("cost", np.inf) == known and row.values.get("predicted", 1) == 1


def test_rows_that_break_a_rule_are_left_out(table_bench: Make, table_rows: Callable[[], np.ndarray]) -> None:
    x = table_rows()
    x[7, 3], x[7, 4] = 1, 0
    found = measured(table_bench(x=x))
    assert (
        found[7].missing == Missing.not_applicable("the row itself breaks rule 'husband'") and found[6].missing is None
    )


def test_a_zone_in_which_nothing_may_change_is_no_zone(table_bench: Make) -> None:
    rows = measured(table_bench(), replace(TRIAL, zone="protected"))
    assert {row.missing for row in rows} == {Missing.not_applicable("none of its columns may change", "protected")}


def test_missing_cells_stay_as_they_are(table_bench: Make, table_rows: Callable[[], np.ndarray]) -> None:
    x = table_rows()
    x[::2, 0] = np.nan
    x[::3, 3] = np.nan
    rows = measured(table_bench(x=x))
    assert all(row.missing is None for row in rows) and any(row.arrays for row in rows)
    for place, row in enumerate(rows):
        if row.arrays is not None:
            assert np.array_equal(np.isnan(row.arrays["adversarial"]), np.isnan(x[place]))


@pytest.mark.slow
def test_rows_do_not_depend_on_the_chunk(table_bench: Make) -> None:
    bench = table_bench()
    for trial in (
        replace(TRIAL, zone="everywhere"),
        replace(TRIAL, method="random_change", settings={"tries": 2}, keep=False),
    ):
        whole = measured(bench, trial)
        some = measured(bench, trial, range(100, 0, -9))
        assert [row.values for row in some] == [pytest.approx(whole[place].values) for place in range(100, 0, -9)]


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [1.0, -2.0])
def test_decisions_count_where_they_are_not_the_largest_score(table_bench: Make, threshold: float) -> None:
    """A model that decides at another threshold: cheapest flips and proofs are those of its decisions, by brute
    force.
    """
    bench = table_bench()
    plain = bench.classifier.scores  # type: ignore[attr-defined]
    strict = replace(bench.classifier, decide=lambda frame: (plain(frame)[:, 1] > threshold).astype(np.int64))  # type: ignore[type-var]
    bench = replace(bench, classifier=strict)
    rows, least = measured(bench), least_shoes(bench)
    for row, known in zip(rows, least, strict=True):
        assert row.values["refused"] == 0 and row.values["outcome"] == (
            Outcome.PROVEN_IMPOSSIBLE if np.isinf(known) else Outcome.FLIPPED_EXACTLY
        )
        assert row.values.get("cost", np.inf) == known
    assert any(np.isfinite(known) for known in least)


@pytest.mark.slow
def test_labels_alone_are_enough(table_bench: Make) -> None:
    bench = table_bench()
    plain = bench.classifier.scores  # type: ignore[attr-defined]
    labels = replace(
        bench.classifier, scores=lambda frame: np.eye(2)[plain(frame).argmax(1)], offers=frozenset({"labels"})
    )  # type: ignore[type-var]
    rows, known = measured(replace(bench, classifier=labels)), measured(bench)
    assert [row.values.get("cost") for row in rows] == [row.values.get("cost") for row in known]


def exposure(bench: Bench, zones: list[str], facts: Facts) -> dict[str, Any]:
    """Return the findings of the check by zone, from what the probe says."""
    check, found = make_check("exposure", "table", {"zones": zones}), {}
    for trial in check.trials(facts):
        rows = zip(bench.samples.ids, measured(bench, trial), strict=True)
        found[trial.key("b")] = {
            name: Observation("k", name, row.values, row.allowed, None, row.missing) for name, row in rows
        }
    return {
        one.id.removeprefix("exposure/"): one for one in check.judge(facts, Observations("b", lambda key: found[key]))
    }


@pytest.mark.slow
def test_exposure_of_an_additive_model_in_closed_form(table_bench: Make, facts_of: Callable[[Bench], Facts]) -> None:
    """Half a unit of log odds per shoe size at a cost of 1: a decision flips at cost c where a whole number of sizes up
    to c takes it across.
    """
    bench = table_bench()
    facts = replace(facts_of(bench), epsilons=(1.0, 2.0, 3.0), primary=2.0, attack_settings=SEARCH)
    found = exposure(bench, ["outside", "inside", "everywhere"], facts)
    least = least_shoes(bench)
    shares = [sum(one <= cost for one in least) / 120 for cost in (1, 2, 3)]
    attack, noise = of_kind(found["outside"].displays, Curve)
    assert [point.estimate.value for point in attack.points] == pytest.approx(shares)
    assert "neither a flip" not in found["outside"].claim and "Rows that were not searched" not in tables(
        found["outside"]
    )
    assert 0 < noise.points[1].estimate.value < shares[1], "random changes flip less than a search"
    assert changed(found["outside"]) == {"shoe", "twice"}
    assert found["everywhere"].estimate.value >= max(found["outside"].estimate.value, found["inside"].estimate.value)
    assert changed(found["inside"]) <= {"skill", "years"}


def tables(finding: Any) -> dict[str, displays.TableDisplay]:
    return {one.title: one for one in of_kind(finding.displays, displays.TableDisplay)}


def changed(finding: Any) -> set[Any]:
    """Return the columns that the flips of a finding change."""
    (table,) = (one for title, one in tables(finding).items() if title.startswith("Columns that the flips change"))
    return {row[0] for row in table.rows}


@pytest.mark.slow
def test_exposure_of_an_honest_model_passes(table_bench: Make, facts_of: Callable[[Bench], Facts]) -> None:
    bench = table_bench((1, 0.1, 0, 0, 0, 0))
    found = exposure(bench, ["outside", "inside"], replace(facts_of(bench), attack_settings=SEARCH))
    assert (
        found["outside"].verdict == "pass"
        and found["outside"].estimate.value == 0
        and found["inside"].estimate.value > 0
    )
    (ended,) = of_kind(found["outside"].displays, Outcomes)
    assert ended.proven_impossible == ended.n == 120


def test_a_flip_that_rests_on_the_last_bits_of_a_batch_is_none(table_bench: Make) -> None:
    bench = table_bench()

    def fickle(frame: Any) -> np.ndarray:
        tiny = 1e-12 if len(frame) > 1 else -1e-12
        lead = np.where(frame["shoe"].to_numpy() > 40, tiny, -1.0)
        return np.stack([-lead, lead], 1)

    rows = measured(replace(bench, classifier=replace(bench.classifier, scores=fickle)))  # type: ignore[type-var]
    small = bench.samples.load(range(120)).x[:, 2].numpy() <= 40
    near = [row for row, one in zip(rows, small, strict=True) if one]
    assert any(row.values["refused"] for row in near)
    assert not any(row.values["flipped"] for row in near) and all(row.arrays is None for row in near)
