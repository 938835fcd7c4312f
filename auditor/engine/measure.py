"""Measuring one chunk: a pure function of a task and the bench, in whichever process they are."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from auditor.core.errors import BrokenOff
from auditor.core.outcomes import Missing
from auditor.core.seeds import derive
from auditor.engine.executors import Task
from auditor.models.classifier import Classifier
from auditor.models.first_look import first_line
from auditor.probes import Bench, Row, probes

_HOPELESS = 3
"""So many samples are asked alone before a chunk is given up."""


def measure(task: Task, bench: Bench) -> list[Row]:
    """Return a row per sample of a task; the samples of a chunk that fails twice are measured one by one, so that only
    those fail that must.

    The bench is that of the audit: what the task's trial measures and reads is put in its place here.
    """
    bench = replace(bench, classifier=bench.subjects[task.trial.subject], source=task.sources.get)
    names = [bench.samples.ids[position] for position in task.chunk]
    failure = ""
    for _ in range(2):
        try:
            loaded = bench.samples.load(task.chunk)
            with torch.no_grad(), drawing(bench.classifier, task.key, *names):
                rows = probes.serving(task.trial.probe, bench.samples.modality).make(bench, task.trial, loaded)
            if len(rows) != len(names):
                raise ValueError(f"probe '{task.trial.probe}' answered {len(rows)} rows for {len(names)} samples")
            return [
                row
                if all(map(_finite, row.values.values()))
                else Row(missing=Missing.failed("a measured value is not a finite number"))
                for row in rows
            ]
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise BrokenOff("The disk is full; free some space and run the same command again to resume.") from None
            failure = f"{type(error).__name__}: {error}"
        except Exception as error:  # whatever a user's model raises is an outcome, not a crash
            failure = f"{type(error).__name__}: {first_line(error) if str(error) else 'no message'}"
    if len(names) == 1:
        return [Row(missing=Missing.failed(failure))]
    return _one_by_one(task, bench)


def _one_by_one(task: Task, bench: Bench) -> list[Row]:
    """Return a row per sample, each measured alone; where the first few all fail, the rest are not tried."""
    found: list[Row] = []
    for position in task.chunk:
        if len(found) == _HOPELESS and all(row.missing for row in found):
            return found + [found[-1]] * (len(task.chunk) - len(found))
        found += measure(replace(task, chunk=(position,)), bench)
    return found


@contextmanager
def drawing(classifier: Classifier, *parts: object) -> Iterator[None]:
    """Seed torch's own draws by the parts where a classifier is declared random, so that a resumed run finds the same;
    restore them after.
    """
    if getattr(classifier, "draws", 1) == 1:
        yield
        return
    with torch.random.fork_rng([classifier.device] if classifier.device.type == "cuda" else []):
        torch.manual_seed(derive(*parts))
        yield


def _finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
