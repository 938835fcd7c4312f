"""Reliance on hand-made margins: the share has a closed form, and units are what counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks
from auditor.records import Facts, Finding, Observations

SHARES = [((1, 1, -1, -1), 0.0), ((1, 0, 0, -1), 0.5), ((1, -1, 1, -1), 1.0), ((3, 2, -1, -2), 0.2), ((1, 2, -1, 0), -1 / 3)]
Judge = Callable[..., Finding]


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> Judge:
    """Return function (arms, n, spread, copies, names) -> the finding on n recipients, each there `copies` times under its unit."""

    def run(arms: Sequence[float], *, n: int = 60, spread: float = 0.5, copies: int = 1, prefix: str = "s", order: Sequence[int] | None = None) -> Finding:
        rng = np.random.default_rng(0)
        check = checks["reliance"].make()
        ids = tuple(f"{prefix}{row:03d}/{copy}" for row in range(n) for copy in range(copies))
        known = facts(n * copies, ids=ids, units=tuple(name.split("/")[0] for name in ids))
        rows: dict[str, Mapping[str, float]] = {}
        for row in range(n):
            values: dict[str, float] = {}
            for draw in range(8):
                donors = rng.choice([one for one in range(n) if one != row], 3, replace=False) * copies
                noise = spread * rng.normal(size=4)
                values |= {f"{arm}/{draw}": float(mean + add) for arm, mean, add in zip("ABCD", arms, noise, strict=True)}
                values |= {f"{donor}/{draw}": float(place) for donor, place in zip("jkl", donors, strict=True)}
            rows |= {f"{prefix}{row:03d}/{copy}": values for copy in range(copies)}
        if order is not None:
            rows = {name: rows[name] for name in (list(rows)[place] for place in order)}
        trial, *_ = check.trials(known)
        found, *_ = check.judge(known, observe({trial: rows}))
        assert isinstance(found, Finding)
        return found

    return run


@pytest.mark.parametrize(("arms", "share"), SHARES)
def test_the_share_in_closed_form(judge: Judge, arms: Sequence[float], share: float) -> None:
    exact, noisy = judge(arms, spread=0.0), judge(arms)
    assert exact.estimate.value == pytest.approx(share) and exact.estimate.low == pytest.approx(share) == exact.estimate.high
    assert noisy.estimate.low <= share <= noisy.estimate.high + 0.01 and abs(noisy.estimate.value - share) < 0.1
    inside, outside = (arms[0] - arms[2] + arms[1] - arms[3]) / 2, (arms[0] - arms[1] + arms[2] - arms[3]) / 2
    effects = {row["name"]: row["estimate"]["value"] for row in exact.details["effects"]}
    assert effects == {
        "inside effect": pytest.approx(inside),
        "outside effect": pytest.approx(outside),
        "interaction": pytest.approx(arms[0] - arms[1] - arms[2] + arms[3]),
    }
    assert [row["estimate"]["value"] for row in exact.details["arms"]] == pytest.approx(list(arms))


def test_swapping_inside_and_outside_swaps_the_effects(judge: Judge) -> None:
    a, b = judge((3, 2, -1, -2)), judge((3, -1, 2, -2))
    one, other = ({row["name"]: row["estimate"]["value"] for row in found.details["effects"]} for found in (a, b))
    assert one["inside effect"] == pytest.approx(other["outside effect"], abs=0.1)
    assert a.estimate.value + b.estimate.value == pytest.approx(1.0, abs=0.05)


def test_honest_passes_and_shortcut_fails_with_its_p(judge: Judge) -> None:
    honest, shortcut = judge((2, 2, -2, -2)), judge((2, 0.5, -0.5, -2))
    assert (honest.verdict, shortcut.verdict) == ("pass", "fail")
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
    for other in (judge((3, 2, -1, -2), spread=1.0, prefix="zz"), judge((3, 2, -1, -2), spread=1.0, order=np.random.default_rng(1).permutation(60).tolist())):
        assert other.verdict == plain.verdict
        for key in ("value", "low", "high"):
            assert getattr(other.estimate, key) == pytest.approx(getattr(plain.estimate, key), abs=1e-9)


def test_recipients_without_donors_are_counted_by_reason(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> None:
    check, known = checks["reliance"].make(), facts(3)
    rows: dict[str, Any] = dict.fromkeys(known.ids, "not applicable: empty mask")
    found, *_ = check.judge(known, observe({check.trials(known)[0]: rows}))
    assert (found.verdict, found.reason) == ("not_measured", "not applicable: empty mask (3 samples)")
