"""Records: values that survive the way through a file."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.displays import Values
from auditor.core.facts import Facts
from auditor.core.records import VERDICTS, Estimate, Evidence, Finding, Trial, canonical, digest, ordered, worst

SOURCE = Trial(
    "evasion", "pgd", {"steps": 20, "step_size": None}, "outside", {"norm": "linf", "epsilon": 2 / 255}, 3, keep=True
)
TRIAL = Trial("attribution", "saliency", {}, "", {"norm": "linf"}, 3, source=SOURCE, samples=64)


def through_json(value: object) -> object:
    return json.loads(json.dumps(value))


def test_a_trial_survives_a_file() -> None:
    again = Trial.from_dict(through_json(TRIAL.as_dict()))
    assert again == TRIAL and hash(again) == hash(TRIAL) and again.key("b") == TRIAL.key("b")
    assert TRIAL.key("b") != TRIAL.key("c") and len(TRIAL.key("b")) == 20


CHANGES = [
    ("probe", "x"),
    ("method", "x"),
    ("settings", {"a": 1}),
    ("zone", "inside"),
    ("threat", {}),
    ("seed", 4),
    ("source", None),
    ("samples", 1),
    ("keep", True),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_every_field_is_part_of_a_trials_identity(name: str, value: object) -> None:
    other = Trial(**{**TRIAL.__dict__, name: value})
    assert other.key("b") != TRIAL.key("b")


def test_sources_come_first_and_equal_trials_once() -> None:
    copy = Trial.from_dict(TRIAL.as_dict())
    assert ordered([TRIAL, SOURCE, copy]) == [SOURCE, TRIAL]


def test_a_finding_survives_a_file() -> None:
    estimate = Estimate(0.1, 0.0, 0.2, 10, "share", "Wilson", units=3, share=True)
    finding = Finding(
        "a/b",
        "a",
        "fail",
        "claim",
        estimate,
        0.1,
        "why",
        Evidence(("s1",), ("t1",)),
        1,
        True,
        "do",
        0.01,
        (Values(values={"x": 2}),),
    )
    assert Finding.from_dict(through_json(finding.as_dict())) == finding
    bare = Finding("a/b", "a", "not_measured", "claim")
    assert Finding.from_dict(through_json(bare.as_dict())) == bare


def test_facts_survive_a_file() -> None:
    facts = Facts(
        ("a", "b"),
        ("labels",),
        "image",
        ("s1",),
        (0,),
        ("u1",),
        {"sex": ("f",)},
        (None,),
        0.0,
        1.0,
        255,
        "linf",
        (0.1, 0.2),
        0.1,
        0.02,
        "pgd",
        {"steps": 2},
        7,
    )
    assert Facts.from_dict(through_json(facts.as_dict())) == facts
    named = replace(facts, regions={"organ": (0.3,), "air": (None,)})
    assert Facts.from_dict(through_json(named.as_dict())) == named
    older = {name: value for name, value in facts.as_dict().items() if name != "regions"}
    assert Facts.from_dict(through_json(older)) == facts, "runs made before there were named zones"
    assert facts.unit_of == {"s1": "u1"}


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)),
    )
)
def test_one_text_per_value(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(turned) and digest(value) == digest(turned)
    assert json.loads(canonical(value)) == value


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"x": float("nan")})


@given(st.lists(st.sampled_from(VERDICTS)))
def test_the_worst_of_nothing_is_not_measured(verdicts: list[str]) -> None:
    found = worst(list(verdicts))  # type: ignore[arg-type]
    assert found == ("not_measured" if not verdicts else next(one for one in VERDICTS if one in verdicts))
