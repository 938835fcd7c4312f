"""Guards: what keeps the design as it is."""

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest

import auditor
from auditor.cli.main import COMMANDS, cli

ROOT = Path(auditor.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the modules of the project that a file imports, also inside functions, as dotted paths below `auditor`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "auditor":
            base = node.module.removeprefix("auditor").removeprefix(".")
            names = [alias.name for alias in node.names]
            found |= {base} if base else set(names)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("auditor.") for alias in node.names if alias.name.startswith("auditor.")}
    return found


def test_attacks_never_import_a_concrete_threat() -> None:
    for path in (ROOT / "attacks").rglob("*.py"):
        taken = {name for name in imports(path) if name.startswith("threats")}
        assert taken <= {"threats.threat", "threats.listed", "threats.shapes"}, path
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "auditor.threats.threat"
            for alias in node.names
        }
        assert names <= {"Threat", "SmoothThreat"}, path


def in_a_new_process(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_judging_and_rendering_work_without_torch() -> None:
    modules = ["auditor.engine.judge", "auditor.engine.lock", "auditor.report.render"]
    block = [
        "import sys",
        "class Block:",
        "  def find_spec(self, name, *_):",
        "    if name.split('.')[0] == 'torch': raise ImportError(name)",
    ]
    load = [
        "sys.meta_path.insert(0, Block())",
        "from importlib import import_module",
        f"for name in {modules}: import_module(name)",
    ]
    code = "\n".join([*block, *load, "from auditor.checks import checks", "print(checks.names())"])
    assert "reliance" in in_a_new_process(code)


def test_help_imports_nothing_heavy() -> None:
    show = "print('HEAVY', sorted({'torch', 'pandas', 'pydantic', 'scipy', 'numpy', 'matplotlib'} & set(sys.modules)))"
    code = f"import sys\nfrom auditor.cli.main import cli\ncli.main(['--help'], standalone_mode=False)\n{show}"
    assert "HEAVY []" in in_a_new_process(code)
    assert "HEAVY []" in in_a_new_process(f"import sys, auditor\n{show}")


def test_what_shares_a_costly_fixture_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    """Where xdist cannot write a group behind the name of a test, every process makes every fixture, and no one says
    so.
    """
    grouped = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@test_guards") == grouped, "install what constraints.txt says"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name
    assert command.help and "Example:" in command.help and f"auditor {name}" in command.help
    assert command.short_help and command.short_help.endswith(".")
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_every_command_file_is_a_command() -> None:
    shared = {"__init__", "main", "options", "progress", "show"}
    assert {path.stem for path in (ROOT / "cli").glob("*.py")} - shared == set(COMMANDS)


@pytest.mark.parametrize("name", auditor.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(auditor, name) is not None
