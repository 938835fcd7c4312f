"""Reliance on hand-made margins: the share has a closed form, and units are what counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks
from auditor.core.displays import Rows, TableDisplay, Values, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observations

SHARES = [
    ((1, 1, -1, -1), 0.0),
    ((1, 0, 0, -1), 0.5),
    ((1, -1, 1, -1), 1.0),
    ((3, 2, -1, -2), 0.2),
    ((1, 2, -1, 0), -1 / 3),
]
Judge = Callable[..., Finding]
Measured = Callable[..., dict[str, Finding]]
Arms = Callable[..., Callable[[int], dict[str, float]]]


def effects(found: Finding, role: str = "effects") -> dict[str, float]:
    """Return name -> value of the rows in one role."""
    (rows,) = of_kind(found.displays, Rows, role)
    return {row.name: row.estimate.value for row in rows.rows if row.estimate}


def unmoved(values: Mapping[str, float]) -> dict[str, float]:
    """Return exchanged surroundings that move nothing, with the donors of some transplants."""
    drawn = {key: value for key, value in values.items() if key[0] in "jk"}
    parts = ("beside", "near", "far", "outside")
    same = {f"{part}/{kind}/{draw}": 1.0 for part in parts for kind in ("same", "other") for draw in range(4)}
    return drawn | same | {f"covered/{part}/{draw}": 0.9 for part in parts for draw in range(4)}


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> Judge:
    """Return function (arms, n, spread, copies, names) -> the finding on n recipients, each there `copies` times under
    its unit; exchanged surroundings are measured where asked for, and move nothing.
    """

    def run(
        arms: Sequence[float],
        *,
        n: int = 60,
        spread: float = 0.5,
        copies: int = 1,
        prefix: str = "s",
        order: Sequence[int] | None = None,
        around: bool = False,
    ) -> Finding:
        rng = np.random.default_rng(0)
        check = checks.serving("reliance", "image").make()
        ids = tuple(f"{prefix}{row:03d}/{copy}" for row in range(n) for copy in range(copies))
        known = facts(n * copies, ids=ids, units=tuple(name.split("/")[0] for name in ids))
        rows: dict[str, Mapping[str, float]] = {}
        for row in range(n):
            values: dict[str, float] = {}
            for draw in range(8):
                donors = rng.choice([one for one in range(n) if one != row], 3, replace=False) * copies
                noise = spread * rng.normal(size=4)
                values |= {
                    f"{arm}/{draw}": float(mean + add) for arm, mean, add in zip("ABCD", arms, noise, strict=True)
                }
                values |= {f"{donor}/{draw}": float(place) for donor, place in zip("jkl", donors, strict=True)}
            rows |= {f"{prefix}{row:03d}/{copy}": values for copy in range(copies)}
        if order is not None:
            rows = {name: rows[name] for name in (list(rows)[place] for place in order)}
        transplants, exchanges = check.trials(known)[:2]
        still = {name: unmoved(values) for name, values in rows.items()} if around else {}
        found = check.judge(known, observe({transplants: rows, exchanges: still}))[0]
        assert isinstance(found, Finding) and found.id == "reliance/outside-share"
        return found

    return run


@pytest.mark.parametrize(("arms", "share"), SHARES)
def test_the_share_in_closed_form(judge: Judge, arms: Sequence[float], share: float) -> None:
    exact, noisy = judge(arms, spread=0.0), judge(arms)
    assert (
        exact.estimate.value == pytest.approx(share)
        and exact.estimate.low == pytest.approx(share) == exact.estimate.high
    )
    assert noisy.estimate.low <= share <= noisy.estimate.high + 0.01 and abs(noisy.estimate.value - share) < 0.1
    inside, outside = (arms[0] - arms[2] + arms[1] - arms[3]) / 2, (arms[0] - arms[1] + arms[2] - arms[3]) / 2
    assert effects(exact) == {
        "inside effect": pytest.approx(inside),
        "outside effect": pytest.approx(outside),
        "interaction": pytest.approx(arms[0] - arms[1] - arms[2] + arms[3]),
    }
    (table,) = of_kind(exact.displays, TableDisplay, "arms")
    assert [row[0] for row in table.rows] == list("ABCD") and len(table.columns) == 4
    assert [row[3].value for row in table.rows] == pytest.approx(list(arms))  # type: ignore[union-attr]
    size = {key: value for one in of_kind(exact.displays, Values) for key, value in one.values.items()}
    assert size == {"recipients": 60, "units": 60, "draws": 8, "blend": 0.01}


def test_swapping_inside_and_outside_swaps_the_effects(judge: Judge) -> None:
    a, b = judge((3, 2, -1, -2)), judge((3, -1, 2, -2))
    one, other = effects(a), effects(b)
    assert one["inside effect"] == pytest.approx(other["outside effect"], abs=0.1)
    assert a.estimate.value + b.estimate.value == pytest.approx(1.0, abs=0.05)


def test_honest_passes_and_shortcut_fails_with_its_p(judge: Judge) -> None:
    honest, shortcut = judge((2, 2, -2, -2), around=True), judge((2, 0.5, -0.5, -2))
    assert (honest.verdict, shortcut.verdict) == ("pass", "fail")
    assert judge((2, 2, -2, -2)).verdict == "inconclusive", "one way alone acquits nobody"
    assert honest.p < 0.05 and shortcut.p < 0.05


def test_a_constant_classifier_is_not_judged(judge: Judge) -> None:
    found = judge((0, 0, 0, 0), spread=0.0)
    assert found.verdict == "inconclusive" and found.p == 1.0 and "neither" in found.reason


def test_copies_under_one_unit_do_not_shrink_the_interval(judge: Judge) -> None:
    one, many = judge((2, 1.5, -1.5, -2), spread=2.0), judge((2, 1.5, -1.5, -2), spread=2.0, copies=4)
    widths = [found.estimate.high - found.estimate.low for found in (one, many)]
    assert many.estimate.value == pytest.approx(one.estimate.value) and widths[1] == pytest.approx(widths[0], rel=0.1)
    assert (many.estimate.n, many.estimate.units, one.estimate.units) == (240, 60, None)


def test_names_and_order_do_not_matter(judge: Judge) -> None:
    plain = judge((3, 2, -1, -2), spread=1.0)
    for other in (
        judge((3, 2, -1, -2), spread=1.0, prefix="zz"),
        judge((3, 2, -1, -2), spread=1.0, order=np.random.default_rng(1).permutation(60).tolist()),
    ):
        assert other.verdict == plain.verdict
        for key in ("value", "low", "high"):
            assert getattr(other.estimate, key) == pytest.approx(getattr(plain.estimate, key), abs=1e-9)


def test_recipients_without_donors_are_counted_by_reason(
    facts: Callable[..., Facts], observe: Callable[..., Observations]
) -> None:
    check, known = checks.serving("reliance", "image").make(), facts(3)
    rows: dict[str, Any] = dict.fromkeys(known.ids, Missing.not_applicable("empty mask"))
    found = check.judge(known, observe({check.trials(known)[0]: rows}))[0]
    assert (found.verdict, found.reason) == ("not_measured", "not applicable: empty mask (3 samples)")


@pytest.mark.parametrize("against", [False, True])
def test_the_flip_gap_in_closed_form(measured: Measured, one_draw: Arms, against: bool) -> None:
    """Another class takes every fifth decision, the same class none; or the same class takes them, where the
    association is reversed.
    """
    found = measured(
        transplant=lambda row: one_draw(*[1, -1 if row % 5 == 0 else 1][:: -1 if against else 1], -1, -2)(row)
    )["reliance/flip-gap"]
    assert found.estimate.value == pytest.approx(-0.2 if against else 0.2) and found.verdict == "fail"
    (mcnemar,) = of_kind(found.displays, Values, "McNemar")
    assert mcnemar.values == {
        "only another class": 0 if against else 40,
        "only same class": 40 if against else 0,
        "recipients": 200,
        "p": pytest.approx(2 * 0.5**40),
    }


SITES = {"factors": {"site": tuple("ns"[row % 4 > 1] for row in range(200))}}


def pairs(north: float, *, towards_class: float = 0.0) -> Callable[[int], dict[str, float]]:
    """Return margins that a northern outside moves by so much towards class 1."""

    def make(row: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for pair, (p, q) in enumerate(((row + 4, row + 6), (row + 6, row + 4))):
            places = [place % 200 for place in (p, q)]
            sign = 1 if row % 2 else -1
            edges = [towards_class + sign * north * (SITES["factors"]["site"][place] == "n") for place in places]
            found |= {f"p/{pair}": places[0], f"q/{pair}": places[1], f"P/{pair}": edges[0], f"Q/{pair}": edges[1]}
        return found

    return make


@pytest.mark.parametrize(("north", "verdict"), [(0.0, "pass"), (0.02, "pass"), (0.5, "fail"), (-0.5, "fail")])
def test_a_factor_in_closed_form(measured: Measured, one_draw: Arms, north: float, verdict: str) -> None:
    """Inside effect 2; the factor moves the log odds of class 1 by `north`, whatever the class is."""
    found = measured(changes=SITES, factor=pairs(north, towards_class=3.0), transplant=one_draw(1, 1, -1, -1))[
        "reliance/factor/site"
    ]
    assert found.verdict == verdict and found.estimate.value == pytest.approx(abs(north) / (abs(north) + 2))
    assert found.primary and ("malignant" if north >= 0 else "benign") in found.claim
    assert list(effects(found, "contrasts").values()) == [pytest.approx(north)]
    ((share,),) = (one.rows for one in of_kind(found.displays, Rows, "shares"))
    assert abs(share.estimate.value) == pytest.approx(found.estimate.value) and share.note == "400 pairs"


def test_a_factor_needs_the_inside_effect(measured: Measured) -> None:
    found = measured(changes=SITES, factor=pairs(1.0))["reliance/factor/site"]
    assert (found.verdict, found.reason) == ("not_measured", "the inside effect was not measured")
