"""The benchmark's further kinds: each changes what it says it changes, is where it says it is, and tells the class as
often as planted; the tables count what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, label

from auditor.core.zones import GUARD, grow

N = 12
AWAY = ("follow5", "follow10", "follow20", "tilt", "pair", "interaction", "cast", "cancel", "weak")
"""Kinds that leave mask and guard band bit for bit. Of the others, corner, the near marks and deform may change pixels
of the guard band, but none of the mask, and sharp changes every part of the picture.
"""
NEAR = ("corner", "follow0", "follow2", "deform")
NOTHING = ("size", "wider")
"""Kinds in which the value shows nowhere."""
FOLLOW = {f"follow{gap}": gap for gap in (0, 2, 5, 10, 20)}


@pytest.fixture(scope="module")
def kinds(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_kinds")


@pytest.fixture(scope="module")
def images(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_images")


@pytest.fixture(scope="module")
def models(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_kinds_models")


@pytest.fixture(scope="module")
def audits(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_kinds_audits")


@pytest.fixture(scope="module")
def tables(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_kinds_tables")


def drawn_with(kinds: ModuleType, images: ModuleType, kind: str, n: int = N) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Return kind, scenes, cue of all classes in turn, and a value of yes for all."""
    how = kinds.KINDS[kind]
    drawn, cue = images.scenes(n, seed=1, looks=how.looks), np.arange(n) % len(how.classes)
    return how, drawn, cue, np.ones((n, 2) if kind == "cancel" else n, bool)


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return which pixels (n, height, width) differ in any channel."""
    differ = a != b
    return differ.any(-1) if differ.ndim == 4 else differ


def turned(kinds: ModuleType, images: ModuleType, kind: str, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels change when the value is turned round, and the masks."""
    how, drawn, cue, yes = drawn_with(kinds, images, kind, n)
    return changed(how.pixels(drawn, cue, yes), how.pixels(drawn, cue, ~yes)), how.mask(drawn, cue)


def test_every_kind_is_tested(kinds: ModuleType) -> None:
    assert sorted((*AWAY, *NEAR, *NOTHING, "sharp")) == sorted(kinds.KINDS)


@pytest.mark.parametrize("kind", AWAY)
def test_the_value_leaves_mask_and_guard_bit_for_bit(kinds: ModuleType, images: ModuleType, kind: str) -> None:
    moved, masks = turned(kinds, images, kind)
    assert not (moved & np.stack([grow(mask, GUARD) for mask in masks])).any() and moved.any((1, 2)).all()


@pytest.mark.parametrize("kind", NEAR)
def test_the_value_leaves_the_mask_bit_for_bit_where_it_may_lie_in_the_guard_band(
    kinds: ModuleType, images: ModuleType, kind: str
) -> None:
    moved, masks = turned(kinds, images, kind)
    assert not (moved & masks).any() and moved.any((1, 2)).all()


@pytest.mark.parametrize("kind", NOTHING)
def test_where_there_is_no_shortcut_the_value_shows_nowhere(kinds: ModuleType, images: ModuleType, kind: str) -> None:
    assert not turned(kinds, images, kind)[0].any() and kinds.KINDS[kind].alone


def test_sharpness_is_of_the_whole_picture(kinds: ModuleType, images: ModuleType) -> None:
    moved, masks = turned(kinds, images, "sharp")
    assert kinds.KINDS["sharp"].whole
    assert all(moved[row][part[row]].mean() > 0.5 for part in (masks, ~masks) for row in range(N))


@pytest.mark.parametrize("kind", (*AWAY, *NEAR, "wider"))
def test_the_cue_changes_pixels_inside_the_mask_only(kinds: ModuleType, images: ModuleType, kind: str) -> None:
    how, drawn, cue, value = drawn_with(kinds, images, kind)
    moved = changed(how.pixels(drawn, cue, value), how.pixels(drawn, np.roll(cue, 1), value))
    assert not (moved & ~drawn.mask).any() and moved.any((1, 2)).all()


@pytest.mark.parametrize("kind", FOLLOW)
def test_the_mark_is_whole_at_its_distance_and_on_every_side(kinds: ModuleType, images: ModuleType, kind: str) -> None:
    moved, masks = turned(kinds, images, kind, 200)
    assert (moved.sum((1, 2)) == kinds.DOT**2).all() and all(label(one)[1] == 1 for one in moved)
    off = [distance_transform_edt(~mask)[one].min() - 1 for mask, one in zip(masks, moved, strict=True)]
    assert min(off) >= FOLLOW[kind] and max(off) < FOLLOW[kind] + 1
    away = np.array([np.argwhere(one).mean(0) - np.argwhere(mask).mean(0) for mask, one in zip(masks, moved)])  # noqa: B905
    quarters = np.bincount((away[:, 0] > 0) * 2 + (away[:, 1] > 0), minlength=4)
    assert quarters.min() > 200 / 10


def test_a_mark_that_fits_nowhere_is_an_error(kinds: ModuleType) -> None:
    mask = np.zeros((48, 48), bool)
    mask[4:-4, 4:-4] = True
    with pytest.raises(ValueError, match="no place 5 pixels"):
        kinds.mark_place(mask, 5, 0.5)


def test_the_dot_is_at_the_upper_right_corner_of_the_box(kinds: ModuleType, images: ModuleType) -> None:
    moved, masks = turned(kinds, images, "corner")
    for one, mask in zip(moved, masks, strict=True):
        rows, columns = np.argwhere(one).T
        assert (
            abs(rows.mean() - np.argwhere(mask)[:, 0].min()) < 1 > abs(columns.mean() - np.argwhere(mask)[:, 1].max())
        )


def test_the_cast_is_of_one_luminance_and_the_tilt_of_one_mean(kinds: ModuleType, images: ModuleType) -> None:
    how, drawn, cue, yes = drawn_with(kinds, images, "cast")
    weights = np.array([0.299, 0.587, 0.114])
    green, magenta = (how.draw(drawn, cue, value) @ weights for value in (yes, ~yes))
    assert np.abs(green - magenta).max() < 1e-5
    how, drawn, cue, yes = drawn_with(kinds, images, "tilt")
    right, left = (how.draw(drawn, cue, value) for value in (yes, ~yes))
    assert (np.diff((right - left)[:, 0]) > 0).all() and abs((right + left - 2 * kinds.plain(drawn, cue)).max()) < 1e-6


def test_masks_of_the_honest_kinds(kinds: ModuleType, images: ModuleType) -> None:
    how, drawn, cue, _ = drawn_with(kinds, images, "size", 40)
    small, large = (how.mask(drawn, np.full(40, one)) for one in (0, 1))
    assert (large | ~small).all() and (how.mask(drawn, cue)[cue == 1] == large[cue == 1]).all()
    assert large.sum((1, 2)).mean() / small.sum((1, 2)).mean() > 1.5
    edge = np.concatenate([large[:, [0, -1]].ravel(), large[:, :, [0, -1]].ravel()])
    assert not edge.any()
    how, drawn, cue, _ = drawn_with(kinds, images, "wider")
    assert (how.mask(drawn, cue)[cue == 0] == drawn.mask[cue == 0]).all()
    wide = how.mask(drawn, np.ones(N, np.int64))
    assert all(0 < distance_transform_edt(~m)[w].max() < 3.5 for m, w in zip(drawn.mask, wide, strict=True))


@pytest.mark.parametrize("guilty", [True, False])
def test_class_and_value_go_together_as_planted(kinds: ModuleType, guilty: bool) -> None:
    units = np.arange(400) // 2
    y, cue, value = kinds.planted("tilt", units, 0.9, guilty=guilty, seed=1)
    assert (value == y).mean() == pytest.approx(0.9, abs=0.01) and (cue == y).all()
    y, cue, value = kinds.planted("pair", units, 0.9, guilty=guilty, seed=1)
    assert (value == y)[y < 2].mean() == pytest.approx(0.9, abs=0.01)
    assert [value[y == one].mean() for one in (2, 3)] == pytest.approx([0.5, 0.5], abs=0.02)
    y, cue, value = kinds.planted("interaction", units, 0.9, guilty=guilty, seed=1)
    assert ((cue ^ value) == y).all() if guilty else (cue == y).all()
    assert [(one == y).mean() for one in (cue, value)] == pytest.approx([0.5 if guilty else 1.0, 0.5], abs=0.02)
    y, _, value = kinds.planted("cancel", units, 0.9, guilty=guilty, seed=1, against=True)
    assert (value == y[:, None]).mean(0) == pytest.approx([0.9, 0.1], abs=0.01)
    both = ((value[:, 0] == y) & (value[:, 1] != y)).mean()
    assert both == pytest.approx(0.81, abs=0.05), "the two values are dealt apart"


class Reader(torch.nn.Module):
    """Reads the mean of the upper left corner only, where the marker lies, and says class 1 where it is bright."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x[:, 0, 1:9, 1:9].mean((1, 2)) - 0.4
        return torch.stack([-bright, bright, torch.full_like(bright, -9), torch.full_like(bright, -9)], 1)


@pytest.mark.slow
def test_the_truth_of_a_reader_of_the_marker_is_the_surroundings_alone(models: ModuleType) -> None:
    found = models.truth(Reader(), "pair", guilty=True, seed=0, agreement=1.0)
    assert found["inside"] == pytest.approx(0, abs=1e-6) and found["share"] == pytest.approx(1, abs=1e-6)
    turned_round = models.truth(Reader(), "pair", guilty=True, seed=0, agreement=0.0)
    assert turned_round["share"] == pytest.approx(-1, abs=1e-6) and turned_round["size"] == pytest.approx(1, abs=1e-6)


def test_models_and_audits_are_as_many_as_wanted(audits: ModuleType, kinds: ModuleType) -> None:
    found = audits.cases(tuple(kinds.KINDS), seed=0, quick=False)
    assert len({case.name for case in found}) == len(found)
    usual = [case for case in found if case.family not in audits.TURNED]
    assert sum(case.guilty for case in usual) >= 150 <= sum(not case.guilty for case in usual)
    assert not [case for case in found if case.guilty and kinds.KINDS[case.model.kind].alone]


def row(kind: str, guilty: bool, size: float, answer: str, share: float | None = None) -> dict[str, Any]:
    """Return a result as planted_kinds_audits.audited makes it."""
    estimate = {"value": 0.1, "low": 0.05, "high": 0.15}
    found = {"verdict": answer, "estimate": estimate, "tolerance": 0.05}
    return {
        "family": kind,
        "model": {"kind": kind, "seed": size},
        "guilty": guilty,
        "truth": {"size": size, "share": size if share is None else share, "accuracy": 0.9},
        "question1": answer,
        "findings": {"reliance/outside-share": found},
        "code": "x",
        "seconds": 1.0,
    }


def test_wrong_acquittals_are_of_defects_beyond_twice_the_tolerance(tables: ModuleType) -> None:
    rows = [
        row("corner", True, 0.2, "pass"),
        row("corner", True, 0.09, "pass"),
        row("interaction", True, 0.9, "inconclusive", share=0.0),
        row("cancel", True, 0.3, "pass", share=0.01),
        row("corner", False, 0.0, "fail"),
        row("size", False, 0.0, "pass"),
    ]
    goals = {sentence: (met, figure) for sentence, met, figure in tables.targets(rows)}
    met, figure = goals["no defect over 2 x tolerance is acquitted"]
    assert met is False and figure.startswith("2/3 ")
    met, figure = goals["at most 2 % of honest audits are accused"]
    assert met is False and figure.startswith("1/2 ")
    assert [tables.covered(one) for one in rows[:3]] == [False, True, None]


def test_the_tables_work_without_and_with_later_findings(
    tables: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row("corner", True, 0.2, "fail"), row("size", False, 0.0, "pass")]
    content = {"kinds": rows, "kinds_seconds": 60.0, "jobs": 2}
    assert tables.report(content) is False, "too few audits"
    assert "Verdicts of single findings" not in capsys.readouterr().out
    rows[0]["findings"]["reliance/near"] = {"verdict": "fail", "estimate": None, "tolerance": 0.05}
    tables.report(content)
    assert "1 / 0 / 0 / 0" in capsys.readouterr().out
