"""Engines: a task carries all that it reads, so that what measures it needs no ledger and may be another process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.core.errors import StoreError
from auditor.core.records import Trial
from auditor.engine.executors import Executor, Finished, Task, executors
from auditor.engine.executors.local import Local
from auditor.engine.judge import judge
from auditor.engine.measure import measure
from auditor.engine.plan import Planned, plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import Execution, run, waves
from auditor.engine.store import Store
from auditor.probes import Bench

pytestmark = pytest.mark.slow

LIMIT = 12
CHECKS = ("preflight", "attribution")


class Worker:
    """An engine that holds what another process would: a bench made anew, and nothing but bytes in and out."""

    def __init__(self, _bench: Bench, rebuild: Callable[[], Bench]) -> None:
        self.bench: Bench = pickle.loads(pickle.dumps(rebuild))()
        assert self.bench.classifier is not _bench.classifier and self.bench.samples is not _bench.samples

    def map(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Yield the tasks of a wave in the opposite order: an engine may take any."""
        for task in reversed(list(tasks)):
            rows = measure(pickle.loads(pickle.dumps(task)), self.bench)
            yield Finished(task, pickle.loads(pickle.dumps(rows)), 0.0)


@pytest.fixture(scope="module")
def prepared(study: Path) -> Prepared:
    return prepare(study / "marker.yaml", limit=LIMIT, only=CHECKS)


@pytest.fixture(scope="module")
def planned(prepared: Prepared) -> tuple[Planned, ...]:
    return plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)


@pytest.fixture(scope="module")
def reference(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Task]]:
    """Return the output folder of a run in this process, and its tasks."""
    out, taken = tmp_path_factory.mktemp("reference"), []

    class Noting(Local):
        def map(self, tasks: Iterable[Task]) -> Iterator[Finished]:
            for measured in super().map(tasks):
                taken.append(measured.task)
                yield measured

    run(prepared, out, execution=Execution(Noting)).close()
    judge(out)
    return out, taken


@pytest.mark.slow
def test_what_was_sent_as_bytes_gives_the_same_rows(
    prepared: Prepared, planned: tuple[Planned, ...], reference: tuple[Path, list[Task]], tmp_path: Path
) -> None:
    run(prepared, tmp_path, execution=Execution(Worker)).close()
    judge(tmp_path)
    with Store.open(tmp_path) as store, Store.open(reference[0]) as other:
        read = [one for one in planned if one.trial.source is not None]
        assert any("outside_after" in row.values for one in read for row in store.read(one.key).values())
        for one in planned:
            assert store.read(one.key) == other.read(one.key) and store.complete(one.key)
    assert (tmp_path / "findings.json").read_bytes() == (reference[0] / "findings.json").read_bytes()


def test_a_source_is_measured_a_wave_before_what_reads_it(planned: tuple[Planned, ...]) -> None:
    found = waves(planned)
    assert sorted(one.key for wave in found for one in wave) == sorted(one.key for one in planned)
    before: set[Trial] = set()
    for wave in found:
        assert all(one.trial.source is None or one.trial.source in before for one in wave)
        before |= {one.trial for one in wave}
    assert len(found) > 1 and waves(()) == []


def test_the_tasks_hold_what_the_source_kept(prepared: Prepared, reference: tuple[Path, list[Task]]) -> None:
    out, taken = reference
    readers = [task for task in taken if task.trial.source is not None and task.trial.source.keep]
    assert readers
    with Store.open(out) as store:
        for task in readers:
            assert task.trial.source is not None
            rows = store.read(task.trial.source.key(prepared.binding))
            names = {prepared.samples.ids[position] for position in task.chunk}
            assert set(task.sources) - {""} == {name for name in names if name in rows and rows[name].artefact}
    assert all(not task.sources for task in taken if task.trial.source is None)


def test_arrays_that_are_gone_stop_the_run(prepared: Prepared, tmp_path: Path) -> None:
    class Careless(Local):
        def map(self, tasks: Iterable[Task]) -> Iterator[Finished]:
            yield from super().map(tasks)
            for file in (tmp_path / "artefacts").rglob("*.npz"):
                file.unlink()

    only = replace(prepared, checks={"attribution": prepared.checks["attribution"]})
    with pytest.raises(StoreError, match=r"arrays [0-9a-f]{12} that the run kept.*gone; measure again with --fresh"):
        run(only, tmp_path, execution=Execution(Careless))


def test_engines_are_found_by_name() -> None:
    made: Callable[..., Executor] = executors["local"].make
    assert made is Local and executors.names() == ("local",)
