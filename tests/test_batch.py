"""A batch: folders of their own, and a summary whatever happens to an audit."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import batch
from auditor.batch import COLUMNS, folder_names, found_audits, run_batch
from auditor.core.errors import StoreError

parts = st.sampled_from(["a", "b", "A", "a-b", "audit", "audit-2"])


@given(
    st.lists(
        st.tuples(st.lists(parts, max_size=3), parts, st.sampled_from([".yaml", ".yml"])),
        unique_by=str,
        min_size=1,
        max_size=8,
    )
)
def test_no_two_audits_share_a_folder(files: list[tuple[list[str], str, str]]) -> None:
    audits = [Path("/", *folders, f"{stem}{ending}") for folders, stem, ending in files]
    names = folder_names(audits)
    assert len({name.casefold() for name in names}) == len(audits)
    assert names == folder_names(audits) and all(audit.stem in name for audit, name in zip(audits, names, strict=True))


def test_folders_above_tell_audits_apart() -> None:
    names = folder_names([Path("/x/s/audit.yaml"), Path("/y/s/audit.yaml"), Path("/y/t/quick.yaml")])
    assert names == ["x-s-audit", "y-s-audit", "quick"]


def test_one_file_by_two_paths_is_one_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert found_audits(["a.yaml", str(tmp_path / "a.yaml"), "*.yaml"]) == [Path("a.yaml")]


def ended(code: int) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda call, **_: subprocess.CompletedProcess(call, code, "", "one\nlast line\n")


def summary(out: Path) -> list[tuple[str, ...]]:
    header, *rows = csv.reader((out / "summary.csv").read_text().splitlines())
    assert tuple(header) == COLUMNS and (out / "index.html").is_file()
    return [(row[0], row[1], row[-1]) for row in rows]


def test_what_crashes_is_a_row_and_the_batch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(call: list[str], **rest: object) -> subprocess.CompletedProcess[str]:
        name = Path(call[4]).stem
        if name == "no-process":
            raise OSError(12, "Cannot allocate memory")
        return ended({"crash": 70, "killed": -9, "empty": 0, "wrong": 2}[name])(call)

    monkeypatch.setattr(batch.subprocess, "run", run)
    seen: list[str] = []
    audits = [tmp_path / f"{name}.yaml" for name in ("crash", "no-process", "killed", "empty", "wrong")]
    results = run_batch(audits, tmp_path / "out", jobs=2, done=lambda one: seen.append(one.name))
    assert [one.code for one in results] == [70, 70, 4, 70, 2] and sorted(seen) == sorted(one.name for one in results)
    rows = summary(tmp_path / "out")
    assert [row[:2] for row in rows] == [
        ("crash", "70"),
        ("no-process", "70"),
        ("killed", "4"),
        ("empty", "70"),
        ("wrong", "2"),
    ]
    assert rows[0][2] == "last line" and "Cannot allocate memory" in rows[1][2] and "findings.json" in rows[3][2]


def test_an_interrupted_batch_leaves_its_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch.subprocess, "run", ended(2))

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"], tmp_path / "out", done=stop)
    rows = summary(tmp_path / "out")
    assert rows[0] == ("a", "2", "last line") and [row[0] for row in rows] == ["a", "b", "c"]
    assert {row[1] for row in rows[1:]} <= {"2", "130"}


@pytest.mark.parametrize("name", ["summary.csv", "index.html"])
def test_a_summary_that_no_batch_wrote_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a user's own")
    with pytest.raises(StoreError, match=name):
        run_batch([tmp_path / "a.yaml"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "a user's own"
