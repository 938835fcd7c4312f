"""A table's audit from file to report: its cases are checked from their cells alone, and any change of them shows."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.outcomes import Outcome
from auditor.engine.prepare import prepare
from auditor.engine.verify import verify
from auditor.modalities.tables.cases import zone_columns
from auditor.modalities.tables.row_file import read_rows, write_rows
from auditor.modalities.tables.table import Column, Rule, Table
from auditor.pipeline import finish

pytestmark = pytest.mark.slow

skops = pytest.importorskip("skops.io")

AUDIT = """
title: Small table
model: {{source: sklearn, path: model.skops, classes: [denied, granted], trusted: [{trusted}]}}
data:
  source: table
  table: rows.csv
  label: decision
  favourable: granted
  groups: [sex, race]
  columns:
    hours: {{type: integer, change: [-10, 10], range: [1, 60], cost: 0.1}}
    relationship: {{type: categorical, role: proxy, levels: [Husband, Wife, Unmarried], cost: 1}}
    workclass: {{type: categorical, role: irrelevant, levels: [Private, State], cost: 1}}
    sex: {{type: categorical, role: protected}}
  rules:
    - {{id: husband, if: "relationship == 'Husband'", then: "sex == 'Male'", swap: {{relationship: {{Husband: Wife}}}}}}
threat: {{epsilon: [1, 2], primary: 2}}
report:
  annex: [hiring]
  hiring: {{sex: sex, race: race, data: test, why_test: "Applicants were drawn for this test."}}
checks:
  exposure: {{zones: [outside], samples: 60}}
  fairness:
    {{minimum_group: 10, minimum_reference: 10, samples: 60, exposure_samples: 60, intersections: [[race, sex]]}}
  attribution: false
  reliance: false
"""


def _write(folder: Path) -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng, n = np.random.default_rng(0), 240
    sex = rng.choice(["Female", "Male"], n)
    tie = np.where(rng.random(n) < 0.5, "Unmarried", np.where(sex == "Male", "Husband", "Wife"))
    work, hours = rng.choice(["Private", "State"], n), rng.integers(10, 60, n)
    score = 0.08 * (hours - 35) + 1.0 * (tie == "Husband") + 0.9 * (work == "State") + rng.logistic(size=n) * 0.5
    frame = pd.DataFrame({"hours": hours, "relationship": tie, "workclass": work, "sex": sex})
    decision = np.where(score > 0, "granted", "denied")
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["relationship", "workclass", "sex"]), remainder="passthrough"
    )
    skops.dump(make_pipeline(encoder, LogisticRegression(max_iter=500)).fit(frame, decision), folder / "model.skops")
    trusted = skops.get_untrusted_types(file=folder / "model.skops")
    frame.assign(decision=decision, race=rng.choice(["Asian", "White"], n)).to_csv(folder / "rows.csv", index=False)
    (folder / "audit.yaml").write_text(AUDIT.format(trusted=", ".join(trusted)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    _write(folder)
    out = folder / "out"
    finish(prepare(folder / "audit.yaml"), out, pdf=False)
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def _cases(out: Path) -> list[dict[str, object]]:
    return list(json.loads((out / "evidence" / "index.json").read_text())["cases"])


def _broken(out: Path) -> list[str]:
    return [one.what for one in verify(out) if not one.holds]


def test_cases_of_both_searches_are_written_and_hold(finished: Path) -> None:
    results = verify(finished)
    assert [one for one in results if not one.holds] == []
    cases = _cases(finished)
    assert [case["rule"] for case in cases] == ["worst", "median", "best"] * 2
    assert [case["finding"] for case in cases] == ["exposure/outside"] * 3 + ["recourse"] * 3
    for claim in ("breaks no rule", "within its limits", "it costs", "still decides", "every file", "the ledger says"):
        assert sum(claim in one.what for one in results) == 6, claim


def test_a_case_reads_as_a_table_and_as_a_sentence(finished: Path) -> None:
    for case in _cases(finished):
        names, before, after = read_rows(finished / "evidence" / str(case["files"]["row"]))  # type: ignore[index]
        assert names == ("hours", "relationship", "workclass", "sex")
        changed = [(name, old, new) for name, old, new in zip(names, before, after, strict=True) if old != new]
        assert changed and all(f"{name} changes from {old} to {new}" in str(case["text"]) for name, old, new in changed)
        assert f"'{case['before']}' becomes '{case['after']}'" in str(case["text"])
        assert "hours" not in {name for name, *_ in changed} or case["finding"] == "recourse"
        assert case["finding"] != "recourse" or case["after"] == "granted"
    costs = [case["size"] for case in _cases(finished)[:3]]
    assert costs == sorted(costs)  # type: ignore[type-var]


@pytest.mark.parametrize("place", [0.05, 0.5, 0.95])
def test_one_byte_of_a_case(copy: Path, place: float) -> None:
    path = sorted((copy / "evidence").glob("*/row.csv"))[0]
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)
    assert any("every file" in what for what in _broken(copy))


def _forged(out: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> list[str]:
    """Return what no longer holds when a case's changed row is another, its digests made good."""
    from auditor.core.records import digest
    from auditor.engine.store import Store

    index = out / "evidence" / "index.json"
    content = json.loads(index.read_text())
    case = content["cases"][0]
    path = out / "evidence" / case["files"]["row"]
    names, before, after = read_rows(path)
    row = change(dict(zip(names, after, strict=True)))
    write_rows(path, names, before, after=tuple(row.values()))
    case["digests"]["row"] = digest(path.read_bytes())
    index.write_text(json.dumps(content))
    with Store.open(out) as store:
        store.set_meta("evidence", digest(index.read_bytes()))
    return _broken(out)


def test_a_forged_row_is_found_by_its_cells_alone(copy: Path) -> None:
    assert any("within its limits" in what for what in _forged(copy, lambda row: {**row, "hours": "59"}))


def test_a_row_that_breaks_a_rule_is_found(copy: Path) -> None:
    broken = _forged(copy, lambda row: {**row, "relationship": "Husband", "sex": "Female"})
    assert any("breaks no rule" in what for what in broken) and any("within its limits" in what for what in broken)


def test_a_row_that_changes_nothing_is_found(copy: Path) -> None:
    _, before, _ = read_rows(copy / "evidence" / _cases(copy)[0]["files"]["row"])  # type: ignore[index]
    broken = _forged(copy, lambda row: dict(zip(row, before, strict=True)))
    assert any("it costs" in what for what in broken) and any("still decides" in what for what in broken)


def test_a_level_that_nobody_has_cannot_be_read(copy: Path) -> None:
    assert any("can be read" in what for what in _forged(copy, lambda row: {**row, "workclass": "Nowhere"}))


def test_one_row_of_the_ledger(copy: Path) -> None:
    case = _cases(copy)[0]
    with sqlite3.connect(copy / "observations.sqlite") as ledger:
        ledger.execute(
            "UPDATE observations SET row = replace(row, '\"flipped\":1', '\"flipped\":0') WHERE trial = ? AND"
            " sample = ?",
            (case["trial"], case["sample"]),
        )
    ledger.close()
    assert any("the ledger says" in what for what in _broken(copy))


def test_the_samples_table_tells_costs_and_outcomes_in_words(finished: Path) -> None:
    table = pd.read_csv(finished / "samples.csv")
    outcome = table["flip:table_search:outside:2:outcome"].dropna()
    assert len(outcome) and set(outcome) <= {one.text for one in Outcome}
    flipped = table["flip:table_search:outside:2:flipped"] == 1
    assert flipped.any() and (table.loc[flipped, "flip:table_search:outside:2:cost"] <= 2).all()
    assert table["clean:score"].notna().all() and "flip:table_search:everywhere:2:towards granted:cost" in table
    assert {f"flip:random_change:outside:{cost}:flipped" for cost in (1, 2)} <= set(table)


def test_the_report_speaks_of_columns_alone(finished: Path) -> None:
    html = re.sub(r"<style>.*?</style>|src=\"[^\"]*\"", "", (finished / "report.html").read_text(), flags=re.DOTALL)
    assert "Annex: hiring" in html and "Columns that the model takes" in html and "Cases of recourse" in html
    for word in ("pixel", "grey level", "guard band", "marked region", "image", "scanner"):
        assert word not in re.sub(r"img-src|<img[^>]*>", "", html).lower(), word
    assert (finished / "annex" / "hiring-selection-sex.csv").is_file()


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)] * 3),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_comes_back_from_a_case(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "row.csv"
    names, before, after = (tuple(part) for part in zip(*cells, strict=True))
    assert read_rows(write_rows(path, names, before, after=after)) == (names, before, after)


@pytest.mark.parametrize(
    "text", ["", "a,b\n", '"","a"\n"original","1"\n"changed"\n', '"","a"\n"original","1"\n"other","1"\n', '"","a\n']
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "row.csv").write_text(text)
    with pytest.raises(ValueError, match="expected|end of"):
        read_rows(tmp_path / "row.csv")


def test_judging_and_rendering_a_table_need_no_model(
    finished: Path, copy: Path, call_without_models: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    names = ("audit.lock.yaml", "findings.json", "samples.csv", "report.html", "junit.xml")
    before = {name: (copy / name).read_bytes() for name in names}
    for arguments in (
        ("judge", copy, "--audit", finished.parent / "audit.yaml", "--no-pdf", "--fail-on", "never"),
        ("render", copy, "--no-pdf"),
    ):
        ended = call_without_models(*arguments)
        assert ended.returncode == 0 and ended.stderr == "", ended.stderr
        assert {name: (copy / name).read_bytes() for name in names} == before


def test_zones_of_columns() -> None:
    roles = {"a": "relevant", "b": "irrelevant", "c": "protected", "d": "proxy"}
    table = Table(
        tuple(Column(name, "integer", role) for name, role in roles.items()), (Rule("r", then="a + b", defines="d"),)
    )  # type: ignore[arg-type]
    found = {
        zone: "".join(sorted(zone_columns(table, zone)))
        for zone in ("inside", "outside", "everywhere", "protected", "proxy")
    }
    assert found == {"inside": "a", "outside": "bcd", "everywhere": "abcd", "protected": "c", "proxy": "d"}
