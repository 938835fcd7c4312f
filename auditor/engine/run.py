"""Measure: every planned chunk that the ledger does not hold yet; killed at any point, the next run goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from auditor.core.records import Observation, canonical
from auditor.engine.local import bench_for, measure
from auditor.engine.lock import write_lock
from auditor.engine.plan import Planned, plan
from auditor.engine.prepare import Prepared
from auditor.engine.store import EXCLUDED, Store
from auditor.probes import Arrays

TABLE_ROWS = 8192
"""Rows of a table per call of the classifier, at least: a call costs far more than a row."""
Progress = Callable[[Planned, int, float | None], None]
"""function (trial, samples of the chunk, seconds that it took; None where the ledger held it already) -> None, called
after every chunk
"""


def silent(planned: Planned, samples: int, seconds: float | None) -> None:
    """Show no progress."""


def run(
    prepared: Prepared, out: Path, *, batch_size: int = 64, fresh: bool = False, progress: Progress = silent
) -> Store:
    """Return the open store with everything measured that the audit asks for (BrokenOff: it can be resumed)."""
    planned = plan(prepared.checks, prepared.facts, prepared.samples, prepared.binding)
    store = Store.create(out, prepared.binding, fresh=fresh)
    write_lock(out, prepared.lock)
    store.set_meta("base", str(prepared.base.resolve()))
    store.set_meta("facts", canonical(prepared.facts.as_dict()))
    for one in planned:
        _trial(one, prepared, store, batch_size=batch_size, progress=progress)
    return store


def _trial(planned: Planned, prepared: Prepared, store: Store, *, batch_size: int, progress: Progress) -> None:
    store.plan_trial(planned.key, planned.trial.as_dict(), len(planned.chunks))
    done = store.done(planned.key)
    if EXCLUDED not in done and planned.excluded:
        names = prepared.samples.ids
        store.write(
            planned.key,
            EXCLUDED,
            [Observation(planned.key, names[position], error=why) for position, why in planned.excluded.items()],
        )
    source = source_of(planned, prepared, store)
    rows = batch_size if prepared.facts.modality == "image" else max(batch_size, TABLE_ROWS)
    bench = bench_for(prepared.samples, prepared.classifier, source, rows, prepared.surrogate)
    for number, chunk in enumerate(planned.chunks):
        took = None
        if number not in done:
            started = time.perf_counter()
            measured = measure(planned, chunk, bench)
            observations = []
            for position, row in zip(chunk, measured, strict=True):
                artefact = store.put(row.arrays) if planned.trial.keep and row.arrays else None
                observations.append(
                    Observation(
                        planned.key, prepared.samples.ids[position], row.values, row.allowed, artefact, row.error
                    )
                )
            took = time.perf_counter() - started
            store.write(planned.key, number, observations, took)
        progress(planned, len(chunk), took)


def source_of(planned: Planned, prepared: Prepared, store: Store) -> Callable[[str], Arrays | None] | None:
    """Return what gives a trial the arrays that its source kept; None where it has no source."""
    if planned.trial.source is None:
        return None
    rows = store.read(planned.trial.source.key(prepared.binding))

    def arrays(sample: str) -> Arrays | None:
        row = rows.get(sample) if sample else next((one for one in rows.values() if one.artefact), None)
        if row is None or row.artefact is None:
            return None
        kept = store.get(row.artefact)
        if kept is None:
            raise FileNotFoundError(
                f"the artefact {row.artefact[:12]} of '{sample}' is gone; measure again with --fresh"
            )
        return kept

    return arrays
