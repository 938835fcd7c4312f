"""auditor validate on a table: the columns' roles and how often each rule is broken."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from auditor.samples import data


def test_the_lint_is_printed(call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "people.csv").write_text(
        "age,sex,hired\n" + "".join(f"{20 + row},{'fm'[row % 2]},{'yes' if row % 3 else 'no'}\n" for row in range(60))
    )
    settings = {
        "table": "people.csv",
        "label": "hired",
        "groups": ["sex", "age"],
        "columns": {"sex": {"role": "protected"}},
    }
    rules = [{"id": "adult", "require": "age >= 25"}, {"id": "men", "if": "sex == 'm'", "then": "age > 20"}]
    samples = data["table"].make(tmp_path, ("no", "yes"), None, **data.bind("table", {**settings, "rules": rules}))

    def logits(x: torch.Tensor) -> torch.Tensor:
        """The third row of the table is refused."""
        if bool((x == samples.load([2]).x[0]).all(1).any()):
            raise ValueError("an unknown level")
        return torch.zeros(len(x), 2)

    classifier = SimpleNamespace(name="model", input_shape=(2,), notes=("a note of the model",), logits=logits)
    facts = SimpleNamespace(
        classes=("no", "yes"),
        offers=("scores",),
        units=samples.units,
        groups=samples.groups,
        mask_share=samples.mask_share,
        regions={},
        modality="table",
        schema=samples.schema.as_dict(),
    )
    found = SimpleNamespace(classifier=classifier, samples=samples, facts=facts, checks={"exposure": None})
    monkeypatch.setattr("auditor.engine.prepare.prepare", lambda *_, **__: found)
    ended = call("validate", tmp_path / "audit.yaml")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:4] == [
        "model    model: classes no, yes; offers scores; input 2 columns",
        "data     60 samples of 60 units; columns 1 relevant, 1 protected",
        "answers  the model answers 59 of 60 rows; not row '3': an unknown level",
        "group    sex: f 30, m 30; unknown 0",
    ]
    assert lines[4].endswith("39 1, and 40 more; unknown 0") and "note     a note of the model" in lines
    assert (
        "note     rule 'adult' is broken by 5 of 60 rows" in lines
        and "note     rule 'men' is broken by 0 of 60 rows" in lines
    )
    assert (
        "note     5 of 60 rows break a rule themselves; searches leave them out" in lines
        and lines[-1] == "checks   exposure"
    )
