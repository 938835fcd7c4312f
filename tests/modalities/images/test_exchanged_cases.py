"""Cases of what lies around a mask: written with what was exchanged, shown, and noticed where a byte changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from auditor.engine.prepare import prepare
from auditor.engine.verify import verify
from auditor.modalities.images.data.saving import read_pixels
from auditor.pipeline import finish

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exchanged")
    finish(prepare(study / "marker.yaml", limit=60, only=("reliance",)), out, pdf=False)
    return out


def cases(out: Path) -> list[dict[str, object]]:
    index = json.loads((out / "evidence" / "index.json").read_text())["cases"]
    return [case for case in index if "exchanged" in case["files"]]


def test_what_is_far_was_exchanged_and_nothing_else(finished: Path) -> None:
    """The planted marker lies in a corner, far from the lesion."""
    far = [case for case in cases(finished) if case["finding"] == "reliance/far"]
    assert len(far) == 3
    for case in far:
        original, exchanged, mask = (
            read_pixels(finished / "evidence" / case["files"][kind])[0]  # type: ignore[index]
            for kind in ("original", "exchanged", "mask")
        )
        moved = (original != exchanged).any(0)
        assert moved.any() and not (moved & (mask[0] > 0.5)).any()
        rows, columns = np.nonzero(moved)
        assert len(rows) > 0.2 * moved.size and str(case["label"]) in str(case["text"])


def test_they_hold_and_are_shown(finished: Path) -> None:
    assert [one for one in verify(finished) if not one.holds] == []
    page = (finished / "report.html").read_text()
    assert "With that part exchanged" in page and "Cases of <code>reliance/far</code>" in page


def test_a_pixel_inside_is_noticed(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    case = cases(copy)[0]
    files: dict[str, str] = case["files"]  # type: ignore[assignment]
    shutil.copy(copy / "evidence" / files["mask"], copy / "evidence" / files["exchanged"])
    broken = [one.what for one in verify(copy) if not one.holds]
    assert any("marked region is bit for bit" in one for one in broken)
