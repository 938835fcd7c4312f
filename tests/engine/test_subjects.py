"""A trial of another classifier than the audited one: planned, measured and kept under a key of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from auditor.core.errors import ConfigError
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.engine import prepare as prepare_module
from auditor.engine.export import export_samples
from auditor.engine.judge import facts_of, observations_of
from auditor.engine.plan import plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import run
from auditor.models.classifier import ScoreClassifier, margin

LIMIT = 40
CLEAN = Trial("clean")
OTHER = replace(CLEAN, subject="surrogate")
FLAT = Trial("gradient", subject="surrogate")


@dataclass(frozen=True)
class Comparing:
    """A check that asks for the same trial of both classifiers, and of the second one's gradient."""

    wanted: tuple[Trial, ...] = (CLEAN, OTHER, FLAT)

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        return self.wanted

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        return ()


@pytest.fixture(scope="module")
def prepared(study: Path) -> Prepared:
    """Return an audit of one of the demonstration's models that declares the other one as surrogate."""
    yaml = YAML(typ="safe")
    content = yaml.load(study / "marker.yaml")
    surrogate = {**content["model"], "weights": "honest.safetensors"}
    content["attack"] = {"name": "transfer", "settings": {"surrogate": surrogate}}
    yaml.dump(content, study / "transfer.yaml")
    return prepare(study / "transfer.yaml", limit=LIMIT, only=["preflight"])


def measured(prepared: Prepared, out: Path) -> Callable[[Trial], dict[str, Observation]]:
    """Return function (trial) -> its rows, measured by a run."""
    with run(prepared, out) as store:
        return {trial: store.read(trial.key(prepared.binding)) for trial in (CLEAN, OTHER, FLAT)}.__getitem__


def comparing(prepared: Prepared) -> Prepared:
    return replace(prepared, checks={"comparing": Comparing()})


@pytest.mark.slow
def test_the_surrogate_is_one_of_the_subjects(prepared: Prepared, study: Path) -> None:
    assert set(prepared.subjects) == {"", "surrogate"} and prepared.classifier is prepared.subjects[""]
    assert prepared.facts.subjects == {"surrogate": ("gradient", "labels", "scores")}
    assert prepared.subjects["surrogate"].digest == prepare(study / "honest.yaml", limit=LIMIT).classifier.digest
    assert Facts.from_dict(prepared.facts.as_dict()) == prepared.facts


@pytest.mark.slow
def test_another_subject_has_other_rows_under_another_key(prepared: Prepared, tmp_path: Path) -> None:
    of = measured(comparing(prepared), tmp_path)
    chunk = prepared.samples.load(range(LIMIT))
    for trial in (CLEAN, OTHER):
        edges = margin(prepared.subjects[trial.subject].logits(chunk.x).detach(), chunk.y)
        assert [of(trial)[name].values["margin"] for name in chunk.ids] == pytest.approx(edges.tolist(), abs=1e-5)
    assert {row.values["margin"] for row in of(CLEAN).values()}.isdisjoint(
        row.values["margin"] for row in of(OTHER).values()
    )
    assert all(row.values for row in of(FLAT).values())


def test_a_table_of_samples_has_columns_for_each_subject(prepared: Prepared, tmp_path: Path) -> None:
    with run(comparing(prepared), tmp_path) as store:
        export_samples(tmp_path, facts_of(store), observations_of(store), trials=(CLEAN, OTHER))
    columns = (tmp_path / "samples.csv").read_text().splitlines()[0].split(",")
    assert len(columns) == len(set(columns)) and {"clean:margin", "surrogate:clean:margin"} <= set(columns)


def test_what_a_subject_does_not_offer_is_not_asked_of_it(prepared: Prepared, tmp_path: Path) -> None:
    true = prepared.subjects["surrogate"]
    blind = ScoreClassifier(lambda x: true.logits(x).detach(), classes=true.classes, name="blind", digest="b")
    subjects, offers = {"": prepared.classifier, "surrogate": blind}, {"surrogate": tuple(sorted(blind.offers))}
    known = replace(comparing(prepared), subjects=subjects, facts=replace(prepared.facts, subjects=offers))
    of = measured(known, tmp_path)
    assert "gradient" in known.facts.offers and len(of(OTHER)) == LIMIT
    assert {row.missing.text for row in of(FLAT).values() if row.missing} == {
        "not applicable: probe 'gradient' needs 'gradient', which 'surrogate' does not offer"
    }


def test_a_subject_that_nobody_declares_is_refused(
    prepared: Prepared, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"comparing": Comparing((replace(CLEAN, subject="surogate"),))}
    with pytest.raises(ConfigError, match="got 'surogate'; did you mean 'surrogate'"):
        plan(odd, prepared.facts, prepared.samples, binding=prepared.binding)
    monkeypatch.setattr(prepare_module, "select_checks", lambda *_: odd)
    with pytest.raises(ConfigError, match=r"honest\.yaml: check 'comparing'.*no other.*got 'surogate'"):
        prepare(study / "honest.yaml", limit=LIMIT)


def test_trials_of_the_audited_classifier_keep_their_identity() -> None:
    trial = replace(CLEAN, source=Trial("universal", keep=True))
    assert "subject" not in trial.as_dict() and "subject" not in trial.as_dict()["source"]
    assert trial.key("binding") == "d22e63e8a6140e97c2f9"
    named = replace(trial, subject="int8", source=replace(CLEAN, subject="int8"))
    assert Trial.from_dict(named.as_dict()) == named and Trial.from_dict(trial.as_dict()) == trial
    assert len({trial.key("b"), named.key("b"), replace(named, subject="int4").key("b")}) == 3
