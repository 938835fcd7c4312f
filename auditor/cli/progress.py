"""Progress on stderr: a bar with the time left on a terminal, one line per trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from auditor.engine.plan import Planned
from auditor.engine.run import Progress as Callback


def words(planned: Planned) -> str:
    """Return a trial in a few words."""
    trial = planned.trial
    epsilon = trial.threat.get("epsilon")
    by = "+".join(trial.settings.get("attribute", {}).get("columns", ()))
    parts = (
        trial.subject,
        trial.probe,
        trial.method,
        f"by {by}" if by else "",
        trial.zone,
        f"epsilon {epsilon:.4g}" if epsilon is not None else "",
    )
    return " ".join(part for part in parts if part)


@contextmanager
def progress_bar(planned: Sequence[Planned]) -> Iterator[Callback]:
    """Yield the callback that the run calls after every chunk."""
    total = sum(one.forwards for one in planned)
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(planned)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def advance(one: Planned, forwards: int) -> None:
            bar.update(task, advance=forwards, description=words(one))

        yield advance


class _Lines:
    """One line per trial, for logs."""

    def __init__(self, planned: Sequence[Planned]) -> None:
        self._place = {one.key: number for number, one in enumerate(planned, 1)}
        self._last = ""

    def __call__(self, planned: Planned, forwards: int) -> None:
        if planned.key != self._last:
            self._last = planned.key
            print(
                f"[{self._place[planned.key]}/{len(self._place)}] {words(planned)}: {planned.samples} samples",
                file=sys.stderr,
                flush=True,
            )
