"""Answers, words, pictures and the place of the templates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.core.errors import AuditorError
from auditor.core.estimates import Estimate
from auditor.core.records import Finding
from auditor.modalities.images.report import pictures
from auditor.report import words
from auditor.report.answers import answers
from auditor.report.cases import cases
from auditor.report.figures import strip
from auditor.report.render import load
from auditor.report.templates import section_files, templates_dir

EIGHT_BIT = {"levels": 255, "low": 0.0, "high": 1.0}


def test_a_question_is_answered_by_its_worst_primary_finding(full: Path) -> None:
    found = {answer.number: answer for answer in answers(load(full)[1])}
    assert [found[number].verdict for number in (1, 2, 3, 4)] == ["fail", "inconclusive", "pass", "fail"]
    named = found[2].findings
    assert "fairness/sex/robustness-gap" in named and "fairness/sex/accuracy-gap" not in named
    assert "fairness/sex/targeted-harm" not in named, "what does not decide is not the answer, whatever its verdict"
    assert found[2].advice == "Audit more samples of each group."


def test_many_deciding_findings_are_counted_not_listed() -> None:
    several = [
        Finding(f"fairness/{k}/robustness-gap", "fairness", "fail", f"Gap {k}.", question=2, primary=True)
        for k in range(9)
    ]
    assert answers(several)[1].headline == "Gap 0. Gap 1. 7 more findings have the same verdict."
    assert len(answers(several)[1].findings) == 9


def test_a_question_without_a_primary_finding_is_not_measured_for_a_reason() -> None:
    answer = answers(
        [
            Finding(
                "attribution/saliency/stability",
                "attribution",
                "not_measured",
                "",
                reason="no gradient is offered",
                question=3,
            )
        ]
    )[2]
    assert answer.verdict == "not_measured" and answer.headline == "Not measured. no gradient is offered."


@pytest.mark.parametrize(
    ("epsilon", "data", "text"),
    [
        (2 / 255, EIGHT_BIT, "2/255"),
        (2.0, {**EIGHT_BIT, "high": 255.0}, "2/255"),
        (0.01, EIGHT_BIT, "0.010"),
        (0.5, {}, "0.500"),
        (None, EIGHT_BIT, ""),
        (1 / 65535, {"levels": 65535}, "1/65535"),
    ],
)
def test_epsilon_is_told_in_grey_levels(epsilon: float | None, data: dict[str, float], text: str) -> None:
    assert words.epsilon_text(epsilon, data) == text


@pytest.mark.parametrize(
    ("epsilon", "data", "text"),
    [
        (3.42 / 255, EIGHT_BIT, "3.42/255"),
        (2 / 255, EIGHT_BIT, "2/255"),
        (123.4 / 65535, {"levels": 65535}, "123/65535"),
        (0.0123, {}, "0.012"),
        ("x", {}, ""),
    ],
)
def test_a_mean_epsilon_may_lie_between_grey_levels(epsilon: object, data: dict[str, float], text: str) -> None:
    assert words.steps_text(epsilon, data) == text


def test_the_same_figure_has_the_same_bytes() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 30, "share", "Wilson", share=True)
    assert strip(estimate, tolerance=0.1) == strip(estimate, tolerance=0.1)
    assert strip(estimate).alt.startswith("Estimate 50\u00a0%")


def test_pictures_are_read_from_grey_colour_deep_and_array_files(tmp_path: Path) -> None:
    values = np.arange(42).reshape(6, 7)
    Image.fromarray((values * 6).astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat((values * 6).astype(np.uint8)[..., None], 3, axis=2)).save(tmp_path / "colour.png")
    Image.fromarray((values * 1542).astype(np.uint16)).save(tmp_path / "deep.png")
    np.save(tmp_path / "array.npy", (values * 6 / 255)[None])
    np.save(tmp_path / "channels.npy", np.repeat((values * 6 / 255)[None], 3, axis=0))
    for name in ("grey.png", "deep.png", "array.npy"):
        assert np.allclose(pictures.read_image(tmp_path / name), values * 6 / 255)
    for name in ("colour.png", "channels.npy"):
        assert np.allclose(pictures.read_image(tmp_path / name)[..., 1], values * 6 / 255)


def test_a_change_keeps_its_sign_and_an_outline_its_place() -> None:
    before = np.full((5, 5, 3), 0.5)
    after = before.copy()
    after[2, 2, 1] -= 0.1
    assert pictures.change(before, after)[2, 2] == pytest.approx(-0.1)
    red, _, blue = pictures.signed(pictures.change(before, after), scale=0.1)[2, 2]
    assert blue > red
    mask = np.zeros((5, 5), dtype=bool)
    mask[1:4, 1:4] = True
    drawn = pictures.outlined(pictures.rgb(before), mask)
    assert tuple(drawn[1, 1]) == pictures.OUTLINE and tuple(drawn[2, 2]) == tuple(drawn[0, 0])


def test_cases_without_an_index_are_none_and_a_broken_index_is_refused(tmp_path: Path) -> None:
    assert cases(tmp_path, {}) == []
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "index.json").write_text("[")
    with pytest.raises(AuditorError, match=r"index\.json"):
        cases(tmp_path, {})


def test_a_case_without_files_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "index.json").write_text(
        json.dumps({"cases": [{"rule": "worst", "sample": "s", "text": "MKV became MKI."}, "odd"]})
    )
    (case,) = cases(tmp_path, {})
    assert case.text == "MKV became MKI." and case.pictures == ()


def test_templates_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "auditor"
    packed = package / "_templates" / "sections"
    packed.mkdir(parents=True)
    with pytest.raises(AuditorError, match="found none"):
        templates_dir(package)
    (packed.parent / "report.html").touch()
    (packed / "20_second.html").touch()
    (packed / "10_first.html").touch()
    assert templates_dir(package) == packed.parent
    assert [file.name for file in section_files(packed.parent)] == ["10_first.html", "20_second.html"]
    assert (templates_dir() / "sections" / "00_cover.html").is_file()
