"""What an audit is expected to use: hand-made numbers, unknown names, and near to what a small audit then uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from auditor.attacks import attacks
from auditor.core.errors import ClassifierError
from auditor.core.records import Trial
from auditor.engine.costs import USES, Use, trial_kind, use_of
from auditor.engine.expect import (
    Expected,
    Forecast,
    Speed,
    TimeLeft,
    Timing,
    expected,
    forecast,
    in_words,
    measure_speed,
)
from auditor.engine.plan import Planned, plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import run
from auditor.explanations import explanations
from auditor.probes import probes

TABLE = {
    ("", "", ""): Use(0.0, 0.5, 1.0, 1.0, 0.0),
    ("evasion", "", ""): Use(0.1, 0.4, 0.9, 0.5, 0.0),
    ("evasion", "evade", "fast"): Use(0.1, 0.25, 0.5, 0.5, 1e-3),
}
SPEED = Speed(Timing(8.0, 1.0), Timing(0.0, 2.0), 10)


def planned(
    method: str = "evade",
    effort: str = "fast",
    *,
    probe: str = "evasion",
    samples: int = 32,
    forwards: int = 100,
    backwards: int = 100,
) -> Planned:
    trial = Trial(probe, method, {"effort": effort} if effort else {})
    chunks = tuple(tuple(range(start, min(start + 16, samples))) for start in range(0, samples, 16))
    return Planned(trial, f"{probe}/{method}/{effort}", chunks, {}, forwards * samples, backwards * samples)


def test_a_known_kind_takes_its_own_row() -> None:
    assert use_of(planned().trial, TABLE) == (TABLE["evasion", "evade", "fast"], True)


def test_an_unknown_kind_takes_its_probe_s_row_and_says_so() -> None:
    for method, effort in (("evade", "thorough"), ("novel", ""), ("novel", "fast")):
        assert use_of(planned(method, effort).trial, TABLE) == (TABLE["evasion", "", ""], False)


def test_an_unknown_probe_takes_the_row_of_all() -> None:
    assert use_of(planned(probe="novel").trial, TABLE) == (TABLE["", "", ""], False)


def test_time_is_passes_calls_and_what_is_beside_them() -> None:
    one = expected(planned(), SPEED, TABLE)
    # 800 + 800 passes in calls of 16 * 0.5 inputs; 1e-3 s for each pass and each of 10 values
    assert (one.forwards, one.backwards, one.known) == (800, 800, True)
    assert one.seconds == pytest.approx(800 * (1 + 8 / 8) + 800 * 2 + 1600 * 10 * 1e-3)
    assert one.seconds_low == pytest.approx(one.seconds * 0.1 / 0.25) and one.seconds_high == pytest.approx(
        one.seconds * 2
    )


def test_a_batch_of_less_than_one_input_is_one_input() -> None:
    few = expected(planned(samples=1), SPEED, TABLE)
    assert few.seconds == pytest.approx(25 * (1 + 8) + 25 * 2 + 50 * 10 * 1e-3)


def test_nothing_to_measure_takes_no_time() -> None:
    one = expected(planned(samples=0), SPEED, TABLE)
    assert (one.forwards, one.backwards, one.seconds, one.seconds_high) == (0, 0, 0.0, 0.0)


@pytest.mark.parametrize("what", ["samples", "forwards", "backwards"])
def test_more_work_never_takes_less_time(what: str) -> None:
    found = [expected(planned(**{what: size}), SPEED, TABLE) for size in (16, 32, 64, 128)]
    assert all(
        a.seconds < b.seconds and a.seconds_low < b.seconds_low and a.seconds_high < b.seconds_high
        for a, b in pairwise(found)
    )


def test_a_slower_classifier_never_takes_less_time() -> None:
    slower = replace(SPEED, forward=Timing(9.0, 1.5))
    assert expected(planned(), slower, TABLE).seconds > expected(planned(), SPEED, TABLE).seconds


def test_a_timing_goes_through_what_was_measured() -> None:
    found = Timing.through(1.0, 2.5, 16)
    assert found.seconds(1, 1) == pytest.approx(1.0) and found.seconds(16, 16) == pytest.approx(2.5)
    assert Timing.through(1.0, 0.5, 16) == Timing(1.0, 0.0) and Timing.through(1.0, 1.0, 1) == Timing(0.0, 1.0)
    assert Timing(1.0, 2.0).beyond(Timing(2.0, 0.5)) == Timing(0.0, 1.5)


def test_the_range_of_an_audit_holds_what_is_expected_and_names_what_is_unknown() -> None:
    whole = forecast([planned(), planned("novel", "")], SPEED, 2.0)
    assert whole.seconds_low <= whole.seconds <= whole.seconds_high
    assert whole.unknown == ("evasion novel",)
    assert whole.seconds > 2.0 + whole.after + sum(one.seconds for one in whole.trials.values())


def test_the_shipped_table_is_in_order_and_names_what_there_is() -> None:
    assert ("", "", "") in USES
    for (probe, method, _), use in USES.items():
        assert 0 <= use.low <= use.typical <= use.high and use.fill > 0 and use.beside >= 0
        assert not probe or probe in probes.names()
        assert not method or method in attacks.names() or method in explanations.names()


def halves(seconds: float = 100.0) -> tuple[Planned, Planned, Forecast]:
    first, second = planned(), planned(effort="default")
    use = Expected(0, 0, seconds, seconds / 4, seconds * 3, True)
    return first, second, Forecast({first.key: use, second.key: use}, 1.0, 10.0, ())


def test_time_left_is_what_is_left_of_the_forecast() -> None:
    first, _, whole = halves()
    left = TimeLeft(whole)
    assert left.seconds() == pytest.approx((210.0, 60.0, 610.0))
    assert left.advance(first, 16, None) == pytest.approx(50.0)
    assert left.seconds() == pytest.approx((160.0, 47.5, 460.0))


def test_time_left_learns_from_chunks_that_were_measured_and_not_from_those_that_were_skipped() -> None:
    first, second, whole = halves()
    slow, skipped = TimeLeft(whole), TimeLeft(whole)
    slow.advance(first, 32, 200.0)
    skipped.advance(first, 32, None)
    assert slow.seconds()[0] == pytest.approx(100 * 210 / 110 + 10) and skipped.seconds()[0] == pytest.approx(110)
    low, high = slow.seconds()[1:]
    assert high / low < skipped.seconds()[2] / skipped.seconds()[1], "the range narrows as the run goes on"
    slow.advance(second, 32, 200.0)
    assert slow.seconds() == (10.0, 10.0, 10.0), "judging and rendering are left"


def test_time_left_of_nothing_is_judging_and_rendering() -> None:
    assert TimeLeft(Forecast({}, 0.0, 10.0, ())).seconds() == (10.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((60.4, 30.0, 119.0), "about 60 s (30 to 119 s)"),
        ((600.0, 45.0, 1200.0), "about 10 min (1 to 20 min)"),
        ((9000.0, 3600.0, 36000.0), "about 2.5 h (1.0 to 10.0 h)"),
        ((0.0, 0.0, 0.0), "about 1 s (1 to 1 s)"),
    ],
)
def test_a_time_in_words(seconds: tuple[float, float, float], words: str) -> None:
    assert in_words(*seconds) == words


@contextmanager
def shown(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the inputs that the classifier is shown."""
    found, kind = [0], type(prepared.classifier)
    logits = kind.logits

    def counted(self: Any, x: Any) -> Any:
        found[0] += len(x)
        return logits(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "logits", counted)
        yield found


@pytest.mark.slow
def test_a_small_audit_uses_at_most_twice_and_at_least_half_of_the_passes_that_are_expected(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(study / "honest.yaml", limit=16, only=("exposure", "reliance"))
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    forwards = sum(expected(one, SPEED).forwards for one in planned)
    with shown(prepared, monkeypatch) as found, run(prepared, tmp_path):
        assert forwards / 2 <= found[0] <= 2 * forwards
        assert found[0] <= sum(one.forwards for one in planned)


@pytest.mark.slow
def test_an_attack_aims_at_no_more_classes_than_there_are(study: Path) -> None:
    prepared = prepare(study / "honest.yaml", limit=8)
    trial = Trial("evasion", "evade", {"effort": "fast"}, zone="everywhere", threat={"norm": "linf", "epsilon": 0.1})
    assert trial_kind(trial) in USES
    (one,) = plan({"exposure": _Asks(trial)}, prepared.facts, prepared.samples, binding="b")
    assert one.forwards == 8 * (20 + 50 + 2 + 2), (
        "a warm-up, one ascent towards the only other class, the clean answers and the test of what was found"
    )


class _Asks:
    """A check that asks for one trial."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def trials(self, _: object) -> list[Trial]:
        return [self._trial]


@pytest.mark.slow
def test_the_speed_of_a_classifier_is_measured_by_the_given_clock(study: Path) -> None:
    ticks = iter(range(10_000))
    speed = measure_speed(prepare(study / "honest.yaml", limit=8), clock=lambda: float(next(ticks)))
    assert speed.values == 64 * 64 and speed.forward == Timing(1.0, 0.0) and speed.backward == Timing(0.0, 0.0)


@pytest.mark.slow
def test_a_classifier_that_fails_cannot_be_timed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(study / "honest.yaml", limit=8)

    def broken(*_: object) -> None:
        raise RuntimeError("no such layer")

    monkeypatch.setattr(type(prepared.classifier), "logits", broken)
    with pytest.raises(ClassifierError, match="RuntimeError: no such layer"):
        measure_speed(prepared)
