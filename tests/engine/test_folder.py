"""Auditor deletes and overwrites what it wrote itself, and nothing else."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from auditor.cli.main import main
from auditor.core.errors import StoreError
from auditor.core.records import digest
from auditor.engine.cases import write_cases
from auditor.engine.folder import FOLDERS, LEDGER, OUTPUTS
from auditor.engine.prepare import prepare
from auditor.engine.run import run
from auditor.engine.store import Store

NOTES = "a user's own notes"


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with its content, but the ledger."""
    every = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in every.items() if not name.startswith(LEDGER)}


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTES)
    return path


def begun(folder: Path) -> None:
    """Make a folder Auditor's own, with an artefact, a case and a report in it."""
    with Store.create(folder, "binding") as store:
        store.put({"a": np.zeros(3)})
        store.evidence_file("worst-0123456789ab/original.png", "worst-0123456789ab/original.npy").with_suffix(
            ".npy"
        ).write_bytes(b"image")
        store.evidence_file("index.json").write_text("{}")
    for name in (*OUTPUTS, "annex/hiring-selection-sex.csv"):
        put(folder / name)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", [*OUTPUTS, LEDGER, *(f"{folder}/notes.txt" for folder in FOLDERS)])
def test_a_folder_with_files_of_others_in_the_way_is_refused(tmp_path: Path, name: str, fresh: bool) -> None:
    put(tmp_path / name)
    before = (tmp_path / name).read_text()
    with pytest.raises(StoreError, match=f"it holds '{name.partition('/')[0]}', which Auditor did not write"):
        Store.create(tmp_path, "binding", fresh=fresh)
    assert (tmp_path / name).read_text() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_other_files_beside_are_no_hindrance_and_stay(tmp_path: Path, fresh: bool) -> None:
    put(tmp_path / "audit.yaml")
    put(tmp_path / "images" / "evidence.png")
    (tmp_path / "evidence").mkdir()
    Store.create(tmp_path, "binding", fresh=fresh).close()
    assert files(tmp_path) == {name: NOTES.encode() for name in ("audit.yaml", "images/evidence.png")}


def test_the_ledger_of_another_programme_is_not_auditors(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as other:
        other.execute("CREATE TABLE meta (name TEXT, value TEXT)")
        other.execute("INSERT INTO meta VALUES ('binding', 'x')")
    other.close()
    before = (tmp_path / LEDGER).read_bytes()
    with pytest.raises(StoreError, match=f"it holds '{LEDGER}'"):
        Store.create(tmp_path, "binding", fresh=True)
    assert (tmp_path / LEDGER).read_bytes() == before


def test_a_run_that_stopped_before_its_binding_goes_on(tmp_path: Path) -> None:
    Store(tmp_path).close()
    Store.create(tmp_path, "binding").close()
    Store(put(tmp_path / "other" / "evidence" / "notes.txt").parent.parent).close()
    with pytest.raises(StoreError, match="it holds 'evidence'"):
        Store.create(tmp_path / "other", "binding", fresh=True)


def test_fresh_deletes_every_file_that_auditor_wrote_and_only_those(tmp_path: Path) -> None:
    begun(tmp_path)
    mine = (
        "notes.txt",
        "evidence/notes.txt",
        "evidence/worst-0123456789ab/notes.txt",
        "artefacts/notes.txt",
        "artefacts/00/notes.npz",
        "annex/own.csv",
    )
    for name in mine:
        put(tmp_path / name)
    with Store.create(tmp_path, "another binding", fresh=True) as store:
        assert store.meta("binding") == "another binding"
    assert files(tmp_path) == dict.fromkeys(mine, NOTES.encode())


def test_fresh_leaves_no_empty_folders(tmp_path: Path) -> None:
    begun(tmp_path)
    Store.create(tmp_path, "binding", fresh=True).close()
    assert [path.name for path in tmp_path.iterdir()] == [LEDGER]


def test_a_users_index_in_the_evidence_folder_of_a_run_is_refused(tmp_path: Path) -> None:
    Store.create(tmp_path, "binding").close()
    put(tmp_path / "evidence" / "index.json")
    with pytest.raises(StoreError, match="evidence/index.json"):
        Store.create(tmp_path, "binding", fresh=True)
    with Store.open(tmp_path) as store, pytest.raises(StoreError, match="did not write"):
        store.evidence_file("index.json")
    assert files(tmp_path) == {"evidence/index.json": NOTES.encode()}


@pytest.mark.slow
def test_evidence_is_written_anew_beside_a_users_files(study: Path, tmp_path: Path) -> None:
    prepared = prepare(study / "marker.yaml", limit=24, only=("exposure",))
    with run(prepared, tmp_path) as store:
        write_cases(prepared, store, [])
        first = files(tmp_path / "evidence")
        assert len(first) > 4 and "index.json" in first
        case = next(name for name in first if name.startswith("worst-")).partition("/")[0]
        put(tmp_path / "evidence" / case / "notes.txt")
        put(tmp_path / "evidence" / "own" / "notes.txt")
        write_cases(prepared, store, [])
    assert files(tmp_path / "evidence") == first | {
        f"{case}/notes.txt": NOTES.encode(),
        "own/notes.txt": NOTES.encode(),
    }


def test_evidence_of_an_earlier_version_is_known_by_its_index(tmp_path: Path) -> None:
    with Store.create(tmp_path, "binding") as store:
        put(tmp_path / "evidence" / "worst-0123456789ab" / "row.csv")
        index = tmp_path / "evidence" / "index.json"
        index.write_text(json.dumps({"cases": [{"files": {"row": "worst-0123456789ab/row.csv"}}]}))
        store.set_meta("evidence", digest(index.read_bytes()))
    put(tmp_path / "evidence" / "notes.txt")
    Store.create(tmp_path, "binding", fresh=True).close()
    assert files(tmp_path) == {"evidence/notes.txt": NOTES.encode()}


@pytest.mark.parametrize("options", [(), ("--fresh",)])
def test_the_command_refuses_before_any_work(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "evidence" / "notes.txt")
    monkeypatch.setattr("sys.argv", ["auditor", "run", "no-such-audit.yaml", "--out", str(tmp_path), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and "'evidence', which Auditor did not write" in said
    assert files(tmp_path) == {"evidence/notes.txt": NOTES.encode()}
