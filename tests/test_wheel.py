"""The wheel holds everything that a report and the demonstration need."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


def test_templates_masks_and_weights_are_packed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    expected = {
        f"auditor/_templates/{path.relative_to(ROOT / 'templates')}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file()
    }
    expected |= {f"auditor/_sample_masks/{path.name}" for path in (ROOT / "sample_masks").iterdir()}
    expected |= {
        "auditor/modalities/images/demo/weights/honest.safetensors",
        "auditor/modalities/images/demo/weights/marker.safetensors",
        "auditor/cli/main.py",
    }
    assert expected <= names
    assert not any("shared" in name or name.startswith("tests/") for name in names)
