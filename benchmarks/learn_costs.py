"""What trials really use of their upper bounds: the rows of auditor/engine/costs.py, learned from finished audits.

Run: python benchmarks/learn_costs.py [--trust-code] [--ledger FOLDER] FOLDER...

Passes are read from the ledgers, where an attack's rows count them. Where rows count nothing, one chunk is measured
again and its passes are counted. The same chunk tells the time beside the passes and the mean batch, in processor
time, so that the load of the machine does not matter. Shares are passes over upper bounds: low and high are the 10th
and the 90th percentile over trials, typical is the share of all trials together.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from auditor.attacks import attacks
from auditor.config.config import Audit
from auditor.engine.costs import TrialKind, Use, trial_kind
from auditor.engine.expect import Speed, measure_speed
from auditor.engine.lock import read_lock
from auditor.engine.measure import measure
from auditor.engine.plan import Planned, plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import Driver, bench_of, silent
from auditor.engine.store import Store

ENOUGH = 5
"""A kind that fewer audits have measured gets at least its probe's range: a few classifiers say little of others."""


@dataclass
class Seen:
    """What was seen of one kind of trial."""

    audits: set[Path] = field(default_factory=set)
    passes: list[tuple[float, float]] = field(default_factory=list)
    """Passes of a trial, and its upper bound."""
    calls: list[tuple[float, float]] = field(default_factory=list)
    """Inputs shown to the classifier, and calls times samples, of chunks measured anew."""
    beside: list[tuple[float, float]] = field(default_factory=list)
    """Seconds beside the passes, and passes times values, of chunks measured anew."""

    def add(self, other: Seen) -> None:
        """Take in what another one saw."""
        self.audits |= other.audits
        for name in ("passes", "calls", "beside"):
            getattr(self, name).extend(getattr(other, name))

    def row(self, *wider: Seen) -> Use:
        """Return the row of the table.

        Batches and the time beside the passes are those of wider kinds where no chunk was measured anew.
        """
        measured = next((one for one in (self, *wider) if one.calls), None)
        if measured is None:
            raise click.ClickException("expected at least one folder to measure a chunk of anew, got only --ledger")
        used, bounds = np.array(self.passes).T
        low, high = np.quantile(used / bounds, [0.1, 0.9])
        typical = used.sum() / bounds.sum()
        return Use(min(low, typical), typical, max(high, typical), pooled(measured.calls), pooled(measured.beside))


def pooled(pairs: list[tuple[float, float]]) -> float:
    """Return the ratio of two sums."""
    above, below = np.array(pairs).sum(0)
    return float(above / below)


def line(kind: TrialKind, kinds: Mapping[TrialKind, Seen]) -> str:
    """Return the line of the table for a kind."""
    seen, others, every = kinds[kind], kinds[kind[0], "", ""], kinds["", "", ""]
    use, probe = seen.row(others, every), others.row(every)
    if len(seen.audits) < ENOUGH:
        use = replace(use, low=min(use.low, probe.low), high=max(use.high, probe.high))
    names = ", ".join(f'"{part}"' for part in kind)
    numbers = f"{use.low:.3g}, {use.typical:.3g}, {use.high:.3g}, {use.fill:.2g}, {use.beside:.1e}"
    return f"    ({names}): Use({numbers}),  # {len(seen.passes)} trials of {len(seen.audits)} audits"


@dataclass
class Counted:
    """What a chunk that is measured anew asks of the classifier."""

    calls: int = 0
    scores: int = 0
    """Inputs whose scores were asked for."""
    decisions: int = 0
    """Inputs whose decision was asked for by itself."""
    gradients: int = 0
    """Calls for input-gradients."""
    backwards: int = 0

    @property
    def forwards(self) -> int:
        """Return the passes that an upper bound counts: scores, or decisions where nothing else is asked for."""
        return self.scores or self.decisions


@contextmanager
def counting(prepared: Prepared) -> Iterator[Counted]:
    """Count the inputs that the classifier is shown, and those it is differentiated at, whoever asks."""
    kind, counted, grad = type(prepared.classifier), Counted(), torch.autograd.grad
    asked = {name: getattr(kind, name) for name in ("logits", "decisions") if hasattr(kind, name)}
    inside, last = [False], [0]

    def counted_by(name: str, ask: Any) -> Any:
        def shown(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
            if inside[0]:  # one way of asking goes through the other
                return ask(self, x, *args, **kwargs)
            counted.calls, last[0], inside[0] = counted.calls + 1, len(x), True
            if name == "logits":
                counted.scores += len(x)
            else:
                counted.decisions += len(x)
            try:
                return ask(self, x, *args, **kwargs)
            finally:
                inside[0] = False

        return shown

    def differentiated(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        first = inputs[0] if isinstance(inputs, tuple | list) else inputs
        if len(first) == last[0]:
            counted.gradients += 1
            counted.backwards += len(first)
        return grad(outputs, inputs, *args, **kwargs)

    for name, ask in asked.items():
        setattr(kind, name, counted_by(name, ask))
    torch.autograd.grad = differentiated
    try:
        yield counted
    finally:
        for name, ask in asked.items():
            setattr(kind, name, ask)
        torch.autograd.grad = grad


def passes_of(store: Store, one: Planned) -> float | None:
    """Return the passes that the ledger counts for a trial; None where its rows count none."""
    rows = [row.values for row in store.read(one.key).values()]
    searched = sum("forwards" in row for row in rows)
    if not searched:
        return None
    # an attack's rows count its own passes, not the clean answer nor the test of what it found
    untold = len(rows) + searched if one.trial.method in attacks.names() else 0
    return untold + sum(row.get("forwards", 0.0) + row.get("backwards", 0.0) for row in rows)


def again(one: Planned, prepared: Prepared, store: Store, speed: Speed, ledger: float | None) -> Seen:
    """Return what one chunk, measured anew, says of a trial: its share of the bound, batches, time beside passes."""
    chunk = one.chunks[0]
    task, bench = Driver(store, prepared, {}, silent).task(one, 0), bench_of(prepared)
    prepared.samples.load(chunk)
    with counting(prepared) as counted:
        started = time.process_time()
        measure(task, bench)
        seconds = time.process_time() - started
    bound = (one.forwards + one.backwards) * len(chunk) / one.samples
    backwards = counted.backwards if one.backwards else 0
    passes = counted.forwards + backwards
    if not passes or not bound:
        return Seen()
    model = counted.calls * speed.forward.call + counted.forwards * speed.forward.sample
    model += counted.gradients * speed.backward.call + backwards * speed.backward.sample
    seen = Seen(
        calls=[(counted.forwards, counted.calls * len(chunk))],
        beside=[(max(0.0, seconds - model), passes * speed.values)],
    )
    if ledger is None:
        seen.passes = [(passes, bound)]
    print(
        f"  {' '.join(trial_kind(one.trial))}: {seconds:.2f} s, {model:.2f} s in {passes} passes, {bound:.0f} at most",
        file=sys.stderr,
        flush=True,
    )
    return seen


def learned(folder: Path, trust_code: bool, ledger_only: bool) -> Iterator[tuple[TrialKind, Seen]]:
    """Yield what a folder says of each of its trials; nothing is measured anew where only its ledger is to be read."""
    lock = read_lock(folder)
    with Store.open(folder) as store:
        prepared = prepare(
            Audit.model_validate(lock["audit"]),
            base=Path(store.meta("base") or "."),
            limit=lock["limit"],
            trust_code=trust_code,
        )
        speed = None if ledger_only else measure_speed(prepared, time.process_time)
        print(f"{folder}: {speed or 'its ledger alone'}", file=sys.stderr, flush=True)
        seen: set[TrialKind] = set()
        for one in plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding):
            if not one.samples or not store.complete(one.key):
                continue
            passes, kind = passes_of(store, one), trial_kind(one.trial)
            if passes is not None:
                yield kind, Seen({folder}, [(passes, one.forwards + one.backwards)])
            if speed is not None and kind not in seen:
                seen.add(kind)
                found = again(one, prepared, store, speed, passes)
                found.audits.add(folder)
                yield kind, found


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--trust-code", is_flag=True, help="Load models whose files can run code.")
@click.option(
    "--ledger",
    "ledgers",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read only the passes of this folder.",
)
def main(folders: tuple[Path, ...], trust_code: bool, ledgers: tuple[Path, ...]) -> None:
    """Print the table that finished audits teach."""
    torch.set_num_threads(1)
    kinds: dict[TrialKind, Seen] = defaultdict(Seen)
    for folder in (*folders, *ledgers):
        for kind, seen in learned(folder, trust_code, folder in ledgers):
            for name in {kind, (kind[0], "", ""), ("", "", "")}:
                kinds[name].add(seen)
    for kind in sorted(kinds):
        if kinds[kind].passes:
            print(line(kind, kinds))


if __name__ == "__main__":
    main()
