"""Which explanations a check asks for, with which settings; which zone it shows; and that two checks of one name are
refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.checks import checks, make_check
from auditor.checks.common import shown_zone
from auditor.config.schema import audit_schema
from auditor.core.errors import AuditorError, ConfigError
from auditor.core.facts import Facts
from auditor.engine.lock import lock_checks, lock_text
from auditor.engine.prepare import prepare

KNOWN: dict[str, tuple[dict[str, Any], ...]] = {
    "image": ({"steps": 16}, {}),
    "table": ({"coalitions": 256, "background": 16}, {"background": 16}),
}
"""What the trials of earlier versions were told: their identities, and so finished runs, depend on it."""
NAMES = {"image": ("integrated_gradients", "saliency"), "table": ("kernel_shap", "permutation")}
Make = Callable[..., Facts]


def asked(facts: Facts, modality: str, **settings: Any) -> dict[str, dict[str, Any]]:
    return {trial.method: dict(trial.settings) for trial in make_check("attribution", modality, settings).trials(facts)}


@pytest.mark.parametrize("modality", KNOWN)
def test_names_alone_ask_for_what_they_always_asked_for(facts: Make, modality: str) -> None:
    expected = dict(zip(NAMES[modality], KNOWN[modality], strict=True))
    assert asked(facts(modality=modality), modality) == expected
    assert asked(facts(modality=modality), modality, methods=list(NAMES[modality])) == expected
    assert asked(facts(modality=modality), modality, methods=dict.fromkeys(NAMES[modality])) == expected
    assert checks.bind("attribution", {}, modality)["methods"] == NAMES[modality], "a lock names them as before"


def test_settings_reach_the_trials(facts: Make) -> None:
    assert asked(facts(), "image", methods={"integrated_gradients": {"steps": 4}}) == {
        "integrated_gradients": {"steps": 4}
    }
    given = {"kernel_shap": {"coalitions": 64}, "permutation": {}, "own": {"depth": 3}}
    expected = {
        "kernel_shap": {"coalitions": 64, "background": 16},
        "permutation": {"background": 16},
        "own": {"depth": 3},
    }
    assert asked(facts(modality="table"), "table", methods=given) == expected


def test_settings_outlive_the_lock() -> None:
    from ruamel.yaml import YAML

    chosen = {
        "attribution": make_check(
            "attribution", "image", {"methods": {"integrated_gradients": {"steps": 4}, "saliency": None}}
        )
    }
    read = YAML(typ="safe").load(lock_text({"checks": lock_checks(chosen)}))["checks"]
    assert make_check("attribution", "image", read["attribution"]) == chosen["attribution"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"saliency": {"steps": 3}}, "explanation 'saliency': unknown setting 'steps'"),
        ({"integrated_gradients": {"steps": 0}}, "explanation 'integrated_gradients', setting 'steps'"),
        (["salience"], "did you mean 'saliency'"),
    ],
)
def test_wrong_explanations_are_refused_before_any_work(study: Path, methods: Any, words: str) -> None:
    path = study / "explained.yaml"
    path.write_text((study / "honest.yaml").read_text().replace("methods: [saliency]", f"methods: {methods}"))
    with pytest.raises(ConfigError, match=f"explained.yaml: check 'attribution': .*{words}"):
        prepare(path, limit=8, only=("attribution",))


def test_the_schema_knows_both_forms() -> None:
    assert '"methods": {"anyOf": [{"items": {"type": "string"}' in str(audit_schema()).replace("'", '"')


@pytest.mark.parametrize(
    ("shares", "zone"),
    [
        ((0.2, 0.3), "outside"),
        ((1.0, 1.0), "everywhere"),
        ((0.0, 1.0, None), "everywhere"),
        ((None, None), "everywhere"),
        ((1.0, 0.4), "outside"),
    ],
)
def test_a_mask_that_leaves_nothing_outside_shows_no_outside(
    facts: Make, shares: tuple[float | None, ...], zone: str
) -> None:
    assert shown_zone(facts(len(shares), mask_share=shares)) == zone


def test_two_checks_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Another:
        """Another check."""

    checks.names()  # so that every check is known
    monkeypatch.setattr(checks, "_entries", dict(checks._entries))
    with pytest.raises(AuditorError, match=r"registered twice: by auditor.modalities.images.checks.exposure and"):
        checks.register("exposure", modality="image")(Another)
    with pytest.raises(AuditorError, match=r"expected the kind of data too, one of image, table"):
        checks["exposure"]
    checks.register("exposure")(Another)
    assert checks.serving("exposure", "table").modality == "table", "its own comes before one for every modality"
    assert checks.serving("exposure", "another").make is Another is checks["exposure"].make
    with pytest.raises(AuditorError, match=r"registered twice"):
        checks.register("exposure")(type("Third", (), {}))
