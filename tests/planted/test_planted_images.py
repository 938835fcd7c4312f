"""The benchmark's phantoms: flipping the nuisance changes nothing near the mask, flipping the cue nothing outside it,
and shares are as planted.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from auditor.core.zones import GUARD, grow

KINDS = ("marker", "text", "border", "texture", "colour", "scanner")
LOOKS = ("usual", "small", "large", "faint", "context")
N = 12


@pytest.fixture(scope="module")
def planted(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_images")


@pytest.fixture(scope="module")
def tables(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_tables")


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return which pixels (n, height, width) differ in any channel."""
    differ = a != b
    return differ.any(-1) if differ.ndim == 4 else differ


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("kind", KINDS)
def test_flipping_the_nuisance_leaves_mask_and_guard_bit_for_bit(planted: ModuleType, kind: str, looks: str) -> None:
    drawn, labels, yes = planted.scenes(N, seed=1, looks=planted.LESIONS[looks]), np.arange(N) % 2, np.ones(N, bool)
    moved = changed(planted.render(drawn, labels, yes, kind), planted.render(drawn, labels, ~yes, kind))
    near = np.stack([grow(mask, GUARD) for mask in drawn.wide])
    assert not (moved & near).any() and moved.any((1, 2)).all()
    assert (kind != "marker") or not (moved & ~planted.marked_area("marker")).any()


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("kind", KINDS)
def test_flipping_the_cue_changes_pixels_inside_the_mask_only(planted: ModuleType, kind: str, looks: str) -> None:
    drawn, label, nuisance = (
        planted.scenes(N, seed=2, looks=planted.LESIONS[looks]),
        np.ones(N, np.int64),
        np.arange(N) % 2 == 1,
    )
    own, other = planted.render(drawn, label, nuisance, kind), planted.render(drawn, 0 * label, nuisance, kind)
    moved = changed(own, other)
    assert not (moved & ~drawn.wide).any() and moved.any((1, 2)).all()
    lesion_alone = changed(own, planted.render(drawn, 0 * label, nuisance, kind, beside=label))
    assert not (lesion_alone & ~drawn.mask).any() and (moved == lesion_alone).all() == (looks != "context")


def test_the_second_structure_is_clear_of_the_lesion_and_lies_in_the_image(planted: ModuleType) -> None:
    drawn = planted.scenes(100, seed=3, looks=planted.LESIONS["context"])
    structure = drawn.structure <= planted.COLLAR
    assert not (structure & drawn.mask).any() and structure.any((1, 2)).all()
    edge = np.concatenate([structure[:, [0, -1]].ravel(), structure[:, :, [0, -1]].ravel()])
    assert not edge.any()


@pytest.mark.parametrize("share", [0.5, 0.6, 0.75, 0.9, 0.95, 1.0])
def test_the_nuisance_agrees_with_the_class_as_often_as_planted(planted: ModuleType, share: float) -> None:
    units = np.arange(400) // 2
    labels = units % 2
    agrees = planted.dealt(labels, units, share, seed=0) == (labels == 1)
    assert [agrees[labels == label].mean() for label in (0, 1)] == pytest.approx([share, share], abs=0.5 / 100)
    assert all(len(set(agrees[units == unit])) == 1 for unit in units), "a patient has one scanner"


def test_the_same_seed_draws_the_same_scenes_and_patients_share_their_cue(planted: ModuleType) -> None:
    one, two = (planted.scenes(200, seed=5, looks=planted.LESIONS["usual"], per_patient=2) for _ in range(2))
    labels, nuisance = one.patients % 2, np.arange(200) % 2 == 1
    assert np.array_equal(
        planted.render(one, labels, nuisance, "texture"), planted.render(two, labels, nuisance, "texture")
    )
    first, second = one.deviation[0::2, 0], one.deviation[1::2, 0]
    assert 0.2 < np.corrcoef(first, second)[0, 1] < 0.8
    assert not np.array_equal(
        one.tissue, planted.scenes(200, seed=6, looks=planted.LESIONS["usual"], per_patient=2).tissue
    )


def test_rules_read_verdicts_and_leave_out_what_a_version_does_not_offer(tables: ModuleType) -> None:
    def row(verdict: str, low: float, high: float) -> dict[str, object]:
        return {
            "findings": {
                "reliance/outside-share": {
                    "verdict": verdict,
                    "estimate": {"value": (low + high) / 2, "low": low, "high": high},
                }
            }
        }

    rows = [row("fail", 0.1, 0.2), row("pass", -0.01, 0.01), row("inconclusive", 0.02, 0.08)]
    assert tables.answers(tables.RULES["outside-share: verdict"], rows) == [True, False, None]
    assert tables.answers(tables.RULES["outside-share: interval excludes 0"], rows) == [True, False, True]
    assert tables.answers(tables.RULES["left-over: verdict"], rows) == []
    assert tables.counted([True, False, None]).startswith("1/3 ") and tables.counted([]) == "-"


@pytest.mark.parametrize(("cell", "expected"), [((0, 0), True), ((0, 1), False), ((1, 0), False), ((5, 5), False)])
def test_a_hit_is_a_cell_that_overlaps_the_marker(tables: ModuleType, cell: tuple[int, int], expected: bool) -> None:
    peak = {"row": cell[0], "column": cell[1], "rows": 6, "columns": 6}
    assert tables.hit({"findings": {"reliance/where": {"peak": peak}}}) is expected
    assert tables.hit({"findings": {"reliance/where": {"peak": None}}}) is False
