"""The documents agree with the code: generated pages, links, commands, audit files and names."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

import auditor
from auditor.cli.list import KINDS
from auditor.cli.main import COMMANDS, cli
from auditor.config.config import parse_audit
from auditor.config.yaml import plain_value

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GENERATED = ("commands.md", "audit-file.md")
BASES: dict[str, dict[str, Any]] = {
    "images": {
        "model": {"source": "timm", "weights": "model.safetensors"},
        "data": {"manifest": "manifest.csv", "groups": ["sex"]},
    },
    "tables": {
        "model": {"source": "sklearn", "path": "model.skops"},
        "data": {"source": "table", "table": "t.csv", "label": "y"},
    },
}
"""What a fragment of an audit file leaves out, by the page that shows it."""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as web pages of a repository make them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> list[str]:
    return [
        link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not link.startswith(("http://", "https://"))
    ]


def shown(page: Path) -> Iterator[list[str]]:
    """Yield every command that a page shows, in a block or within a sentence, as words."""
    lines = [
        line.partition("  #")[0].partition("\t#")[0] for block in blocks(page, "sh") for line in block.splitlines()
    ]
    lines += re.findall(r"`((?:\.venv/bin/)?auditor [a-z][^`]*|make \w+|python benchmarks/[^`]*)`", prose(page))
    yield from (shlex.split(line) for line in lines if line.strip())


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generator().PAGES[name](), "run `make docs`"


def test_every_registered_name_stands_in_the_page_on_the_audit_file() -> None:
    text = (ROOT / "docs" / "audit-file.md").read_text(encoding="utf-8")
    every = [list(getattr(import_module(module), attribute)) for module, attribute in KINDS.values()]
    headings = {
        f"\n### `{entry.name}`"
        + (f" for {entry.modality}s\n" if entry.modality and [one.name for one in kind].count(entry.name) > 1 else "\n")
        for kind in every
        for entry in kind
    }
    assert headings and {heading for heading in headings if heading not in text} == set()


def test_every_setting_is_described() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| *(.*?) *\|$", (ROOT / "docs" / "audit-file.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows and [name for name, meaning in rows if not meaning] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        reached.add(page)
        found = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        todo += [other for other in found if other.suffix == ".md" and other not in reached]
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    for words in shown(page):
        refused = refusal(words)
        assert not refused, f"{' '.join(words)}: {refused}"


def refusal(words: list[str]) -> str:
    """Return why a command that a page shows cannot be given; '' where it can."""
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return "" if set(rest) <= set(targets) else "no such target"
    if program == "python":
        script = (ROOT / rest[0]).read_text()
        options = [word.strip("[]") for word in rest[1:] if word.strip("[]").startswith("--")]
        unknown = [option for option in options if f'"{option}"' not in script]
        return f"no option {unknown[0]}" if unknown else ""
    if Path(program).name != "auditor":
        return "" if program in ("pip", "git", "cd") else "not a command of this project"
    return parsed(rest)


def parsed(words: list[str]) -> str:
    if words[0] not in COMMANDS:
        return f"no command {words[0]}"
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    if isinstance(command, click.Group):
        if words[1] not in command.commands:
            return f"no command {words[1]} of {words[0]}"
        command, words = command.commands[words[1]], words[1:]
    try:
        _, left, _ = command.make_parser(click.Context(command)).parse_args(words[1:])
    except click.UsageError as error:
        return error.format_message()
    return f"too many arguments: {left}" if left else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_audit_files_that_are_shown_can_be_read(page: Path) -> None:
    for text in blocks(page, "yaml"):
        tree = YAML(typ="rt").load(text)
        base = BASES["tables" if page.stem == "tables" else "images"]
        audit = parse_audit({**base, **plain_value(tree)}, page, tree)
        model = {key: value for key, value in audit.model.items() if key not in ("source", "path", "weights", "draws")}
        data = {key: value for key, value in audit.data.items() if key != "source"}
        registries = {kind: getattr(import_module(module), attribute) for kind, (module, attribute) in KINDS.items()}
        registries["models"].bind(audit.model["source"], model)
        registries["data"].bind(audit.data.get("source", "images"), data)
        registries["attacks"].bind(audit.attack.name, audit.attack.settings)


def test_the_pages_on_images_and_tables_begin_with_a_whole_audit_file() -> None:
    for name in BASES:
        first = YAML(typ="safe").load(blocks(ROOT / "docs" / f"{name}.md", "yaml")[0])
        assert {"title", "intended_use", "model", "data", "threat", "checks", "report"} <= set(first)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_that_is_shown_is_python(page: Path) -> None:
    for text in blocks(page, "python"):
        compile(text, str(page), "exec")
        assert set(re.findall(r"\bauditor\.(\w+)", text)) <= set(auditor.__all__)


def test_the_folders_of_the_architecture_are_those_of_the_package() -> None:
    tree = next(block for block in blocks(ROOT / "docs" / "architecture.md", "text") if block.startswith("auditor/"))
    shown = set(re.findall(r"^  (\w+)/", tree, re.MULTILINE))
    package = Path(auditor.__file__).parent
    assert shown == {path.parent.name for path in package.glob("*/__init__.py")}
