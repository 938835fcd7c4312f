"""The hiring demonstration as it is shipped: its files fit together, and its three models are told apart."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from auditor.core.displays import Outcomes, TableDisplay, of_kind
from auditor.core.records import Finding
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.run import run
from auditor.modalities.tables.demo.hiring import NUMBERS, STORIES, WORDS, write_hiring_demo

pytestmark = pytest.mark.slow

ROWS = 900


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return write_hiring_demo(tmp_path_factory.mktemp("hiring"))


@pytest.fixture(scope="module", params=list(STORIES))
def judged(
    request: pytest.FixtureRequest, audits: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Finding]]:
    name, out = request.param, tmp_path_factory.mktemp("out")
    prepared = prepare(audits[name], limit=ROWS, only=("preflight", "exposure", "reliance", "fairness"))
    run(prepared, out).close()
    return name, {one.id: one for one in judge(out)}


def test_only_what_was_planted_is_named(judged: tuple[str, dict[str, Finding]]) -> None:
    name, found = judged
    wrong = {finding for finding, one in found.items() if one.primary and one.verdict == "fail"}
    assert wrong == {
        "fair": set(),
        "proxy": {"reliance/outside-share", "exposure/outside", "fairness/sex/impact-ratio"},
        "brittle": {"reliance/outside-share", "exposure/outside"},
    }[name] | ({"fairness/sex/accuracy-gap"} & wrong)


def test_the_column_that_is_read_is_named(judged: tuple[str, dict[str, Finding]]) -> None:
    name, found = judged
    tables = of_kind(found["exposure/outside"].displays, TableDisplay)
    (changed,) = (one for one in tables if one.title.startswith("Columns that the flips change"))
    rows = {column: n for column, _, _, n in changed.rows}
    planted = {"proxy": "club", "brittle": "channel"}.get(name)
    assert planted is None or max(rows, key=lambda column: rows[column]) == planted


def test_every_search_was_settled_and_nothing_refused(judged: tuple[str, dict[str, Finding]]) -> None:
    (ended,) = of_kind(judged[1]["exposure/outside"].displays, Outcomes)
    assert ended.none_found == ended.refused == 0 < ended.n


def test_the_table_is_raw_and_the_models_take_their_columns(audits: Mapping[str, Path]) -> None:
    table = pd.read_csv(next(iter(audits.values())).parent / "applicants.csv", keep_default_na=False)
    assert set(table["degree"]) == {"none", "bachelor", "master", "doctorate"} and "outcome" not in table
    for audit in audits.values():
        prepared = prepare(audit, limit=50)
        assert prepared.samples.schema is not None and prepared.samples.schema.names == (*NUMBERS, *WORDS)
