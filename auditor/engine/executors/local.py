"""The engine of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from auditor.engine.executors import Finished, Task, executors
from auditor.engine.measure import measure
from auditor.probes import Bench


@executors.register("local")
class Local:
    """One chunk after the other, in this process."""

    def __init__(self, bench: Bench, _rebuild: Callable[[], Bench]) -> None:
        self._bench = bench

    def map(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Yield every task with its rows, in the given order."""
        for task in tasks:
            started = time.perf_counter()
            rows = measure(task, self._bench)
            yield Finished(task, rows, time.perf_counter() - started)
