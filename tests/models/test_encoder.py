"""A torch module behind an encoder answers as the module on rows encoded by hand, with first-order changes per
column.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auditor.core.errors import AuditorError, ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.table import Column, Table
from auditor.models.load import load_classifier

COLUMNS: dict[str, Any] = {
    "age": {"mean": 45, "std": 15},
    "hours": {"mean": 40, "std": 10, "missing": 30},
    "job": {"levels": ["clerk", "nurse", "smith"], "unknown": "clerk"},
    "owns": {"levels": [False, True]},
    "shift": {"levels": [1, 2, 3]},
}
LAYERS = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 2)).requires_grad_(False)


@pytest.fixture(scope="module")
def frame(small: SimpleNamespace) -> pd.DataFrame:
    return small.people(200)


def by_hand(frame: pd.DataFrame) -> torch.Tensor:
    numbers = np.stack([(frame["age"] - 45) / 15, (frame["hours"].fillna(30) - 40) / 10], 1)
    job = np.stack([frame["job"] == level for level in ("clerk", "nurse", "smith")], 1)
    owns = np.stack([~frame["owns"], frame["owns"]], 1)
    shift = np.stack([frame["shift"] == level for level in (1, 2, 3)], 1)
    return torch.from_numpy(np.concatenate([numbers, job, owns, shift], 1).astype(np.float32))


def scripted(module: nn.Module, file: Path) -> Path:
    torch.jit.save(torch.jit.trace(module, torch.rand(2, 10)), file)
    return file


def exported(module: nn.Module, file: Path) -> Path:
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(module, (torch.rand(2, 10),), dynamic_shapes=shapes), file)
    return file


def load(file: Any, **settings: Any) -> TableClassifier:
    made = load_classifier(
        file, trust_code=True, **{"input": {"columns": COLUMNS}, "classes": ["no", "yes"], **settings}
    )
    assert isinstance(made, TableClassifier)
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("save", "name"), [(scripted, "net.pt"), (exported, "net.pt2")])
def test_a_module_answers_as_on_rows_encoded_by_hand(
    save: Callable[[nn.Module, Path], Path], name: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    classifier = load(save(copy.deepcopy(LAYERS), tmp_path / name))
    assert classifier.columns == tuple(COLUMNS) and classifier.offers == {"labels", "scores", "gradient"}
    assert torch.allclose(classifier.logits(frame).float(), LAYERS(by_hand(frame)), atol=1e-5)


@pytest.fixture
def python(tmp_path: Path) -> str:
    torch.save(LAYERS.state_dict(), tmp_path / "net.pth")
    code = (
        "import torch\nfrom torch import nn\ndef make(file):\n    net = nn.Sequential(nn.Linear(10, 16), nn.Tanh(),"
        " nn.Linear(16, 2))\n"
    )
    (tmp_path / "net.py").write_text(
        code + "    net.load_state_dict(torch.load(file, weights_only=True))\n    return net\n"
    )
    return "net.py:make"


def loaded(python: str, folder: Path, **settings: Any) -> TableClassifier:
    return load(python, base=folder, settings={"file": str(folder / "net.pth")}, **settings)


def test_missing_and_unknown_cells(frame: pd.DataFrame, python: str, tmp_path: Path) -> None:
    classifier = loaded(python, tmp_path)
    strange = frame.assign(
        job=np.where(frame["age"] > 40, "pilot", frame["job"]),
        shift=frame["shift"].where(frame["age"] > 30).astype(float),
    )
    expected = by_hand(strange)
    unknown = torch.tensor((strange["job"] == "pilot").tolist())
    expected[unknown, 2] = 1.0  # declared: unknown jobs are clerks; a missing one is none of the levels
    assert torch.allclose(classifier.logits(strange).float(), LAYERS(expected), atol=1e-5)
    other = {
        **COLUMNS,
        "job": {"levels": ["clerk", "nurse", "smith"], "missing": "smith"},
        "hours": {"mean": 40, "std": 10},
    }
    expected = by_hand(frame.assign(job=frame["job"].fillna("smith"), hours=frame["hours"].fillna(40)))
    assert torch.allclose(
        loaded(python, tmp_path, input={"columns": other}).logits(frame).float(), LAYERS(expected), atol=1e-5
    )


def candidates(table: Table) -> list[np.ndarray]:
    return [
        np.linspace(column.low, column.high, 7).round() if column.numeric else np.arange(float(len(column.levels)))
        for column in table.columns
    ]


def test_first_order_changes_are_those_of_the_encoded_gradient(
    frame: pd.DataFrame, small: SimpleNamespace, python: str, tmp_path: Path
) -> None:
    columns = small.table(frame).columns
    table = Table(
        (columns[3], columns[0], Column("note", "text", levels=("a",), allowed=()), columns[2], columns[4], columns[1])
    )
    frame = frame.assign(note="a")
    x = small.codes(table, frame).numpy()
    classifier = loaded(python, tmp_path).over(table)
    assert classifier.pulls is not None
    values = [
        np.zeros(1) if column.kind == "text" else one
        for column, one in zip(table.columns, candidates_or_zero(table), strict=True)
    ]
    direction = np.random.default_rng(0).normal(size=(len(x), 2))
    found = classifier.pulls(table, x, direction, values)
    start = by_hand(frame).requires_grad_()
    slope = torch.autograd.grad((LAYERS(start) * torch.from_numpy(direction).float()).sum(), start)[0]
    for place, column in enumerate(table.columns):
        assert found[place].shape == (len(x), len(values[place]))
        for k, value in enumerate(values[place]):
            changed = x.copy()
            changed[:, place] = value
            step = by_hand(table.frame(changed).astype({"owns": bool})) - start.detach()
            assert np.allclose(found[place][:, k], (slope * step).sum(1), atol=1e-4), column.name


def candidates_or_zero(table: Table) -> list[np.ndarray]:
    return candidates(Table(tuple(replace(column, low=0.0, high=60.0) for column in table.columns)))


def test_first_order_changes_of_a_linear_module_are_exact(
    frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\ndef make():\n    torch.manual_seed(0)\n    return torch.nn.Linear(10, 3)\n"
    )
    table = small.table(frame)
    classifier = load("net.py:make", base=tmp_path, classes=["a", "b", "c"]).over(table)
    assert classifier.pulls is not None
    x = small.codes(table, frame).numpy()
    values, direction = candidates(table), np.random.default_rng(1).normal(size=(len(x), 3))
    before = (classifier.logits(torch.from_numpy(x)).numpy() * direction).sum(1)
    for place, changes in enumerate(classifier.pulls(table, x, direction, values)):
        for k, value in enumerate(values[place]):
            changed = x.copy()
            changed[:, place] = value
            after = (classifier.logits(torch.from_numpy(changed)).numpy() * direction).sum(1)
            assert np.allclose(changes[:, k], after - before, atol=1e-4)


@pytest.mark.parametrize("last", ["lambda x: x", "lambda x: x[:, 0]"], ids=["a column", "flat"])
def test_one_output_is_read_as_log_odds(last: str, frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    code = (
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n       "
        " torch.manual_seed(0)\n"
    )
    code += (
        "        self.line = torch.nn.Linear(10, 1)\n    def forward(self, x):\n        return"
        f" ({last})(self.line(x))\n"
    )
    (tmp_path / "net.py").write_text(code)
    classifier = load("net.py:Net", base=tmp_path).over(small.table(frame))
    torch.manual_seed(0)
    odds = nn.Linear(10, 1)(by_hand(frame))[:, 0].detach()
    scores = classifier.logits(frame)
    assert torch.allclose((scores[:, 1] - scores[:, 0]).float(), odds, atol=1e-5) and torch.equal(
        classifier.decisions(frame) == 1, odds > 0
    )
    assert (
        "the module's one output is read as the log odds of 'yes'" in classifier.notes and classifier.pulls is not None
    )
    x = small.codes(classifier.table, frame).numpy()
    changes = classifier.pulls(
        classifier.table, x, np.tile([-1.0, 1.0], (len(x), 1)), [x[:1, place] for place in range(5)]
    )
    assert all(np.allclose(one[0], 0, atol=1e-6) for one in changes)
    with pytest.raises(ClassifierError, match="one output|expected an output of shape"):
        load("net.py:Net", base=tmp_path, classes=None)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"input": {"columns": {**COLUMNS, "job": {"levels": ["a", "a"]}}}}, "expected different levels"),
        (
            {"input": {"columns": {**COLUMNS, "job": {"levels": ["a", "b"], "unknown": "c"}}}},
            "expected one of the levels for missing and unknown cells, got 'c'",
        ),
        ({"input": {"columns": {**COLUMNS, "age": {"std": 0}}}}, "a std other than 0"),
        ({"input": {"columns": COLUMNS, "size": 3}}, "expected either columns, for a table, or size"),
        ({"input": {"columns": {"age": {}}}}, r"fails at an input of shape \(1, 1\)"),
        ({"classes": ["a", "b", "c"]}, r"expected logits of shape \(n, 3\)"),
        ({"draws": 0}, "'draws': expected a whole number"),
    ],
)
def test_encoders_that_do_not_fit(settings: dict[str, Any], sentence: str, python: str, tmp_path: Path) -> None:
    with pytest.raises(AuditorError, match=sentence) as caught:
        loaded(python, tmp_path, **settings)
    assert "\n" not in str(caught.value)


def test_rows_that_do_not_fit(frame: pd.DataFrame, python: str, tmp_path: Path) -> None:
    classifier = loaded(python, tmp_path)
    with pytest.raises(ClassifierError, match="expected the column 'job', which `input.columns` names"):
        classifier.logits(frame.drop(columns="job"))
    with pytest.raises(ClassifierError, match="expected numbers in column 'age', got 'old'"):
        classifier.logits(frame.assign(age="old"))


ANSWERS = """
import numpy as np
from auditor.modalities.tables.classifier import TableClassifier

class Rule:
    classes_ = np.array(["no", "yes"])
    def predict(self, frame):
        return np.where(frame["age"] > 40, "yes", "no")

class Chances(Rule):
    def predict_proba(self, frame):
        share = (frame["age"] / 100).to_numpy()
        return np.stack([1 - share, share], 1)

class Bare:
    classes_ = ["no", "yes"]
    predict_proba = Chances.predict_proba

def ready():
    scores = lambda frame: np.stack([-frame["age"], frame["age"] - 80], 1)
    offers = frozenset({"labels", "scores"})
    return TableClassifier(scores=scores, name="own", digest="own", classes=("no", "yes"), offers=offers)
"""


def test_python_may_return_what_answers_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(ANSWERS)
    rule, chances, ready = (
        load_classifier(f"own.py:{name}", base=tmp_path, trust_code=True) for name in ("Rule", "Chances", "ready")
    )
    assert all(isinstance(one, TableClassifier) and one.classes == ("no", "yes") for one in (rule, chances, ready))
    assert (
        rule.offers == {"labels"} and rule.logits(frame).argmax(1).tolist() == (frame["age"] > 40).astype(int).tolist()
    )
    assert np.allclose(chances.logits(frame).softmax(1)[:, 1], frame["age"] / 100, atol=1e-5)
    assert (
        isinstance(chances, TableClassifier)
        and chances.decisions(frame).tolist() == (frame["age"] > 40).astype(int).tolist()
    )
    assert ready.name == "own" and torch.equal(
        ready.logits(frame)[:, 0], torch.from_numpy(-frame["age"].to_numpy(dtype=float))
    )
    bare = load_classifier("own.py:Bare", base=tmp_path, trust_code=True, classes=["0", "1"])
    assert (
        isinstance(bare, TableClassifier)
        and bare.decisions(frame).tolist() == (frame["age"] > 50).astype(int).tolist()
        and bare.classes == ("0", "1")
    )
    with pytest.raises(ClassifierError, match="expected a torch module for `input.columns`"):
        load_classifier("own.py:ready", base=tmp_path, trust_code=True, input={"columns": COLUMNS})
