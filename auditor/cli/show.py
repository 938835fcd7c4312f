"""What commands print: the four answers, and every finding in one line."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from auditor.core.records import Finding, Verdict

SIGNS: dict[Verdict, tuple[str, str]] = {
    "pass": ("PASS          ", "green"),
    "fail": ("FAIL          ", "red"),
    "inconclusive": ("INCONCLUSIVE  ", "yellow"),
    "not_measured": ("NOT MEASURED  ", "yellow"),
}


def show_findings(findings: Sequence[Finding], out: Path, *, as_json: bool = False) -> None:
    """Print the four answers and where the reports are; or findings.json as it is."""
    from auditor.report.answers import answers

    if as_json:
        sys.stdout.write((out / "findings.json").read_text(encoding="utf-8"))
        return
    for answer in answers(list(findings)):
        _line(answer.verdict, f"{answer.number}. {answer.question}")
        click.echo(textwrap.indent(textwrap.fill(answer.headline, 100), " " * 14))
    others = [finding for finding in findings if finding.question is None and finding.verdict != "pass"]
    for finding in others:
        _line(finding.verdict, f"{finding.id}: {finding.claim}")
    for name in ("report.html", "report.pdf", "findings.json"):
        if (out / name).exists():
            click.echo(f"{name:<14}{out / name}")


def _line(verdict: Verdict, text: str) -> None:
    sign, colour = SIGNS[verdict]
    click.echo(click.style(sign, fg=colour, bold=True) + text)


def show_side_by_side(results: Mapping[str, Sequence[Finding]]) -> None:
    """Print the answers of several audits in columns, and the two numbers that tell them apart."""
    from auditor.report.answers import answers

    answered = {name: answers(list(findings)) for name, findings in results.items()}
    click.echo(f"{'':<56}" + "".join(f"{name:<16}" for name in answered))
    for row in zip(*answered.values(), strict=True):
        click.echo(
            f"{row[0].number}. {row[0].question:<53}"
            + "".join(
                click.style(f"{SIGNS[one.verdict][0].strip():<16}", fg=SIGNS[one.verdict][1], bold=True) for one in row
            )
        )
    for key in ("reliance/outside-share", "exposure/outside"):
        click.echo()
        for name, findings in results.items():
            for finding in findings:
                if finding.id == key:
                    click.echo(textwrap.indent(textwrap.fill(f"{name}: {finding.claim}", 110), "  "))
    click.echo()
