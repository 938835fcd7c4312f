"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from auditor.core.records import Finding

F = TypeVar("F", bound=Callable[..., Any])

audit_file = click.argument("audit", type=click.Path(path_type=Path, dir_okay=False))
out_folder = click.argument("out", type=click.Path(path_type=Path, file_okay=False))
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout, for scripts.")
fail_on = click.option(
    "--fail-on",
    type=click.Choice(["fail", "inconclusive", "never"]),
    default="fail",
    show_default=True,
    help="What makes the exit code other than 0.",
)


def loading(function: F) -> F:
    """Add the options that say how classifier and samples are loaded."""
    for option in (
        click.option("--check", "only", multiple=True, metavar="NAME", help="Run only this check; may be repeated."),
        click.option(
            "--limit", type=click.IntRange(min=1), metavar="N", help="Audit only N samples, drawn by seed and id."
        ),
        click.option(
            "--trust-code", is_flag=True, help="Allow models that run code when loaded (source: python, exported)."
        ),
        click.option("--compile", is_flag=True, help="Search through torch.compile; only on a CUDA device."),
        click.option(
            "--precision",
            type=click.Choice(["float32", "tf32", "bfloat16"]),
            default="float32",
            show_default=True,
            help=(
                "Arithmetic in which attacks search, other than float32 only on a CUDA device; what fools is decided in"
                " float32."
            ),
        ),
        click.option(
            "--device", default="cpu", show_default=True, help="Where the classifier runs, such as cpu or cuda:0."
        ),
    ):
        function = option(function)
    return function


def exit_code(findings: list[Finding], rule: str) -> int:
    """Return the documented exit code of some findings."""
    verdicts = {finding.verdict for finding in findings}
    if rule == "never":
        return 0
    if "fail" in verdicts:
        return 1
    return 3 if rule == "inconclusive" and verdicts & {"inconclusive", "not_measured"} else 0
