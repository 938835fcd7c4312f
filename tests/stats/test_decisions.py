"""Verdicts on estimates with a sign, which are held against a tolerance on both sides of zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from auditor.checks.common import reason
from auditor.core.records import Estimate
from auditor.stats.decisions import benjamini_hochberg, decide, holm, needed_n

TOLERANCE = 0.05
EITHER = [
    (0.06, 0.2, "fail"),
    (-0.2, -0.06, "fail"),
    (-0.05, 0.05, "pass"),
    (0.0, 0.0, "pass"),
    (-0.05, -0.05, "pass"),
    (0.05, 0.2, "inconclusive"),
    (-0.2, -0.05, "inconclusive"),
    (-0.06, 0.0, "inconclusive"),
    (0.0, 0.06, "inconclusive"),
    (-0.2, 0.2, "inconclusive"),
]


def estimate(value: float, low: float, high: float, n: int = 100) -> Estimate:
    return Estimate(value, low, high, n, "", "", share=True)


@pytest.mark.parametrize(("low", "high", "verdict"), EITHER)
def test_either_side_of_zero(low: float, high: float, verdict: str) -> None:
    assert decide(estimate((low + high) / 2, low, high), TOLERANCE, worse="either") == verdict


def test_what_one_sided_limits_miss() -> None:
    """A share of -25 % is no pass: the association is reversed, and the model reads it as much."""
    found = estimate(-0.25, -0.27, -0.23)
    assert (decide(found, TOLERANCE), decide(found, TOLERANCE, worse="either")) == ("pass", "fail")


ends = st.tuples(*[st.floats(-1, 1).map(lambda one: round(one, 3))] * 3).map(sorted)


@given(ends)
def test_the_sign_does_not_matter(three: list[float]) -> None:
    low, value, high = three
    one, mirrored = estimate(value, low, high), estimate(-value, -high, -low)
    assert decide(one, TOLERANCE, worse="either") == decide(mirrored, TOLERANCE, worse="either")
    assert needed_n(one, TOLERANCE, either=True) == needed_n(mirrored, TOLERANCE, either=True)


@given(ends)
def test_above_zero_it_is_the_one_sided_verdict(three: list[float]) -> None:
    low, value, high = (abs(one) for one in sorted(three, key=abs))
    one = estimate(value, low, high)
    assert decide(one, TOLERANCE, worse="either") == decide(one, TOLERANCE)
    if decide(one, TOLERANCE) == "inconclusive":
        assert needed_n(one, TOLERANCE, either=True) == needed_n(one, TOLERANCE)


@given(ends)
def test_so_many_samples_would_decide(three: list[float]) -> None:
    """The interval shrinks with the root of the number, about the same value: with that many it decides, and with a
    tenth fewer it does not.
    """
    low, value, high = three
    one = estimate(value, low, high)
    wanted = needed_n(one, TOLERANCE, either=True)
    if decide(one, TOLERANCE, worse="either") != "inconclusive":
        assert wanted is None
    elif wanted is None:
        assert abs(abs(value) - TOLERANCE) < 0.02 * (high - low), "it lies on the tolerance, or nearly"
    else:

        def after(n: float) -> str:
            narrower = (one.n / n) ** 0.5
            found = estimate(value, value - (value - low) * narrower, value + (high - value) * narrower)
            return decide(found, TOLERANCE, worse="either")

        assert after(wanted * 1.001 + 1) != "inconclusive" and after(wanted * 0.9) == "inconclusive"


@pytest.mark.parametrize(
    ("value", "low", "high", "held"),
    [
        (0.04, 0.0, 0.08, "5 %"),
        (-0.04, -0.08, 0.0, "-5 %"),
        (0.01, -0.08, 0.04, "-5 %"),
        (-0.01, -0.04, 0.08, "5 %"),
        (0.01, -0.08, 0.1, "5 %"),
        (-0.01, -0.1, 0.08, "-5 %"),
    ],
)
def test_a_reason_names_the_tolerance_that_the_interval_holds(value: float, low: float, high: float, held: str) -> None:
    said = reason("inconclusive", estimate(value, low, high), TOLERANCE, either=True)
    assert f"holds the tolerance {held};" in said


def test_a_reason_names_the_side() -> None:
    assert "beyond the tolerance -5 %" in reason("fail", estimate(-0.2, -0.3, -0.1), TOLERANCE, either=True)
    assert "beyond the tolerance 5 %" in reason("fail", estimate(0.2, 0.1, 0.3), TOLERANCE, either=True)
    assert "within the tolerance 5 %" in reason("pass", estimate(-0.01, -0.02, 0.0), TOLERANCE, either=True)


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.025, 0.05, 1.0]), min_size=1, max_size=12))
def test_corrections_are_those_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == multipletests(p_values, method="holm")[0].tolist()
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


def test_no_claims_need_no_correction() -> None:
    assert holm([]) == benjamini_hochberg([]) == []
