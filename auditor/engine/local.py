"""Measuring one chunk in this process: a pure function of trial and chunk."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from auditor.core.errors import BrokenOff
from auditor.core.outcomes import Missing
from auditor.core.seeds import derive
from auditor.engine.plan import Planned
from auditor.models.classifier import Classifier
from auditor.probes import Arrays, Bench, Row, probes
from auditor.samples.samples import Samples

Source = Callable[[str], Arrays | None]


def measure(planned: Planned, chunk: tuple[int, ...], bench: Bench) -> list[Row]:
    """Return a row per sample; a chunk that fails twice becomes rows with the reason."""
    names = [bench.samples.ids[position] for position in chunk]
    failure = ""
    for _ in range(2):
        try:
            loaded = bench.samples.load(chunk)
            with torch.no_grad(), drawing(bench.classifier, planned.key, *names):
                rows = probes[planned.trial.probe].make(bench, planned.trial, loaded)
            if len(rows) != len(names):
                raise ValueError(f"probe '{planned.trial.probe}' answered {len(rows)} rows for {len(names)} samples")
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
            failure = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    return [Row(missing=Missing.failed(failure)) for _ in names]


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


def no_source(_: str) -> Arrays | None:
    """Return nothing: the trial has no source."""
    return None


def bench_for(
    samples: Samples,
    classifier: Classifier,
    source: Source | None,
    batch_size: int,
    surrogate: Classifier | None = None,
) -> Bench:
    """Return what a probe may use."""
    return Bench(classifier, samples, source or no_source, batch_size, surrogate)
