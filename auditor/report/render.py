"""An output folder with findings -> report.html, report.pdf and junit.xml in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, ChainableUndefined, Environment, FileSystemLoader
from jinja2.bccache import Bucket
from markupsafe import Markup

from auditor.core.displays import Display
from auditor.core.errors import AuditorError
from auditor.core.records import QUESTIONS, VERDICTS, Finding
from auditor.report import (
    annex,
    by_group,
    canvas,
    fairness,
    fairness_figures,
    fairness_maps,
    figures,
    flip_figures,
    views,
    words,
)
from auditor.report.annexes import hiring
from auditor.report.answers import answers
from auditor.report.cases import cases
from auditor.report.junit import junit
from auditor.report.pdf import to_pdf
from auditor.report.stages import helpers, modality_of_report
from auditor.report.templates import section_files, templates_dir

__all__ = ["render"]

MODULES = (
    annex,
    by_group,
    canvas,
    fairness,
    fairness_figures,
    fairness_maps,
    figures,
    flip_figures,
    hiring,
    views,
    words,
)
"""What templates may call, under the modules' own names."""


class _Compiled(BytecodeCache):
    """The templates that this process has compiled: that took as long as all the rest of a page of words."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (code := self._kept.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


@dataclass(frozen=True)
class Section:
    """One rendered section: where links go, its heading, its body."""

    id: str
    title: str
    body: Markup
    flow: bool = False
    """Whether it goes on below the section before it, instead of on a page of its own."""


def render(out: Path, *, pdf: bool = True) -> list[Path]:
    """Write report.html, junit.xml and report.pdf beside findings.json and return their paths.

    A report.pdf of an earlier rendering is removed where no new one is written, so that the files never contradict one
    another.
    Without Pango the other files are written before the AuditorError that says what to install.
    """
    audit, findings = load(out)
    html = page(out, audit, findings)
    written = [
        _write(out / "report.html", html.encode()),
        _write(out / "junit.xml", junit(findings, audit)),
        *_annexes(out, audit, findings),
    ]
    target = out / "report.pdf"
    target.unlink(missing_ok=True)
    return [*written, _write(target, to_pdf(html))] if pdf else written


def _annexes(out: Path, audit: Mapping[str, Any], findings: Sequence[Finding]) -> list[Path]:
    """Write each table of the annexes as a CSV; those of an earlier rendering go."""
    for path in (out / "annex").glob("hiring-*.csv"):
        path.unlink()
    found = hiring.annex(audit, findings)
    if found is None:
        return []
    (out / "annex").mkdir(exist_ok=True)
    return [_write(out / table.file, annex.csv_text(table).encode()) for table in found.tables]


def load(out: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Return what findings.json holds, its texts cleaned (AuditorError where it is missing or something else)."""
    path = out / "findings.json"
    try:
        data = words.printable(json.loads(path.read_text(encoding="utf-8")))
        audit, findings = dict(data["audit"].items()), [Finding.from_dict(item) for item in data["findings"]]
    except FileNotFoundError:
        raise AuditorError(
            f"{path}: expected the findings of an audit, found no file; run `auditor judge` first."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AuditorError(
            f"{path}: expected an object with 'audit' and 'findings', got something else ({error}); run `auditor judge`"
            " first."
        ) from None
    wrong = [finding for finding in findings if finding.verdict not in VERDICTS]
    if wrong:
        raise AuditorError(
            f"{path}: finding '{wrong[0].id}': expected a verdict of {', '.join(VERDICTS)}, got '{wrong[0].verdict}'."
        )
    return audit, findings


def page(out: Path, audit: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """Return the report as one HTML page that needs nothing else."""
    folder = templates_dir()
    own = modality_of_report(audit).templates
    files = section_files(folder, own)
    environment = environment_of(folder)
    shared = _content(out, audit, findings, covered={file.stem.partition("_")[2] for file in files})
    sections = [section for file in files if (section := _section(environment, file, shared))]
    sheets = [sheet for place in ("style.css", f"{own}/style.css") if (sheet := folder / place).is_file()]
    style = Markup("".join(sheet.read_text(encoding="utf-8") for sheet in sheets))
    return environment.get_template("report.html").render(**shared, sections=sections, style=style)


def _section(environment: Environment, file: Path, shared: Mapping[str, Any]) -> Section | None:
    module = environment.get_template(f"{file.parent.name}/{file.name}").make_module(dict(shared))
    body = Markup(str(module).strip())
    name, title, flow = (
        file.stem.partition("_")[2].replace("_", "-"),
        str(getattr(module, "title", "")),
        bool(getattr(module, "flow", False)),
    )
    return Section(name, title, body, flow) if body else None


def _content(out: Path, audit: Mapping[str, Any], findings: Sequence[Finding], *, covered: set[str]) -> dict[str, Any]:
    names = dict.fromkeys([*(audit.get("checks") or {}), *(finding.check for finding in findings)])
    grid = words.value_grid(audit)
    return {
        "audit": audit,
        "modality": modality_of_report(audit),
        "data": audit.get("data") or {},
        "grid": grid,
        "epsilon": lambda value: words.epsilon_text(value, grid),
        "steps": lambda value: words.steps_text(value, grid),
        "budget": lambda value: words.budget_text(value, grid),
        "findings": list(findings),
        "by_id": {finding.id: finding for finding in findings},
        "by_check": {name: [finding for finding in findings if finding.check == name] for name in names},
        "others": [name for name in names if name not in covered],
        "answers": answers(findings),
        "cases": cases(out, audit),
        "questions": QUESTIONS,
        "verdicts": VERDICTS,
    }


def environment_of(folder: Path) -> Environment:
    """Return the templates of a folder with everything that they may call; all text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    numbers = count(1)
    modules = {module.__name__.rpartition(".")[2]: module for module in MODULES}
    environment.globals.update(modules | helpers(), next_figure=lambda: next(numbers), shown=shown)
    environment.filters.update(
        {
            "number": words.number,
            "amount": words.amount,
            "estimate": words.estimate_text,
            "declared": words.declared,
            "interval": words.interval,
            "size": words.size_text,
            "p": words.p_text,
            "zone": words.zone_text,
            "plain": words.plain,
            "counts": words.counts,
            "sentence": words.sentence,
            "anchor": words.anchor,
            "shorten": canvas.shorten,
        }
    )
    return environment


def shown(finding: Finding, kind: str, role: str | None = None) -> list[Display]:
    """Return a finding's displays of one kind, such as 'rows'; with a role only those that have it."""
    return [one for one in finding.displays if one.kind == kind and role in (None, one.role)]


def _write(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise AuditorError(f"{path}: the report cannot be written ({error.strerror}).") from None
    finally:
        draft.unlink(missing_ok=True)
    return path
