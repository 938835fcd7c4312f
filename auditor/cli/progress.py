"""Progress on stderr: a bar with the time left on a terminal, one line per trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from auditor.core.errors import ClassifierError
from auditor.engine.expect import UNTIMED, TimeLeft, forecast, in_words, measure_speed
from auditor.engine.plan import Planned, plan
from auditor.engine.prepared import Prepared
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
def progress_bar(prepared: Prepared) -> Iterator[Callback]:
    """Yield the callback that the run calls after every chunk; the bar advances by the seconds that were expected."""
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    try:
        whole = forecast(planned, measure_speed(prepared), 0.0)
    except ClassifierError:  # a classifier that fails is an outcome of the audit, which says so of every sample
        whole = forecast(planned, UNTIMED, 0.0)
    console, left = Console(stderr=True), TimeLeft(whole)
    if not console.is_terminal:
        yield _Lines(planned, left)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=sum(one.seconds for one in whole.trials.values()), left=_left(left))

        def advance(one: Planned, samples: int, seconds: float | None) -> None:
            bar.update(task, advance=left.advance(one, samples, seconds), description=words(one), left=_left(left))

        yield advance


def _left(left: TimeLeft) -> str:
    return f"{in_words(*left.seconds())} left"


class _Lines:
    """One line per trial, for logs."""

    def __init__(self, planned: Sequence[Planned], left: TimeLeft) -> None:
        self._place, self._left = {one.key: number for number, one in enumerate(planned, 1)}, left
        self._last = ""

    def __call__(self, planned: Planned, samples: int, seconds: float | None) -> None:
        self._left.advance(planned, samples, seconds)
        if planned.key != self._last:
            self._last = planned.key
            place = f"[{self._place[planned.key]}/{len(self._place)}]"
            print(
                f"{place} {words(planned)}: {planned.samples} samples, {_left(self._left)}", file=sys.stderr, flush=True
            )
