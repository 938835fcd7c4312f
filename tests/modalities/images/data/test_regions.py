"""Expressions over masks: against sets of pixels, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.errors import DataError
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.data.regions import declare, mask_expression

PLACES = frozenset((row, column) for row in range(3) for column in range(4))
NAMES = ("mask", "organ", "marker")
Pixels = frozenset[tuple[int, int]]


@st.composite
def expressions(draw: st.DrawFn, masks: dict[str, Pixels], depth: int = 3) -> tuple[str, Pixels]:
    """Return an expression with all its parentheses, and its pixels as a set."""
    kind = draw(st.sampled_from(["name", "not", "-", "|", "&"])) if depth else "name"
    if kind == "name":
        name = draw(st.sampled_from(NAMES))
        return name, masks[name]
    one, mine = draw(expressions(masks, depth - 1))
    if kind == "not":
        return f"({draw(st.sampled_from(['not ', '~']))}{one})", PLACES - mine
    other, its = draw(expressions(masks, depth - 1))
    word = draw(st.sampled_from({"-": ["-"], "|": ["|", "or"], "&": ["&", "and"]}[kind]))
    return f"({one} {word} {other})", {"-": mine - its, "|": mine | its, "&": mine & its}[kind]


def array(pixels: Pixels) -> np.ndarray:
    return np.array([[(row, column) in pixels for column in range(4)] for row in range(3)])


@pytest.mark.slow
@given(st.data(), st.lists(st.frozensets(st.sampled_from(sorted(PLACES))), min_size=3, max_size=3))
def test_expressions_are_sets_of_pixels(data: st.DataObject, drawn: list[Pixels]) -> None:
    masks = dict(zip(NAMES, drawn, strict=True))
    text, pixels = data.draw(expressions(masks))
    expression = mask_expression("here", text, NAMES)
    found = expression.of({name: array(mask) for name, mask in masks.items()})
    assert found is not None and found.dtype == np.bool_ and np.array_equal(found, array(pixels))
    again = mask_expression("here", expression.text, NAMES)
    assert again.text == expression.text and again.names == expression.names
    for name in expression.names:
        assert expression.of({other: None if other == name else array(mask) for other, mask in masks.items()}) is None
    assert (
        expression.of({name: array(mask) if name in expression.names else None for name, mask in masks.items()})
        is not None
    )


BINDING = [
    ("~organ & mask", "(~organ) & mask"),
    ("organ - mask | marker", "(organ - mask) | marker"),
    ("not organ - mask", "not (organ - mask)"),
]


@pytest.mark.parametrize(("text", "same"), BINDING)
def test_operators_bind_as_in_python(text: str, same: str) -> None:
    masks = {
        "mask": np.array([[1, 1, 0, 0]], bool),
        "organ": np.array([[1, 0, 1, 0]], bool),
        "marker": np.array([[0, 0, 0, 1]], bool),
    }
    assert np.array_equal(
        mask_expression("here", text, NAMES).of(masks), mask_expression("here", same, NAMES).of(masks)
    )  # type: ignore[arg-type]


MASK, ORGAN = MaskSource(column="lesion"), MaskSource(column="organ")
REFUSED = [
    *(
        "",
        "organ +",
        "organ + mask",
        "-organ",
        "1",
        "True",
        "'organ'",
        "organ.size",
        "organ[0]",
        "f(organ)",
        "__import__('os')",
        "[organ]",
        "organ < mask",
    ),
    *(
        "organ ^ mask",
        "organ if mask else marker",
        "lambda: organ",
        "organ; mask",
        "(organ",
        "x := organ",
        "organ\x00",
        "~" * 200_000,
        "organ" + " | organ" * 99,
    ),
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:20]))
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(
        DataError, match=r"^'data.zones.x': expected names of masks with not, -, \|, & and parentheses, .* got '"
    ) as caught:
        mask_expression("'data.zones.x'", text, NAMES)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DataError, match="'data.inside': expected the name of a mask, got 'orgn'; did you mean 'organ'"):
        declare(MASK, {"organ": ORGAN}, {}, inside="mask | orgn")
    with pytest.raises(DataError, match="got 'mask'; valid: organ"):
        declare(None, {"organ": ORGAN}, {"rest": "organ - mask"}, inside=None)


@pytest.mark.parametrize("name", ["inside", "mask", "named", "control", "2nd", "a b", "not"])
@pytest.mark.parametrize("key", ["masks", "zones"])
def test_names_that_cannot_be(key: str, name: str) -> None:
    with pytest.raises(DataError, match=f"'data.{key}': expected a name of letters, digits and _, .* got '{name}'"):
        declare(MASK, **{"masks": {}, "zones": {}, key: {name: MASK if key == "masks" else "mask"}}, inside=None)  # type: ignore[arg-type]


def test_a_name_has_one_meaning() -> None:
    with pytest.raises(DataError, match="got 'organ' in both"):
        declare(MASK, {"organ": ORGAN}, {"organ": "not mask"}, inside=None)


def test_what_is_declared() -> None:
    regions = declare(MASK, {"organ": ORGAN}, {"air": "not  organ"}, inside="mask or organ")
    assert regions.files == {"mask": MASK, "organ": ORGAN} and not regions.plain
    assert regions.texts() == {"inside": "mask or organ", "organ": "organ", "air": "not organ"}
    assert (
        declare(MASK, {}, {}, inside=None).plain
        and declare(MASK, {}, {}, inside="mask").plain
        and declare(None, {}, {}, inside=None).plain
    )
    assert declare(None, {"organ": ORGAN}, {}, inside=None).of({"organ": None}) == {"inside": None, "organ": None}
