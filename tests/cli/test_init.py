"""auditor init: a first audit.yaml from what lies in a folder, or from a table."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from auditor.cli.main import main
from auditor.config.config import load_audit
from auditor.config.yaml import read_yaml
from auditor.samples import data

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return function (*arguments) -> exit code, stdout, stderr of the command line."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["auditor", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        streams = capsys.readouterr()
        return int(left.value.code or 0), streams.out, streams.err

    return call


def manifest(
    folder: Path,
    header: str = "image_path,mask,diagnosis,patient_id,sex,age_band,width",
    labels: tuple[str, str] = ("benign", "malignant"),
) -> Path:
    rows = [
        f"images/{row}.png,masks/{row}.png,{labels[row % 2]},p{row // 2},{'fm'[row % 2]},{40 + 10 * (row % 3)},224"
        for row in range(20)
    ]
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_a_manifest(run: Run, tmp_path: Path) -> None:
    manifest(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"")
    code, out, err = run("init", tmp_path)
    assert (code, out.strip()) == (0, str(tmp_path / "audit.yaml"))
    assert all(line.startswith("fill in: ") for line in err.splitlines()) and err
    audit = load_audit(tmp_path / "audit.yaml")
    assert (
        audit.model["source"] == "onnx"
        and audit.model["weights"] == "net.onnx"
        and audit.model["classes"] == ["benign", "malignant"]
    )
    assert audit.data == {
        "manifest": "manifest.csv",
        "image": "image_path",
        "label": "diagnosis",
        "mask": "mask",
        "unit": "patient_id",
        "groups": ["sex", "age_band"],
    }
    assert "# factors: [site, scanner]" in (tmp_path / "audit.yaml").read_text()
    assert audit.primary == 2 / 255 and set(audit.checks) == {"exposure", "reliance", "fairness", "attribution"}


def test_measurements_of_people_are_proposed_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = [f"images/{row}.png,{'ab'[row % 2]},{20 + row if row else ''},n{row}" for row in range(30)]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,label,age,age_text", *rows]) + "\n")
    assert run("init", tmp_path)[0] == 0
    assert load_audit(tmp_path / "audit.yaml").data["groups"] == ["age"]
    (tmp_path / "manifest.csv").write_text(
        "\n".join(
            [
                "image,label,age,age_band",
                *(f"{row.rpartition(',')[0]},{'young' if place < 15 else 'old'}" for place, row in enumerate(rows)),
            ]
        )
        + "\n"
    )
    assert run("init", tmp_path, "--force")[0] == 0
    assert load_audit(tmp_path / "audit.yaml").data["groups"] == ["age_band"]


def test_further_columns_of_masks(run: Run, tmp_path: Path) -> None:
    for number in range(20):
        for place in ("images", "masks", "heads"):
            (tmp_path / place).mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)).save(
            tmp_path / f"images/{number}.png"
        )
        for place in ("masks", "heads"):
            Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / f"{place}/{number}.png")
    header = "path,label,lesion_mask,head_mask,inside_mask,twin,gone"
    folders = ["masks", "heads", "heads", "images", "none"]
    rows = [
        ",".join([f"images/{row}.png", "ab"[row % 2], *(f"{folder}/{row}.png" for folder in folders)])
        for row in range(20)
    ]
    (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    assert run("init", tmp_path)[0] == 0
    data = load_audit(tmp_path / "audit.yaml").data
    assert data["mask"] == "lesion_mask" and data["masks"] == {"head": "head_mask", "inside_mask": "inside_mask"}


def test_a_folder_per_class(run: Run, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "1.jpg").write_bytes(b"")
    code, _, err = run("init", tmp_path)
    audit = load_audit(tmp_path / "audit.yaml")
    assert code == 0 and audit.data == {"folder": "pictures"} and audit.model["classes"] == ["cat", "dog"]
    assert "no model file was found" in err


NASTY = [("true", "false"), ("no", "null"), ("1", "2"), ("it's", 'say ""hi""'), ("a: b", "c #d"), ("-x", "y]")]


@pytest.mark.parametrize("labels", NASTY)
def test_names_stay_text(run: Run, tmp_path: Path, labels: tuple[str, str]) -> None:
    manifest(tmp_path, labels=tuple(f'"{label}"' for label in labels))  # type: ignore[arg-type]
    assert run("init", tmp_path)[0] == 0
    assert load_audit(tmp_path / "audit.yaml").model["classes"] == sorted(label.replace('""', '"') for label in labels)


def test_odd_columns_and_files_stay_text(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a: b"
    folder.mkdir()
    manifest(folder, header="the file: #1,mask,label,patient,sex,age_band,width")
    (folder / "net #2.onnx").write_bytes(b"")
    assert run("init", folder)[0] == 0
    audit = load_audit(folder / "audit.yaml")
    assert audit.data["image"] == "the file: #1" and audit.model["weights"] == "net #2.onnx"


def test_nothing_to_audit(run: Run, tmp_path: Path) -> None:
    code, out, err = run("init", tmp_path)
    assert (code, out) == (2, "") and not (tmp_path / "audit.yaml").exists()
    assert (
        err
        == f"Error: {tmp_path}: expected a manifest (CSV or Parquet with a column of image paths), one folder of images"
        " per class, or a table with a row for each person, found none of them.\n"
    )


def test_a_missing_folder(run: Run, tmp_path: Path) -> None:
    code, _, err = run("init", tmp_path / "none")
    assert code == 2 and "does not exist" in err


def test_nothing_is_overwritten_unless_forced(run: Run, tmp_path: Path) -> None:
    manifest(tmp_path)
    (tmp_path / "audit.yaml").write_text("mine")
    code, out, err = run("init", tmp_path)
    assert (code, out) == (2, "") and "is there already; overwrite it with --force." in err
    assert (tmp_path / "audit.yaml").read_text() == "mine"
    assert run("init", tmp_path, "--force")[0] == 0
    assert load_audit(tmp_path / "audit.yaml").title == "Audit of my classifier"


def people(path: Path, n: int = 400) -> Path:
    """Write a table of applicants in which wives are women, hired is the label and a few rows were for testing."""
    random = np.random.default_rng(0)
    role = random.choice(["Wife", "Husband", "None"], n)
    sex = np.where(role == "Wife", "Female", np.where(role == "Husband", "Male", random.choice(["Female", "Male"], n)))
    rent, food = random.integers(100, 900, n), random.integers(50, 500, n)
    columns = {
        "applicant_id": [f"a{row}" for row in range(n)],
        "age": random.integers(18, 70, n),
        "relationship": role,
        "sex": sex,
        "job: title": np.where(np.arange(n) % 9 == 0, "", random.choice(["#1 clerk", 'it\'s "x"'], n)),
        "rent": rent,
        "food": food,
        "class": rent + food,
        "started": random.choice(["2020-01-31", "2021-12-01", "2019-06-15"], n),
        "split": random.choice(["train", "test"], n),
        "hired": random.choice(["yes", "no"], n),
    }
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_a_table(run: Run, tmp_path: Path) -> None:
    code, out, err = run("init", people(tmp_path / "applicants.csv"))
    assert (code, out.strip()) == (0, str(tmp_path / "audit.yaml"))
    assert (
        "no model file was found" in err and "which of no, yes do people want?" in err and "has not learned from" in err
    )
    audit, text = load_audit(tmp_path / "audit.yaml"), (tmp_path / "audit.yaml").read_text()
    assert (
        audit.modality.name == "table"
        and audit.threat.norm == "cost"
        and audit.model == {"source": "sklearn", "path": "model.skops"}
    )
    declared = audit.data
    assert (declared["table"], declared["label"], declared["favourable"], declared["id"]) == (
        "applicants.csv",
        "hired",
        "yes",
        "applicant_id",
    )
    assert declared["groups"] == ["age", "sex"] and set(declared["where"]["split"]) == {"train", "test"}
    assert declared["columns"]["started"] == {
        "type": "date",
        "range": ["2019-06-15", "2021-12-01"],
    } and "role" not in str(declared["columns"])
    assert re.search(r"sex: .*# 2 levels: .*; confirm role: protected", text) and re.search(
        r"relationship: .*confirm role: proxy", text
    )


def test_the_draft_of_a_table_can_be_read_with_all_its_rules(run: Run, tmp_path: Path) -> None:
    assert run("init", people(tmp_path / "applicants.csv"))[0] == 0
    path = tmp_path / "audit.yaml"
    path.write_text(re.sub(r"^  # (rules:|  - )", r"  \1", path.read_text(), flags=re.MULTILINE))
    settings = {name: value for name, value in load_audit(path).data.items() if name != "source"}
    samples = data["table"].make(tmp_path, ("no", "yes"), None, **data.bind("table", settings))
    assert samples.schema is not None and len(samples) == 400
    rules = {rule.then: rule for rule in samples.schema.rules}
    assert rules["sex == 'Female'"].when == "relationship == 'Wife'" and rules["sex == 'Female'"].swap == {
        "relationship": {"Husband": "Wife"}
    }
    assert rules["rent + food"].defines == "class"
    for note in samples.notes:
        assert "is broken by" not in note or " by 0 of 400 rows" in note


def test_a_folder_that_holds_a_table(run: Run, tmp_path: Path) -> None:
    people(tmp_path / "applicants.csv")
    (tmp_path / "hiring.skops").write_bytes(b"")
    assert run("init", tmp_path)[0] == 0
    assert load_audit(tmp_path / "audit.yaml").model["path"] == "hiring.skops"
    code, _, err = run("init", tmp_path / "applicants.csv")
    assert code == 2 and "is there already" in err


def test_a_manifest_by_name_is_no_table(run: Run, tmp_path: Path) -> None:
    manifest(tmp_path)
    assert run("init", tmp_path / "manifest.csv")[0] == 0
    assert "manifest" in read_yaml(tmp_path / "audit.yaml")["data"]


def test_a_table_without_rows(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("a,b\n")
    code, out, err = run("init", tmp_path / "empty.csv")
    assert (code, out, err) == (2, "", f"Error: {tmp_path / 'empty.csv'}: expected at least one row, got none.\n")
