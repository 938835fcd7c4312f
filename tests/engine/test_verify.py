"""Verify holds on what a run wrote and breaks on any change of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from auditor.engine.verify import verify


def _broken(out: Path) -> list[str]:
    return [one.what for one in verify(out) if not one.holds]


def test_an_untouched_run_holds(audited: Path) -> None:
    results = verify(audited)
    assert [one for one in results if not one.holds] == []
    assert any("still answers" in one.what for one in results)
    assert any("bit for bit" in one.what for one in results)


EVIDENCE = ["original.png", "adversarial.png", "mask.png", "zone.png", "map_before_saliency.npy"]


def changed_by_one_byte(out: Path, place: float) -> dict[str, str]:
    """Change a byte of each kind of file, in a case of its own; return kind -> how verify calls that case."""
    cases, taken = json.loads((out / "evidence" / "index.json").read_text())["cases"], dict[str, str]()
    holding = {
        name: {
            f"{case['rule']} case '{case['sample']}'": path
            for case in cases
            for path in case["files"].values()
            if path.endswith(f"/{name}")
        }
        for name in EVIDENCE
    }
    for name in sorted(EVIDENCE, key=lambda name: len(holding[name])):
        taken[name] = next(case for case in holding[name] if case not in taken.values())
        path = out / "evidence" / holding[name][taken[name]]
        content = bytearray(path.read_bytes())
        content[int(len(content) * place)] ^= 1
        path.write_bytes(content)
    return taken


@pytest.fixture(scope="module", params=[0.1, 0.5, 0.95])
def one_byte(
    request: pytest.FixtureRequest, audited: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[str]]:
    """Return what was changed, and what then does not hold."""
    out = Path(shutil.copytree(audited, tmp_path_factory.mktemp("byte") / "copy"))
    taken = changed_by_one_byte(out, request.param)
    return taken, _broken(out)


@pytest.mark.parametrize("name", EVIDENCE)
def test_one_byte_of_the_evidence(one_byte: tuple[dict[str, str], list[str]], name: str) -> None:
    taken, broken = one_byte
    assert any(what.startswith(f"{taken[name]}: every file") for what in broken)
    assert sum("every file" in what for what in broken) == len(EVIDENCE), "of the other cases every file holds"


@pytest.mark.parametrize(
    "change",
    ["UPDATE observations SET row = replace(row, '0', '1') WHERE rowid_of", "DELETE FROM observations WHERE rowid_of"],
)
def test_one_row_of_the_ledger(copy: Path, change: str) -> None:
    with sqlite3.connect(copy / "observations.sqlite") as ledger:
        trial, sample = ledger.execute(
            "SELECT trial, sample FROM observations WHERE row LIKE '%fooled%' LIMIT 1"
        ).fetchone()
        ledger.execute(change.replace("rowid_of", "trial = ? AND sample = ?"), (trial, sample))
    ledger.close()
    assert any("ledger" in what for what in _broken(copy))


def test_a_row_changed_with_its_digest_still_shows(copy: Path) -> None:
    with sqlite3.connect(copy / "observations.sqlite") as ledger:
        ledger.execute("UPDATE chunks SET digest = 'f' WHERE rowid = 1")
    ledger.close()
    assert any("byte for byte" in what for what in _broken(copy))


def test_findings_and_lock(copy: Path) -> None:
    findings = json.loads((copy / "findings.json").read_text())
    findings["findings"][0]["verdict"] = "pass" if findings["findings"][0]["verdict"] != "pass" else "fail"
    (copy / "findings.json").write_text(json.dumps(findings))
    assert any("byte for byte" in what for what in _broken(copy))


def test_lock(copy: Path) -> None:
    path = copy / "audit.lock.yaml"
    path.write_text(path.read_text().replace("tolerance: 0.1", "tolerance: 0.9"))
    assert any("audit.lock.yaml" in what for what in _broken(copy))


def test_evidence_index(copy: Path) -> None:
    index = copy / "evidence" / "index.json"
    index.write_text(index.read_text().replace('"rule": "worst"', '"rule": "best"'))
    assert any("index" in what for what in _broken(copy))


def test_a_moved_model_is_named(copy: Path, study: Path) -> None:
    with sqlite3.connect(copy / "observations.sqlite") as ledger:
        ledger.execute("UPDATE meta SET value = '/nowhere' WHERE name = 'base'")
    ledger.close()
    assert any("classifier" in what for what in _broken(copy))
    assert all(one.holds for one in verify(copy, audit=study / "marker.yaml"))
