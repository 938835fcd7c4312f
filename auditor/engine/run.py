"""Measure: every planned chunk that the ledger does not hold yet; killed at any point, the next run goes on from
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from auditor.core.errors import StoreError
from auditor.core.modality import modality_named
from auditor.core.records import Observation, Trial, canonical
from auditor.engine.executors import Engine, Finished, Task
from auditor.engine.executors.local import Local
from auditor.engine.lock import write_lock
from auditor.engine.plan import Planned, plan
from auditor.engine.prepared import Prepared
from auditor.engine.store import EXCLUDED, Store
from auditor.probes import Arrays, Bench

Progress = Callable[[Planned, int, float | None], None]
"""function (trial, samples of the chunk, seconds that it took; None where the ledger held it already) -> None, called
after every chunk
"""


def silent(planned: Planned, samples: int, seconds: float | None) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Execution:
    """How chunks are measured; it changes no finding."""

    engine: Engine = Local
    batch_size: int = 64
    """Samples per call of the classifier."""


LOCAL = Execution()
"""In this process, as where nothing else is asked for."""


def run(
    prepared: Prepared,
    out: Path,
    *,
    execution: Execution = LOCAL,
    fresh: bool = False,
    progress: Progress = silent,
) -> Store:
    """Return the open store with everything measured that the audit asks for (BrokenOff: it can be resumed)."""
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    store = Store.create(out, prepared.binding, fresh=fresh)
    write_lock(out, prepared.lock)
    store.set_meta("base", str(prepared.base.resolve()))
    store.set_meta("facts", canonical(prepared.facts.as_dict()))
    size = execution.batch_size
    executor = execution.engine(bench_of(prepared, size), partial(_rebuilt, prepared.again, size))
    driver = Driver(store, prepared, {one.key: one for one in planned}, progress)
    for wave in waves(planned):
        for finished in executor.map(driver.tasks(wave)):
            driver.write(finished)
    return store


def waves(planned: Sequence[Planned]) -> list[list[Planned]]:
    """Return the trials in groups: none reads from another of its group, and each source lies in an earlier one."""
    place: dict[Trial, int] = {}
    for one in planned:
        place[one.trial] = 0 if one.trial.source is None else place[one.trial.source] + 1
    return [[one for one in planned if place[one.trial] == number] for number in sorted(set(place.values()))]


def bench_of(prepared: Prepared, batch_size: int = 64) -> Bench:
    """Return what probes may use of an audit."""
    rows = max(batch_size, modality_named(prepared.facts.modality).least_batch)
    return Bench(prepared.classifier, prepared.samples, batch_size=rows, subjects=prepared.subjects)


def _rebuilt(again: Callable[[], Prepared], batch_size: int) -> Bench:
    return bench_of(again(), batch_size)


@dataclass(frozen=True)
class Driver:
    """Makes the tasks that the ledger lacks and writes what became of them; nothing else touches the ledger."""

    store: Store
    prepared: Prepared
    planned: Mapping[str, Planned]
    """Key -> trial."""
    progress: Progress

    def tasks(self, wave: Sequence[Planned]) -> Iterator[Task]:
        """Yield the tasks that are still open; every trial is entered before its first."""
        for planned in wave:
            self._enter(planned)
            done = self.store.done(planned.key)
            kept = self._kept(planned.trial) if len(done - {EXCLUDED}) < len(planned.chunks) else {}
            for number, chunk in enumerate(planned.chunks):
                if number in done:
                    self.progress(planned, len(chunk), None)
                else:
                    yield Task(planned.trial, planned.key, chunk, number, self._arrays(chunk, kept))

    def task(self, planned: Planned, number: int) -> Task:
        """Return one task of a trial whose source was measured."""
        chunk = planned.chunks[number]
        return Task(planned.trial, planned.key, chunk, number, self._arrays(chunk, self._kept(planned.trial)))

    def write(self, finished: Finished) -> None:
        """Write one chunk, and the arrays that its trial keeps."""
        task, names = finished.task, self.prepared.samples.ids
        observations = []
        for position, row in zip(task.chunk, finished.rows, strict=True):
            artefact = self.store.put(row.arrays) if task.trial.keep and row.arrays else None
            observations.append(Observation(task.key, names[position], row.values, row.allowed, artefact, row.missing))
        self.store.write(task.key, task.number, observations, finished.seconds)
        self.progress(self.planned[task.key], len(task.chunk), finished.seconds)

    def _enter(self, planned: Planned) -> None:
        self.store.plan_trial(planned.key, planned.trial.as_dict(), len(planned.chunks))
        if EXCLUDED not in self.store.done(planned.key) and planned.excluded:
            names = self.prepared.samples.ids
            self.store.write(
                planned.key,
                EXCLUDED,
                [Observation(planned.key, names[position], missing=why) for position, why in planned.excluded.items()],
            )

    def _kept(self, trial: Trial) -> dict[str, str]:
        """Return sample -> artefact of what the trial's source kept; under '' that of the first sample with any."""
        if trial.source is None:
            return {}
        rows = self.store.read(trial.source.key(self.prepared.binding))
        kept = {name: row.artefact for name, row in rows.items() if row.artefact is not None}
        return {"": next(iter(kept.values())), **kept} if kept else {}

    def _arrays(self, chunk: Sequence[int], kept: Mapping[str, str]) -> dict[str, Arrays]:
        """Return what a chunk's task reads: the arrays of its own samples, and those under '' (StoreError: they are no
        longer there).
        """
        found: dict[str, Arrays] = {}
        for name in ("", *(self.prepared.samples.ids[position] for position in chunk)):
            if name in kept:
                arrays = self.store.get(kept[name])
                if arrays is None:
                    raise StoreError(
                        f"{self.store.folder}: expected the arrays {kept[name][:12]} that the run kept, but they are"
                        " gone; measure again with --fresh."
                    )
                found[name] = arrays
        return found
