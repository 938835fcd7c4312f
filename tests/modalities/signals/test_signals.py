"""A modality in one folder, found as another package is, audited end to end by the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HOME = Path(__file__).parent / "signals"
LENGTH, SAMPLES, MARKER = 48, 60, 3
pytestmark = pytest.mark.slow
INSIDE = np.zeros(LENGTH, dtype=bool)
INSIDE[16:32] = True
AUDIT = """
title: {name} on signals
model: {{source: signal_linear, weights: {name}.npz, classes: [flat, bump]}}
data: {{source: signals, file: signals.npz}}
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Place:
    """A folder with the data, the classifiers and their audit files, and the command line that knows the package."""

    folder: Path
    auditor: Command


def write_study(folder: Path) -> None:
    """Write signals whose class shows inside the mask and, by a marker, outside; and a classifier of either."""
    rng = np.random.default_rng(3)
    y = np.arange(SAMPLES) % 2
    x = rng.uniform(0.3, 0.5, (SAMPLES, LENGTH)).astype(np.float32)
    bump = np.where(INSIDE, np.exp(-(((np.arange(LENGTH) - 23.5) / 3) ** 2)), 0.0)
    heights = y * rng.uniform(0.2, 0.5, SAMPLES)
    x += (heights[:, None] * bump).astype(np.float32)
    x[:, :MARKER] = np.where(y[:, None] == 1, 0.7, 0.3)
    np.savez(folder / "signals.npz", x=x, y=y, inside=INSIDE)
    for name, weight in (
        ("honest", np.where(INSIDE, bump, 0.01)),
        ("marker", np.where(np.arange(LENGTH) < MARKER, 1.0, 0.02 * bump)),
    ):
        scores = x @ weight
        middle = (scores[y == 0].max() + scores[y == 1].min()) / 2
        np.savez(folder / f"{name}.npz", weight=10 * weight, bias=-10 * middle)
        (folder / f"{name}.yaml").write_text(AUDIT.format(name=name))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return the study beside an installed package of the modality: its folder and what it is installed as."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    site = tmp_path_factory.mktemp("site")
    (site / HOME.name).symlink_to(HOME)
    installed = site / "signals-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: signals\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text("[auditor.modalities]\nsignal = signals:MODALITY\n")
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))

    def auditor(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "auditor", *arguments]
        return subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
        )

    return Place(folder, auditor)


@pytest.fixture(scope="module")
def ran(place: Place) -> dict[str, dict[str, Any]]:
    """Return the findings of both classifiers by id, each with its exit code under ''."""
    found = {}
    for name in ("honest", "marker"):
        done = place.auditor("run", f"{name}.yaml", "--out", name)
        content = json.loads((place.folder / name / "findings.json").read_text()) if done.returncode != 2 else {}
        assert content, done.stderr
        found[name] = {one["id"]: one for one in content["findings"]} | {"": done.returncode}
    return found


def test_its_plug_ins_are_listed_and_its_audit_is_understood(place: Place) -> None:
    listed = place.auditor("list").stdout
    assert all(name in listed for name in ("signals ", "signal_linear ", "splice "))
    understood = place.auditor("validate", "honest.yaml")
    assert understood.returncode == 0, understood.stderr
    assert f"{SAMPLES}" in understood.stdout and f"({LENGTH},)" in understood.stdout
    planned = place.auditor("plan", "honest.yaml")
    assert planned.returncode == 0, planned.stderr
    assert "splice" in planned.stdout and "evasion" in planned.stdout


def test_reliance_tells_the_honest_classifier_from_the_one_that_reads_a_marker(ran: dict[str, dict[str, Any]]) -> None:
    honest, marker = (ran[name]["reliance/outside-share"] for name in ("honest", "marker"))
    assert (honest["verdict"], marker["verdict"]) == ("pass", "fail")
    assert honest["estimate"]["value"] < 0.1 < 0.9 < marker["estimate"]["value"]
    assert ran["marker"][""] == 1, "a finding failed"


def test_exposure_attacks_the_outside_alone(ran: dict[str, dict[str, Any]]) -> None:
    honest, marker = (ran[name]["exposure/outside"] for name in ("honest", "marker"))
    assert (honest["verdict"], marker["verdict"]) == ("pass", "fail")
    assert honest["estimate"]["value"] < 0.1 < 0.9 < marker["estimate"]["value"]
    assert ran["honest"]["exposure/everywhere"]["estimate"]["value"] > 0.9, "the mask protects it, not its strength"
    assert marker["question"] == 4 and "outside the expert's mask change by at most 0.3" in marker["claim"]


def test_the_report_shows_both_and_can_be_verified(place: Place, ran: dict[str, dict[str, Any]]) -> None:
    for name in ("honest", "marker"):
        page = (place.folder / name / "report.html").read_text()
        for found in ("exposure/outside", "reliance/outside-share"):
            assert ran[name][found]["claim"].partition("]")[2].split("(")[0].strip() in page.replace("&#39;", "'")
        checked = place.auditor("verify", name)
        assert checked.returncode == 0, checked.stdout + checked.stderr
