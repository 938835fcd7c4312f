"""What a search can say, and why a number is missing: values with one reading each."""

import json

import pytest

from auditor.core.outcomes import Missing, MissingKind, Outcome


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"outcome": 3, "flipped": 0}, Outcome.PROVEN_IMPOSSIBLE),
        ({"outcome": 0}, Outcome.NONE_FOUND),
        ({"fooled": 1}, Outcome.FLIPPED_AT_MOST),
        ({"fooled": 0}, Outcome.NONE_FOUND),
        ({"fooled": 0, "outcome": 3}, Outcome.PROVEN_IMPOSSIBLE),
    ],
)
def test_every_row_of_a_search_has_an_outcome(values: dict[str, float], outcome: Outcome) -> None:
    assert Outcome.of(values) is outcome


def test_the_numbers_of_the_ledger_stay() -> None:
    assert [int(one) for one in Outcome] == [0, 1, 2, 3] and len({one.text for one in Outcome}) == 4
    assert [one.flipped for one in Outcome] == [False, True, True, False]
    assert [one.proven for one in Outcome] == [False, False, True, True]


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (Missing.not_applicable("empty mask", "organ"), "not applicable for zone organ: empty mask"),
        (Missing.not_applicable("no donor"), "not applicable: no donor"),
        (Missing.failed("OSError: gone"), "failed: OSError: gone"),
        (Missing.too_few("3 of at least 10 rows"), "too few to say: 3 of at least 10 rows"),
        (Missing.excluded("fewer than 2 % of the rows"), "fewer than 2 % of the rows"),
    ],
)
def test_a_reason_is_a_value_and_becomes_a_text_at_the_end(missing: Missing, text: str) -> None:
    assert missing.text == text
    assert Missing.from_dict(json.loads(json.dumps(missing.as_dict()))) == missing
    assert isinstance(missing.kind, MissingKind)
