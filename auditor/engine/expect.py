"""How long an audit will take: the passes that such trials have used, times the seconds of a pass on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.core.errors import ClassifierError
from auditor.core.modality import modality_named
from auditor.engine.costs import AFTER, BEFORE, USES, TrialKind, Use, trial_kind, use_of
from auditor.engine.plan import Planned
from auditor.engine.prepared import Prepared

REPEATS, ENOUGH = 3, 0.5
"""A call is timed so often, or until so many seconds are spent.

The shortest time counts: other work on the machine only makes it longer.
"""


@dataclass(frozen=True)
class Timing:
    """Seconds of one call of a classifier: call + sample * inputs."""

    call: float
    sample: float

    @classmethod
    def through(cls, one: float, many: float, inputs: int) -> Timing:
        """Return the timing that takes `one` second for a single input and `many` seconds for a number of inputs."""
        sample = max(0.0, many - one) / (inputs - 1) if inputs > 1 else one
        return cls(max(0.0, one - sample), sample)

    def beyond(self, other: Timing) -> Timing:
        """Return what this takes more than another."""
        return Timing(max(0.0, self.call - other.call), max(0.0, self.sample - other.sample))

    def seconds(self, passes: float, batch: float) -> float:
        """Return how long passes take in calls of `batch` inputs on average."""
        return passes * (self.sample + self.call / max(1.0, batch))


@dataclass(frozen=True)
class Speed:
    """What the passes of one sample take on this machine."""

    forward: Timing
    backward: Timing
    """What an input-gradient takes beyond its forward pass."""
    values: int
    """Values of one sample."""


UNTIMED = Speed(Timing(0.0, 1e-3), Timing(0.0, 1e-3), 1)
"""Stands for the speed of a classifier that could not be timed, until its chunks tell."""


@dataclass(frozen=True)
class Expected:
    """What a trial will probably use."""

    forwards: int
    backwards: int
    seconds: float
    seconds_low: float
    seconds_high: float
    known: bool
    """Whether trials of its kind were measured before; if not, the numbers are those of its probe or of all trials."""


def expected(planned: Planned, speed: Speed, table: Mapping[TrialKind, Use] = USES) -> Expected:
    """Return the passes and the seconds that a trial will probably use."""
    use, known = use_of(planned.trial, table)
    batch = use.fill * planned.samples / max(1, len(planned.chunks))

    def seconds(share: float) -> float:
        forwards, backwards = planned.forwards * share, planned.backwards * share
        beside = (forwards + backwards) * use.beside * speed.values
        return speed.forward.seconds(forwards, batch) + speed.backward.seconds(backwards, batch) + beside

    forwards, backwards = round(planned.forwards * use.typical), round(planned.backwards * use.typical)
    return Expected(forwards, backwards, seconds(use.typical), seconds(use.low), seconds(use.high), known)


@dataclass(frozen=True)
class Forecast:
    """What a whole audit will probably use."""

    trials: Mapping[str, Expected]
    """Key of each trial -> what it will use."""
    before: float
    """Seconds of loading."""
    after: float
    """Seconds of writing evidence, judging and rendering."""
    unknown: tuple[str, ...]
    """Kinds of trials that were never measured before, in words."""

    @property
    def seconds(self) -> float:
        """Return how long the audit will probably take."""
        return self.before + sum(one.seconds for one in self.trials.values()) + self.after

    @property
    def seconds_low(self) -> float:
        """Return how long it takes where every trial is as thrifty as the thriftiest tenth of its kind."""
        return self.before + sum(one.seconds_low for one in self.trials.values()) + self.after

    @property
    def seconds_high(self) -> float:
        """Return how long it takes where every trial is as costly as the costliest tenth of its kind.

        Trials are added up so because they share the classifier: one that is hard to fool makes all of them costly.
        """
        return self.before + sum(one.seconds_high for one in self.trials.values()) + self.after


def forecast(planned: Sequence[Planned], speed: Speed, loading: float) -> Forecast:
    """Return what planned trials will use, after `loading` seconds for data and classifier."""
    trials = {one.key: expected(one, speed) for one in planned}
    unknown = {
        " ".join(part for part in trial_kind(one.trial) if part)
        for one in planned
        if one.samples and not trials[one.key].known
    }
    return Forecast(trials, BEFORE + loading, AFTER, tuple(sorted(unknown)))


def measure_speed(prepared: Prepared, clock: Callable[[], float] = time.perf_counter) -> Speed:
    """Return how long passes take, measured now on one sample and on a chunk of them (ClassifierError: it fails)."""
    import torch

    from auditor.models.meter import Meter

    classifier, most = prepared.classifier, min(modality_named(prepared.facts.modality).chunk, len(prepared.samples))
    x, rows = prepared.samples.load(range(most)).x.to(classifier.device), torch.arange(most)
    meter = Meter(classifier, most, most)

    def forward(inputs: int) -> object:
        return meter.logits(x[:inputs], rows[:inputs])

    def gradient(inputs: int) -> object:
        return meter.gradient(x[:inputs], rows[:inputs], lambda logits, _: torch.ones_like(logits), rows[:inputs])

    def timing(call: Callable[[int], object]) -> Timing:
        return Timing.through(_shortest(call, 1, clock), _shortest(call, most, clock), most)

    try:
        # what a classifier draws at random here must not change what it answers in the audit
        with torch.random.fork_rng([classifier.device] if classifier.device.type == "cuda" else []):
            forwards = timing(forward)
            both = timing(gradient) if "gradient" in classifier.offers else forwards
    except Exception as error:
        raise ClassifierError(
            f"classifier '{classifier.name}': expected answers to 1 and to {most} inputs, got {type(error).__name__}:"
            f" {error}"
        ) from None
    return Speed(forwards, both.beyond(forwards), math.prod(x.shape[1:]))


def _shortest(call: Callable[[int], object], inputs: int, clock: Callable[[], float]) -> float:
    """Return the shortest time of a call, the first of which does not count unless it is long."""
    found: list[float] = []
    while len(found) <= REPEATS and sum(found) < ENOUGH:
        started = clock()
        call(inputs)
        found.append(clock() - started)
    return min(found)


class TimeLeft:
    """The time left of a run, corrected by how long its chunks really take."""

    TRUST = 0.05
    """The forecast counts as much as this share of it, measured, would."""

    def __init__(self, whole: Forecast) -> None:
        self._whole, self._total = whole, sum(one.seconds for one in whole.trials.values())
        self._left = dict.fromkeys(whole.trials, 1.0)
        self._real = self._planned = 0.0

    def advance(self, planned: Planned, samples: int, seconds: float | None) -> float:
        """Take in a chunk of a trial and return the seconds that it was expected to take.

        Parameters
        ----------
        seconds
            What it really took; None where the ledger held it already.
        """
        share = samples / max(1, planned.samples)
        self._left[planned.key] = max(0.0, self._left[planned.key] - share)
        was = share * self._whole.trials[planned.key].seconds
        if seconds is not None:
            self._real += seconds
            self._planned += was
        return was

    def seconds(self) -> tuple[float, float, float]:
        """Return the seconds left, and their range, which narrows as the run goes on."""
        trials = self._whole.trials
        low, left, high = (
            sum(self._left[key] * getattr(one, name) for key, one in trials.items())
            for name in ("seconds_low", "seconds", "seconds_high")
        )
        prior = self.TRUST * self._total
        factor = (self._real + prior) / (self._planned + prior) if self._planned + prior > 0 else 1.0
        open_ = 1 - min(1.0, self._planned / self._total) if self._total > 0 else 0.0
        if left <= 0:
            return (self._whole.after,) * 3
        spread = (max(low, 1e-9) / left) ** open_, (high / left) ** open_
        return (
            left * factor + self._whole.after,
            left * factor * spread[0] + self._whole.after,
            left * factor * spread[1] + self._whole.after,
        )


def in_words(seconds: float, low: float, high: float) -> str:
    """Return a time and its range in minutes, in seconds below two minutes, in hours from two hours on."""
    size, unit = (1, "s") if seconds < 120 else (60, "min") if seconds < 7200 else (3600, "h")

    def number(one: float) -> str:
        return f"{one / size:.1f}" if size == 3600 else f"{max(1, round(one / size))}"

    return f"about {number(seconds)} {unit} ({number(low)} to {number(high)} {unit})"
