"""Where chunks are measured: one file per engine, chosen by `auditor run --engine NAME`.

An engine is a function (bench, rebuild) -> Executor, registered by name: `@executors.register("local")`. The driver
(auditor.engine.run) alone knows the ledger: it hands every task what the task reads, and writes every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from auditor.core.records import Trial
from auditor.core.registry import Registry

if TYPE_CHECKING:
    from auditor.probes import Arrays, Bench, Row


@dataclass(frozen=True)
class Task:
    """One chunk of one trial with all that it reads beside the bench; it can be pickled."""

    trial: Trial
    key: str
    """The trial's key in the ledger; what a random classifier draws depends on it."""
    chunk: tuple[int, ...]
    """Positions of the samples."""
    number: int = 0
    """The chunk's number within its trial."""
    sources: Mapping[str, Arrays] = field(default_factory=dict)
    """Sample -> arrays that the trial's source kept for it; '' -> those of its first sample that has any."""


class Finished(NamedTuple):
    """What became of a task."""

    task: Task
    rows: list[Row]
    """One per sample of the chunk."""
    seconds: float
    """How long measuring took."""


class Executor(Protocol):
    """Measures tasks by `auditor.engine.measure.measure`, anywhere and in any order."""

    def map(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Yield every task with its rows, as soon as it is measured (BrokenOff: it can be resumed).

        Tasks do not depend on one another. They are taken in the caller's thread, and only as many as are soon
        measured, since each is made, with its arrays, when it is taken.
        """
        ...


Engine = Callable[["Bench", Callable[[], "Bench"]], Executor]
"""function (bench, rebuild) -> executor. A bench cannot be pickled, since samples and some classifiers hold functions;
`rebuild` can, and returns the same bench in another process."""

executors: Registry[Engine] = Registry("engine", __name__)
