"""Manifests and folders as people keep them: paths of Windows, other spellings, hidden files, numbers as labels."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from auditor.core.errors import DataError
from auditor.samples.manifest import (
    Columns,
    ManifestRow,
    from_folder,
    from_manifest,
    label_index,
    label_notes,
    spellings,
)


def listed(folder: Path, *lines: str) -> tuple[list[ManifestRow], tuple[str, ...]]:
    (folder / "list.csv").write_text("\n".join(["path,label,mask", *lines]), encoding="utf-8")
    return from_manifest(folder / "list.csv", Columns("path", "label", {"mask": "mask"}, None, None, ()), {})


def row(label: str, id: str = "a") -> ManifestRow:
    return ManifestRow(id, Path("a.png"), {}, label, id, {})


def test_paths_of_windows(tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics/a.png").touch()
    rows, notes = listed(tmp_path, "pics\\a.png,x,pics\\a.png")
    assert rows[0].image == rows[0].masks["mask"] == tmp_path / "pics/a.png" and rows[0].id == "pics/a"
    assert notes == ("paths with backslashes were read as paths of Windows",)


@pytest.mark.parametrize(("kept", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_letters_that_two_systems_write_differently(tmp_path: Path, kept: str, written: str) -> None:
    (tmp_path / unicodedata.normalize(kept, "Größe.png")).touch()
    rows, _ = listed(tmp_path, f"{unicodedata.normalize(written, 'Größe.png')},x,")
    assert rows[0].image.is_file()


def test_a_cell_may_be_longer_than_a_path(tmp_path: Path) -> None:
    boxes = "; ".join(f"{number} 10 5 5" for number in range(100))
    rows, _ = listed(tmp_path, f"a.png,x,{boxes}")
    assert rows[0].masks["mask"] == tmp_path / boxes


def test_a_path_that_leads_nowhere_stays_as_it_is_written(tmp_path: Path) -> None:
    rows, _ = listed(tmp_path, "none.png,x,")
    assert rows[0].image == tmp_path / "none.png"


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png", "a/._1.png", ".ipynb_checkpoints/1.png", "__MACOSX/a/1.png", "b/.thumbs/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [found.id for found in from_folder(tmp_path, {}, [])] == ["a/1", "b/2"]


@pytest.mark.parametrize("labels", [("0", "1"), ("0.0", "1.0"), ("no", "yes")])
def test_labels_by_name_or_number(labels: tuple[str, str]) -> None:
    rows = [row(label) for label in labels]
    assert label_index(rows, ["no", "yes"], Path("list.csv")) == (0, 1)
    told = () if labels[0] == "no" else (f"the labels are numbers: {labels[0]} for no, {labels[1]} for yes",)
    assert label_notes(rows, ["no", "yes"]) == told


def test_numbers_count_from_0() -> None:
    with pytest.raises(DataError, match="got '2'; as numbers they count from 0, which stands for 'no'"):
        label_index([row("1"), row("2")], ["no", "yes"], Path("list.csv"))


def test_groups_that_may_be_one_are_named() -> None:
    notes = spellings({"sex": ["Female", "female ", "m", "N/A", "N/A", ""], "age": ["young", "old"]})
    assert len(notes) == 2
    assert notes[0] == "the group sex has 'Female' and 'female ', which count as different groups"
    assert "the group sex has 'N/A' in 2 samples, which counts as a group" in notes[1]
