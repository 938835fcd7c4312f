"""Several masks per sample and an expression, from the manifest to the report."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from auditor.cli.main import cli
from auditor.config.config import load_audit
from auditor.core.errors import ConfigError
from auditor.engine.judge import judge
from auditor.engine.plan import plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.store import Store
from auditor.pipeline import finish
from auditor.probes.evasion import zone_of

pytestmark = pytest.mark.slow

LIMIT = 12


@pytest.fixture(scope="module")
def audit(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an audit file of the demonstration with an organ (not for every third image; empty for some, full for
    others) and the marker's corner.
    """
    folder = tmp_path_factory.mktemp("named")
    table = pandas.read_csv(study / "manifest.csv", dtype=str)
    corner, disc = np.zeros((64, 64), dtype=np.uint8), np.hypot(*(np.indices((64, 64)) - 32)) < 24
    corner[:16, :16] = 255
    Image.fromarray(corner).save(folder / "corner.png")
    for name, mask in (("disc", disc), ("empty", disc & False), ("full", disc | True)):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}.png")
    table["organ"] = [
        "" if row % 3 == 0 else str(folder / f"{('empty', 'full', 'disc', 'disc')[row % 4]}.png")
        for row in range(len(table))
    ]
    table["corner"] = str(folder / "corner.png")
    for column in ("path", "mask"):
        table[column] = [str(study / path) for path in table[column]]
    table.to_csv(folder / "manifest.csv", index=False)
    text = (study / "marker.yaml").read_text().partition("checks:")[0]
    text = text.replace("weights: marker", f"weights: {study}/marker").replace(
        "groups: [sex]", "masks: {organ: organ, corner: corner}, zones: {rest: organ - mask}"
    )
    checks = "checks:\n  exposure: {zones: [outside, named, control], noise: false}\n"
    (folder / "audit.yaml").write_text(
        text
        + checks
        + "".join(f"  {name}: false\n" for name in ("reliance", "fairness", "attribution", "attack_quality"))
    )
    return folder / "audit.yaml"


@pytest.fixture(scope="module")
def prepared(audit: Path) -> Prepared:
    return prepare(audit, limit=LIMIT)


@pytest.fixture(scope="module")
def out(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    finish(prepared, folder, pdf=False)
    return folder


def test_every_named_zone_has_its_finding(out: Path) -> None:
    content = json.loads((out / "findings.json").read_text())
    zones = [one["id"].removeprefix("exposure/") for one in content["findings"] if one["check"] == "exposure"]
    assert zones == ["outside", "corner", "organ", "rest", "control/0", "control/1", "control/2", "few-pixels"]
    measured = {one["id"]: one["estimate"]["n"] for one in content["findings"] if one["estimate"]}
    assert measured["exposure/corner"] == measured["exposure/outside"] > measured["exposure/organ"] > 0
    before = (out / "findings.json").read_bytes()
    judge(out)
    assert (out / "findings.json").read_bytes() == before


def test_samples_without_a_zone_are_counted_with_the_reason(prepared: Prepared, out: Path) -> None:
    shares = prepared.facts.regions["organ"]
    expected = Counter({None: "no mask", 0.0: "empty mask", 1.0: "full mask"}.get(share, "") for share in shares)
    assert set(expected) == {"no mask", "empty mask", "full mask", ""}
    with Store.open(out) as store:
        for one in plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding):
            if one.trial.zone == "organ":
                found = Counter(row.missing.reason if row.missing else "" for row in store.read(one.key).values())
                assert found == expected and len(store.read(one.key)) == LIMIT
    data = json.loads((out / "findings.json").read_text())["audit"]["data"]
    assert {name: data["regions"]["organ"][name] for name in ("present", "empty", "full", "missing")} == {
        "present": expected[""],
        "empty": expected["empty mask"],
        "full": expected["full mask"],
        "missing": expected["no mask"],
    }
    assert data["regions"]["rest"]["meaning"] == "organ - mask" and data["regions"]["corner"]["median_share"] == 1 / 16


def test_an_attack_writes_its_named_zone_alone(prepared: Prepared) -> None:
    for one in plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding):
        if one.trial.zone in prepared.facts.regions:
            chunk = prepared.samples.load(one.chunks[0])
            zone = zone_of(one.trial, chunk)
            assert torch.equal(zone, chunk.regions[one.trial.zone])
            assert zone.flatten(1).float().mean(1).tolist() == [
                prepared.samples.regions[one.trial.zone][position] for position in one.chunks[0]
            ]


def test_the_report_and_the_table_tell_of_them(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert "rest (<code>organ - mask</code>)" in page and "the zone &#39;organ&#39;" in page
    table = pandas.read_csv(out / "samples.csv")
    assert (table["mask_share:corner"] == 1 / 16).all() and table["mask_share:organ"].isna().any()


def test_a_zone_that_the_data_do_not_have_is_refused_before_any_work(audit: Path) -> None:
    declared = load_audit(audit)
    wrong = declared.model_copy(update={"checks": {**declared.checks, "exposure": {"zones": ["orgn"]}}})
    with pytest.raises(ConfigError, match="check 'exposure': zone: expected .* got 'orgn'; did you mean 'organ'"):
        prepare(wrong, base=audit.parent, limit=2)
    wrong = declared.model_copy(
        update={"checks": {**declared.checks, "fairness": {"zone": "ar"}}, "data": {**declared.data, "groups": ["sex"]}}
    )
    with pytest.raises(ConfigError, match="check 'fairness': zone: expected .* got 'ar'"):
        prepare(wrong, base=audit.parent, limit=2)


def test_validate_shows_them(audit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", str(audit), "--limit", str(LIMIT)], standalone_mode=False) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("zone ")]
    assert (
        lines[1]
        == f"zone     corner: {LIMIT} samples, median share of the area 6.2%; 0 empty, 0 full, 0 without a mask"
    )
    assert [line.split()[1] for line in lines] == ["organ:", "corner:", "rest:"] and "without a mask" in lines[0]


def test_the_command_line_refuses_it_with_its_line(audit: Path, tmp_path: Path) -> None:
    (tmp_path / "audit.yaml").write_text(audit.read_text().replace("named, control", "named, orgn"))
    with pytest.raises(
        ConfigError, match=r"audit\.yaml:\d+: check 'exposure', setting 'zones': .* got 'orgn'; did you mean 'organ'"
    ):
        prepare(tmp_path / "audit.yaml")
