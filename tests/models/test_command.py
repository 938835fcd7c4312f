"""A program answers for its rows; whatever else it does is one sentence."""

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from auditor.core.errors import AuditorError, ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.program import written
from auditor.models.load import load_classifier

READ = {
    "csv": "import csv, sys\nrows = list(csv.DictReader(sys.stdin))\n",
    "jsonl": "import json, sys\nrows = [json.loads(line) for line in sys.stdin]\n",
}


@pytest.fixture(scope="module")
def frame(small: SimpleNamespace) -> pd.DataFrame:
    return small.people(40)


def load(folder: Path, code: str, **settings: Any) -> TableClassifier:
    format = settings.get("format", "csv")
    (folder / "score.py").write_text(READ[format] + code)
    given = {"arguments": ["score.py"], "classes": ["no", "yes"], **settings}
    made = load_classifier(sys.executable, "command", base=folder, trust_code=True, **given)
    assert isinstance(made, TableClassifier)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_each_kind_of_answer(format: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    age = frame["age"].to_numpy()
    one = load(tmp_path, "for row in rows: print((int(row['age']) - 40) / 10)", format=format, answers="scores")
    assert np.allclose(one.logits(frame) @ torch.tensor([-1.0, 1.0]).double(), (age - 40) / 10)
    each = load(
        tmp_path,
        "for row in rows: print([0, 1, int(row['age'])])",
        format=format,
        answers="scores",
        classes=["a", "b", "c"],
    )
    assert np.array_equal(each.logits(frame), np.stack([np.zeros(40), np.ones(40), age], 1))
    share = load(tmp_path, "for row in rows: print(int(row['age']) / 100)", format=format)
    assert np.allclose(share.logits(frame).softmax(1)[:, 1], age / 100, atol=1e-5) and share.offers == {
        "labels",
        "scores",
    }
    both = load(
        tmp_path, "for row in rows: print(f\"{1 - int(row['age']) / 100}, {int(row['age']) / 100}\")", format=format
    )
    assert np.allclose(both.logits(frame), share.logits(frame))
    named = load(
        tmp_path, "for row in rows: print('yes' if int(row['age']) > 40 else 'no')", format=format, answers="labels"
    )
    assert named.offers == {"labels"} and np.array_equal(named.decisions(frame), age > 40)
    high = load(tmp_path, "for row in rows: print(int(row['age']) / 100)", format=format, threshold=0.6)
    assert np.array_equal(high.decisions(frame), age >= 60) and torch.equal(
        high.logits(frame).argmax(1), high.decisions(frame)
    )
    assert high.logits(frame.iloc[:0]).shape == (0, 2)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_program_sees_the_rows_as_they_are(format: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    rows = frame.assign(job=frame["job"].replace("nurse", 'a "b", ü\nc'))
    code = (
        "import os\nopen('seen.json', 'w').write(__import__('json').dumps([rows, os.getcwd()]))\nfor row in rows:"
        " print(0.5)"
    )
    load(tmp_path, code, format=format, columns=["job", "hours", "owns", "age"]).logits(
        rows[["job", "hours", "owns", "age"]]
    )
    seen, folder = json.loads((tmp_path / "seen.json").read_text())
    assert os.path.samefile(folder, tmp_path) and list(seen[0]) == ["job", "hours", "owns", "age"]
    for row, (_, cells) in zip(seen, rows.iterrows(), strict=True):
        missing = "" if format == "csv" else None
        assert row["job"] == (missing if pd.isna(cells["job"]) else cells["job"])
        hours = missing if pd.isna(cells["hours"]) else cells["hours"]
        assert row["hours"] == (str(hours) if format == "csv" else hours)
        assert (row["age"], row["owns"]) == (
            (str(cells["age"]), str(cells["owns"])) if format == "csv" else (cells["age"], cells["owns"])
        )


def test_numbers_lose_no_digit() -> None:
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    rows = pd.DataFrame({"x": values})
    assert np.array_equal([float(line) for line in written(rows, "csv").splitlines()[1:]], values)
    assert np.array_equal([json.loads(line)["x"] for line in written(rows, "jsonl").splitlines()], values)


@pytest.mark.parametrize(
    ("code", "settings", "sentence"),
    [
        ("for row in rows[1:]: print(0.5)", {}, "expected one line of answer for each of 40 rows, got 39"),
        ("for row in rows: print('high')", {}, "expected finite numbers in each line of answer, got 'high'"),
        (
            "for row in rows: print('nan')",
            {"answers": "scores"},
            "expected finite numbers in each line of answer, got 'nan'",
        ),
        ("for row in rows: print('[0.1, [')", {}, r"expected 1 or 2 numbers in each line of answer, got '\[0.1, \['"),
        (
            "for row in rows: print('0.1,0.2,0.7')",
            {},
            "expected 1 or 2 numbers in each line of answer, got '0.1,0.2,0.7' in line 1",
        ),
        ("print(0.5)\nfor row in rows[1:]: print('0.5,0.5')", {}, "got '0.5,0.5' in line 2"),
        ("for row in rows: print(1.5)", {}, "expected probabilities between 0 and 1, got 1.5"),
        ("for row in rows: print('yess')", {"answers": "labels"}, "got 'yess'; did you mean 'yes'"),
        ("sys.exit('first\\nlast words')", {}, "the program ended with code 1: last words"),
        ("sys.exit(3)", {}, "the program ended with code 3: nothing on stderr"),
        ("import time\ntime.sleep(60)", {"timeout_s": 0.5}, "expected an answer within 0.5 s"),
        ("import os, time\nif not os.fork(): time.sleep(60)", {"timeout_s": 0.5}, "expected an answer within 0.5 s"),
        (
            "for row in rows: print('yes')",
            {"answers": "labels", "threshold": 0.5},
            "expected a classifier that gives probabilities",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    code: str, settings: dict[str, Any], sentence: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    classifier = load(tmp_path, code, **settings)
    start = time.perf_counter()
    with pytest.raises(ClassifierError, match=sentence) as caught:
        classifier.logits(frame)
    assert "\n" not in str(caught.value) and time.perf_counter() - start < 20


def test_a_program_is_not_started_without_trust(tmp_path: Path, frame: pd.DataFrame) -> None:
    program = tmp_path / "score"
    program.write_text("#!/bin/sh\ntouch mark\ncat > /dev/null\necho 0.5\n")
    with pytest.raises(
        ClassifierError, match="source command runs a program: 'score' is only started with --trust-code"
    ):
        load_classifier("score", "command", base=tmp_path, classes=["no", "yes"])
    with pytest.raises(ClassifierError, match="a file without that right"):
        load_classifier("score", "command", base=tmp_path, classes=["no", "yes"], trust_code=True)
    program.chmod(0o755)
    classifier = load_classifier("score", "command", base=tmp_path, classes=["no", "yes"], trust_code=True)
    assert not (tmp_path / "mark").exists()
    assert torch.equal(classifier.logits(frame.iloc[:1]), torch.zeros(1, 2).double() + np.log(0.5))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"classes": ["yes"]}, "expected at least two `classes`"),
        ({"classes": ["yes", "yes"]}, "expected different class names"),
        ({}, "setting 'classes'"),
        ({"classes": ["a", "b"], "answers": "label"}, "setting 'answers'"),
        ({"classes": ["a", "b", "c"], "threshold": 0.5}, "expected two classes and a share"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(AuditorError, match=sentence):
        load_classifier(sys.executable, "command", base=tmp_path, trust_code=True, **settings)
    with pytest.raises(ClassifierError, match="expected a program, got nothing there"):
        load_classifier("no-such-program", "command", base=tmp_path, trust_code=True, classes=["a", "b"])


def test_the_digest_follows_the_program(frame: pd.DataFrame, tmp_path: Path) -> None:
    first = load(tmp_path, "for row in rows: print(0.5)").digest
    assert load(tmp_path, "for row in rows: print(0.5)").digest == first
    assert load(tmp_path, "for row in rows: print(0.6)").digest != first
    assert load(tmp_path, "for row in rows: print(0.5)", answers="scores").digest != first
