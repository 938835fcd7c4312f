"""The rules of the house, each with the list of what does not keep it yet.

A list only shrinks: what breaks a rule and is not listed fails, and so does an entry that is no longer needed.
`python tests/house/test_house.py` takes such entries out; it never adds one.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import auditor
from auditor.engine.stages import Judging, Measuring

HOME = Path(auditor.__file__).parent
PROJECT = HOME.parent
UNMENDED = Path(__file__).with_name("unmended.json")
RUFF = {"E501", "PLR0913", "PLR0917"}
LONGEST_FILE, LONGEST_FUNCTION = 250, 40


@cache
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(PROJECT)): ast.parse(path.read_text()) for path in sorted(HOME.rglob("*.py"))}


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the public functions, classes and variables that a module itself defines."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def long_files() -> set[str]:
    return {file for file in trees() if len((PROJECT / file).read_text().splitlines()) > LONGEST_FILE}


def long_functions() -> set[str]:
    return {
        f"{file}:{node.name}"
        for file, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    }


# what the engine, the report and the command line ask of every modality or command by one name, so that they need not
# know which it is
HOOKS = {
    "auditor/modalities/": {"MODALITY", "HELPERS", *vars(Measuring), *vars(Judging), "make_case"},
    "auditor/cli/": {"command"},
}


def names_that_exist_twice() -> set[str]:
    places = defaultdict(set)
    for file, tree in trees().items():
        hooks = set().union(*(names for folder, names in HOOKS.items() if file.startswith(folder)))
        for name in set(public_names(tree)) - hooks:
            places[name].add(file)
    return {name for name, files in places.items() if len(files) > 1}


def comparisons_with_a_modality() -> set[str]:
    """Return file:function of each comparison with a modality's name outside the modalities' own folders."""
    folders = {path.name for path in (HOME / "modalities").iterdir() if path.is_dir() and path.name != "__pycache__"}
    names = folders | {folder.removesuffix("s") for folder in folders}
    found = set()
    for file, tree in trees().items():
        if file.startswith("auditor/modalities/"):
            continue
        for node in ast.walk(tree):
            for inner in ast.walk(node) if isinstance(node, ast.FunctionDef | ast.Lambda) else ():
                sides = [inner.left, *inner.comparators] if isinstance(inner, ast.Compare) else []
                if any(isinstance(side, ast.Constant) and side.value in names for side in sides):
                    found.add(f"{file}:{getattr(node, 'name', 'lambda')}")
    return found


def circles() -> set[str]:
    """Return the modules from which imports, also inside functions, lead back to themselves."""
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in trees()}
    imports: dict[str, set[str]] = {}
    for module, file in modules.items():
        wanted = set()
        for node in ast.walk(trees()[file]):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                wanted |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
        imports[module] = {name for name in wanted if name in modules and name != module}
    found = set()
    for module in modules:
        reached, waiting = set[str](), list(imports[module])
        while waiting:
            here = waiting.pop()
            if here not in reached:
                reached.add(here)
                waiting += imports[here]
        if module in reached:
            found.add(module)
    return found


RULES: dict[str, Callable[[], set[str]]] = {
    "files over 250 lines": long_files,
    "functions over 40 lines": long_functions,
    "public names that exist twice": names_that_exist_twice,
    "comparisons with a modality's name outside its folder": comparisons_with_a_modality,
    "import circles": circles,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rules_of_the_house(rule: str) -> None:
    broken, listed = RULES[rule](), set(json.loads(UNMENDED.read_text())[rule])
    assert sorted(broken - listed) == [], f"{rule}: new"
    assert sorted(listed - broken) == [], f"{rule}: mended, so take them off {UNMENDED.name}"


def test_what_ruff_lets_pass_is_needed() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["ruff"]
    listed = {
        (file, code)
        for file, codes in settings["lint"]["per-file-ignores"].items()
        for code in codes
        if file.startswith("auditor/") and code in RUFF
    }
    strict = [
        f"line-length = {settings['line-length']}",
        "lint.preview = true",
        f"lint.pylint.max-args = {settings['lint']['pylint']['max-args']}",
        f"lint.pylint.max-positional-args = {settings['lint']['pylint']['max-positional-args']}",
    ]
    options = [part for setting in strict for part in ("--config", setting)]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--output-format=json", *options]
    answer = subprocess.run(
        [*command, f"--select={','.join(sorted(RUFF))}", str(HOME)], capture_output=True, text=True, check=False
    )
    broken = {(str(Path(one["filename"]).relative_to(PROJECT)), one["code"]) for one in json.loads(answer.stdout)}
    assert sorted(broken - listed) == []
    assert sorted(listed - broken) == [], "mended, so take them off pyproject.toml"


if __name__ == "__main__":
    known = json.loads(UNMENDED.read_text())
    kept = {rule: sorted(set(known[rule]) & broken()) for rule, broken in RULES.items()}
    UNMENDED.write_text(json.dumps(kept, indent=1) + "\n")
