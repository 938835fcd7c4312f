"""auditor list and auditor schema; and what the command line says to mistakes."""

import json
import sys
from collections.abc import Callable
from importlib import import_module

import pytest

from auditor.cli.list import KINDS
from auditor.cli.main import main
from auditor.config.schema import audit_schema, findings_schema

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return function (*arguments) -> exit code, stdout, stderr of the command line."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["auditor", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        streams = capsys.readouterr()
        return int(left.value.code or 0), streams.out, streams.err

    return call


def test_list_names_everything(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    for kind, (module, attribute) in KINDS.items():
        assert kind in out.split("\n")
        for entry in getattr(import_module(module), attribute):
            assert f"  {entry.name:<22}{entry.summary}" in out and entry.summary.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_list_one_kind(run: Run, kind: str) -> None:
    code, out, _ = run("list", kind)
    assert code == 0 and [line for line in out.splitlines() if not line.startswith(" ")] == [kind]


def test_schemas_are_printed_as_json(run: Run) -> None:
    assert json.loads(run("schema")[1]) == audit_schema() == json.loads(run("schema", "audit")[1])
    assert json.loads(run("schema", "findings")[1]) == findings_schema()


MISTAKES = [
    (("list", "attack"), "expected a known kind, got 'attack'; did you mean 'attacks'?"),
    (("lst",), "no command 'lst'; did you mean 'list'?"),
    (("schema", "finding"), "'finding'"),
    (("run", "missing.yaml", "--out", "x"), "missing.yaml: expected a readable audit file"),
    (("validate", "missing.yaml"), "missing.yaml: expected a readable audit file"),
]


@pytest.mark.parametrize(("arguments", "words"), MISTAKES)
def test_mistakes_get_one_sentence_and_code_2(
    run: Run, tmp_path: object, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(str(tmp_path))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and words in err and "Traceback" not in err
