"""Every unusable input: one sentence on stderr, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

Change = Callable[[Path], None]


def edit(before: str, after: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / "honest.yaml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    return change


def manifest(before: str, after: str, count: int = 1) -> Change:
    def change(folder: Path) -> None:
        path = folder / "manifest.csv"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, count))

    return change


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def truncate(folder: Path) -> None:
    path = first(folder, "images/*.png")
    path.write_bytes(path.read_bytes()[:-200])


def other_aspect(folder: Path) -> None:
    Image.fromarray(np.full((64, 32), 255, dtype=np.uint8)).save(first(folder, "masks/*.png"))


def empty_masks(folder: Path) -> None:
    for path in folder.glob("masks/*.png"):
        Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(path)


def nan_weights(folder: Path) -> None:
    state = load_file(folder / "honest.safetensors")
    name = next(key for key, value in state.items() if value.is_floating_point())
    state[name] = torch.full_like(state[name], float("nan"))
    save_file(state, folder / "honest.safetensors")


def missing_key(folder: Path) -> None:
    state = load_file(folder / "honest.safetensors")
    state.pop("fc.bias")
    save_file(state, folder / "honest.safetensors")


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("the pickle ran",))


def pickled(folder: Path) -> None:
    (folder / "model.pth").write_bytes(pickle.dumps(Payload()))
    edit("honest.safetensors", "model.pth")(folder)


def norm_not_served(folder: Path) -> None:
    edit("norm: linf", "norm: l1")(folder)
    edit("name: pgd", "name: square")(folder)
    edit("settings: {steps: 5}", "settings: {queries: 5}")(folder)


CASES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "missing weights": (edit("weights: honest.safetensors", "weights: nowhere.safetensors"), ("nowhere.safetensors",)),
    "missing manifest": (edit("manifest: manifest.csv", "manifest: nowhere.csv"), ("nowhere.csv",)),
    "missing image": (lambda folder: first(folder, "images/*.png").unlink(), (".png",)),
    "truncated image": (truncate, (".png",)),
    "mask of another aspect": (other_aspect, ("mask", "64")),
    "no True in any mask": (empty_masks, ("mask",)),
    "unknown label": (manifest(",benign,", ",benin,"), ("benin", "benign")),
    "class count": (edit("classes: [benign, malignant]", "classes: [benign, malignant, other]"), ("3", "2")),
    "weights that do not fit": (missing_key, ("fc.bias",)),
    "NaN in weights": (nan_weights, ("finite", "NaN", "bn1.bias")),
    "group column": (edit("groups: [sex]", "groups: [sexx]"), ("sexx", "sex")),
    "unknown key": (edit("title: Small audit", "titel: Small audit"), ("honest.yaml:2", "titel", "title")),
    "unknown key below": (edit("norm: linf", "norms: linf"), ("honest.yaml:11", "threat.norms", "norm")),
    "unknown check": (edit("exposure:", "exposre:"), ("honest.yaml:14", "exposre", "exposure")),
    "unknown class": (
        edit("exposure: {", "exposure: {directions: [[benign, malignnt]], "),
        ("directions", "malignnt", "malignant"),
    ),
    "unknown setting": (edit("donors: 2", "donor: 2"), ("honest.yaml:15", "donor", "donors")),
    "unknown model setting": (edit("  name: resnet10t", "  nam: resnet10t"), ("honest.yaml", "nam", "name")),
    "unknown source": (edit("source: timm", "source: tim"), ("tim", "timm")),
    "duplicate key": (edit("title: Small audit", "title: Small audit\ntitle: Again"), ("honest.yaml:3", "title")),
    "epsilon": (edit("epsilon: [4/255, 8/255]", "epsilon: [-4/255]"), ("honest.yaml:11", "positive")),
    "primary": (edit("primary: 4/255", "primary: 5/255"), ("honest.yaml:11", "declared")),
    "attack setting": (edit("settings: {steps: 5}", "settings: {step: 5}"), ("step", "steps")),
    "attack name": (edit("name: pgd", "name: pdg"), ("pdg", "pgd")),
    "norm that the attack does not serve": (norm_not_served, ("'threat.norm'", "'square'", "'l1'", "valid: l2, linf")),
    "pickle": (pickled, ("model.pth",)),
    "not YAML": (lambda folder: (folder / "honest.yaml").write_text("model: [\n") and None, ("honest.yaml",)),
    "no model": (
        lambda folder: (folder / "honest.yaml").write_text("data: {manifest: manifest.csv}\n") and None,
        ("model",),
    ),
}


def duplicate_id(folder: Path) -> None:
    lines = (folder / "manifest.csv").read_text().splitlines()
    name = lines[1].split(",")[0]
    lines[2] = ",".join([name, *lines[2].split(",")[1:]])
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


CASES["duplicate id"] = (duplicate_id, ("id", "phantom", "2 times"))


@pytest.fixture
def folder(study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study, tmp_path / "study"))


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_exit_code_2(name: str, folder: Path, call: Callable[..., object]) -> None:
    change, words = CASES[name]
    change(folder)
    out = folder / "out"
    ended = call("run", folder / "honest.yaml", "--out", out)
    assert ended.code == 2, ended
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    assert all(word in lines[0] for word in words), lines[0]
    assert "the pickle ran" not in ended.out
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("runn",), "run"),
        (("run", "nowhere.yaml", "--out", "x"), "nowhere.yaml"),
        (("run", "a.yaml"), "--out"),
        (("list", "atacks"), "attacks"),
        (("judge", "nowhere"), "nowhere"),
    ],
)
def test_usage(arguments: tuple[str, ...], word: str, call: Callable[..., object]) -> None:
    ended = call(*arguments)
    assert ended.code == 2 and word in ended.err and "Traceback" not in ended.err


def test_unknown_check_name(study: Path, tmp_path: Path, call: Callable[..., object]) -> None:
    ended = call("run", study / "honest.yaml", "--out", tmp_path / "out", "--check", "exposre")
    assert ended.code == 2 and "exposure" in ended.err


def test_output_that_is_a_file(study: Path, tmp_path: Path, call: Callable[..., object]) -> None:
    (tmp_path / "out").write_text("")
    ended = call("run", study / "honest.yaml", "--out", tmp_path / "out", "--limit", 8, "--check", "preflight")
    assert ended.code == 2


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_search_in_lower_precision_on_a_cpu_is_refused(
    command: str, study: Path, tmp_path: Path, call: Callable[..., object]
) -> None:
    where = ["--out", tmp_path / "out"] if command == "run" else []
    ended = call(command, study / "honest.yaml", "--precision", "bfloat16", *where)
    assert (ended.code, "precision bfloat16: expected a CUDA device" in ended.err) == (2, True) and not (
        tmp_path / "out"
    ).exists()
