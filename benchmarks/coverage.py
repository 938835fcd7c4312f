"""How often each 95 % interval of an audit holds the truth: counted over the binomial where that is exact, else
simulated.

Run: python benchmarks/coverage.py [--quick] [--rounds 2000] [--table proportion --table difference]
Target: at least 93 % in every cell, 94 to 98 % on average. Exit code 1 where a table misses it. A quarter of an hour on
one core;
with few rounds (--quick, some minutes) a simulated cell can fall short by chance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import click
import numpy as np
from scipy import stats as sps

from auditor.core.records import Estimate
from auditor.core.seeds import generator
from auditor.stats.censored import flipped_curve, median, restricted_mean
from auditor.stats.means import mean, ratio
from auditor.stats.paired import paired_difference
from auditor.stats.shares import proportion, recovered, recovered_ratio, share_interval
from auditor.stats.simultaneous import simultaneous_level
from auditor.stats.strata import Strata, stratified_difference

LEAST, AVERAGE = 0.93, (0.94, 0.98)
SIZES = (20, 30, 50, 100, 200, 500)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
Rng = np.random.Generator


@dataclass
class Table:
    """Coverage by row and column; what could not be measured has no cell."""

    title: str
    how: str
    cells: dict[tuple[str, str], float] = field(default_factory=dict)
    note: str = ""
    shown: bool = True
    """Whether the cells are printed, or only what they come to."""

    @property
    def met(self) -> bool:
        """Return whether no cell is too low, and the average neither too low nor too high."""
        values = list(self.cells.values())
        return min(values) >= LEAST and AVERAGE[0] <= float(np.mean(values)) <= AVERAGE[1]

    def lines(self) -> Iterator[str]:
        """Yield the table as text."""
        rows, columns = (list(dict.fromkeys(key[at] for key in self.cells)) for at in (0, 1))
        yield f"\n{self.title} ({self.how})"
        if self.shown:
            wide, narrow = max(map(len, rows)), max(6, *map(len, columns))
            yield " " * wide + "".join(f"  {column:>{narrow}}" for column in columns)
            for row in rows:
                cells = (f"{self.cells[row, column]:.3f}" if (row, column) in self.cells else "" for column in columns)
                yield f"{row:<{wide}}" + "".join(f"  {cell:>{narrow}}" for cell in cells)
        worst = min(self.cells, key=lambda key: self.cells[key])
        values = list(self.cells.values())
        low = sum(value < LEAST for value in values)
        answer = "met" if self.met else "MISSED"
        yield (
            f"minimum {min(values):.4f} ({worst[0]}, {worst[1]}), average {np.mean(values):.4f}, below {LEAST}: {low}"
            f" of {len(values)}: {answer}"
        )
        if self.note:
            yield self.note


def own(n: int, name: str = "u") -> list[str]:
    return [f"{name}{row}" for row in range(n)]


def spans(n: int) -> list[tuple[float, float]]:
    """Return the interval of every count of n."""
    half = [share_interval(k / n, n) for k in range(n // 2 + 1)]
    return half + [(1 - high, 1 - low) for low, high in half[: (n + 1) // 2][::-1]]


def chances(n: int, shares: Sequence[float]) -> np.ndarray:
    """Return the chance of every count (n + 1, shares)."""
    return np.asarray(sps.binom.pmf(np.arange(n + 1)[:, None], n, np.asarray(shares)))


def held(found: Estimate | None, truth: float) -> bool | None:
    """Return whether an interval holds the truth; None without an interval."""
    return None if found is None else found.low - 1e-12 <= truth <= found.high + 1e-12


def simulated(rounds: int, seed: tuple[object, ...], draw: Callable[[Rng, int], bool | None]) -> float:
    """Return the share of rounds whose interval holds the truth, among those that have one."""
    rng = generator(*seed)
    answers = [answer for index in range(rounds) if (answer := draw(rng, index)) is not None]
    return float(np.mean(answers)) if len(answers) >= rounds / 2 else math.nan


def shares_of(sizes: Sequence[int], shares: Sequence[float], title: str, shown: bool) -> Table:
    table = Table(title, "exact", shown=shown)
    for n in sizes:
        low, high = np.array(spans(n)).T
        inside = (low[:, None] <= np.asarray(shares) + 1e-12) & (np.asarray(shares) - 1e-12 <= high[:, None])
        for share, cover in zip(shares, (chances(n, shares) * inside).sum(0), strict=True):
            table.cells[f"n {n}", f"{share:g}"] = float(cover)
    return table


def proportions(rounds: int, quick: bool) -> Iterator[Table]:
    yield shares_of(SIZES, SHARES, "proportion", True)
    if not quick:
        yield shares_of(
            range(20, 501),
            [k / 100 for k in range(2, 99)],
            "proportion, every n from 20 to 500 and every share from 0.02 to 0.98 by 0.01",
            False,
        )


def two_shares(
    title: str,
    ends: Callable[..., tuple[float, float]],
    truth: Callable[[float, float], float],
    quick: bool,
    positive: bool,
) -> Table:
    """Return the exact coverage of what two shares are combined to, given a count above 0 of the second one where it
    divides.
    """
    table, sizes = Table(title, "exact", shown=False), SIZES[:4] if quick else SIZES
    for n, m in product(sizes, repeat=2) if positive else [(n, m) for n in sizes for m in sizes if n <= m]:
        ones, others, first = spans(n), spans(m), 1 if positive else 0
        found = np.array([[ends(k / n, ones[k], j / m, others[j]) for j in range(first, m + 1)] for k in range(n + 1)])
        a, b = chances(n, SHARES), chances(m, SHARES)[first:]
        for i, p in enumerate(SHARES):
            for j, q in enumerate(SHARES):
                inside = (found[..., 0] <= truth(p, q) + 1e-12) & (truth(p, q) - 1e-12 <= found[..., 1])
                table.cells[f"n {n}, {m}", f"{p:g}, {q:g}"] = float(a[:, i] @ inside @ b[:, j] / b[:, j].sum())
    return table


def differences(rounds: int, quick: bool) -> Iterator[Table]:
    yield two_shares(
        "difference of two groups, every pair of sizes and shares", recovered, lambda p, q: p - q, quick, False
    )


def ratios_of_shares(rounds: int, quick: bool) -> Iterator[Table]:
    table = two_shares("share_ratio, every pair of sizes and shares", recovered_ratio, lambda p, q: p / q, quick, True)
    table.note = "Given that the denominator was seen at all: without that there is no ratio."
    yield table


def clustered_flags(rng: Rng, m: int, each: int, share: float, alike: float) -> np.ndarray:
    """Return flags (m, each) whose chances differ from unit to unit (beta), so that two of one unit correlate by
    `alike`.
    """
    if alike == 1:
        return np.repeat(rng.random((m, 1)) < share, each, 1).astype(float)
    level = (
        rng.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), (m, 1)) if alike else np.full((m, 1), share)
    )
    return (rng.random((m, each)) < level).astype(float)


def clustered(rounds: int, quick: bool) -> Iterator[Table]:
    """Patients with four images each."""
    table = Table("proportion, patients with 4 images whose flags correlate", f"{rounds} rounds")
    for m, alike, share in product((30, 60, 100), (0.0, 0.2, 0.5, 1.0), (0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 0.95)):
        units = np.repeat(own(m), 4).tolist()

        def draw(
            rng: Rng, _: int, m: int = m, share: float = share, alike: float = alike, units: list[str] = units
        ) -> bool | None:
            return held(proportion(clustered_flags(rng, m, 4, share, alike).ravel().tolist(), units), share)

        table.cells[f"{m} patients, correlation {alike:g}", f"{share:g}"] = simulated(
            rounds, ("clustered", m, alike, share), draw
        )
    yield table


def mixed(rng: Rng, name: str, n: int, mix: float, shares: tuple[float, float]) -> Strata:
    """Return a group of n with a share per class, of which a part `mix` is of the first class."""
    sizes = (round(n * mix), n - round(n * mix))
    return {
        label: ((rng.random(size) < share).astype(float).tolist(), own(size, name + label))
        for label, size, share in zip("xy", sizes, shares, strict=True)
    }


BASES = {
    "0.02, 0.1": (0.02, 0.1),
    "0.1, 0.5": (0.1, 0.5),
    "0.3, 0.6": (0.3, 0.6),
    "0.9, 0.7": (0.9, 0.7),
    "0.98, 0.9": (0.98, 0.9),
}
"""Share of flags in either class."""


def stratified(rounds: int, quick: bool) -> Iterator[Table]:
    """Two groups with another mix of classes, of which the second lies 0 or 0.08 nearer to a half."""
    table = Table(
        "stratified_difference, two classes, mixes 0.7 and 0.4", f"{rounds} rounds; columns: shares in both classes"
    )
    for n, apart, (name, base) in product((30, 60, 150, 400), (0.0, 0.08), BASES.items()):
        other = tuple(share + math.copysign(apart, 0.5 - share) for share in base)

        def draw(
            rng: Rng, _: int, n: int = n, base: tuple[float, float] = base, other: tuple[float, ...] = other
        ) -> bool | None:
            a, b = mixed(rng, "a", n, 0.7, base), mixed(rng, "b", n, 0.4, (other[0], other[1]))
            found, weight = stratified_difference(a, b), (len(a["x"][0]) + len(b["x"][0])) / (2 * n)
            truth = weight * (base[0] - other[0]) + (1 - weight) * (base[1] - other[1])
            return None if found is None else found[1] <= truth <= found[2]

        table.cells[f"n {n}, {apart:g} apart", name] = simulated(rounds, ("stratified", n, apart, name), draw)
    yield table


def three_groups(
    rng: Rng, sizes: Sequence[int], shares: Sequence[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the simultaneous intervals of all pairs (3, 2) and their true differences (3,)."""
    made = [
        mixed(rng, name, n, part, pair)
        for name, n, part, pair in zip("abc", sizes, (0.7, 0.5, 0.4), shares, strict=True)
    ]
    mix = {label: float(sum(len(strata[label][0]) for strata in made)) for label in "xy"}
    truth = [(mix["x"] * first + mix["y"] * second) / sum(mix.values()) for first, second in shares]
    couples = list(combinations(range(3), 2))
    found = [stratified_difference(made[i], made[j], level=simultaneous_level(3), weights=mix) for i, j in couples]
    return np.array([one[1:] for one in found if one]), np.array([truth[i] - truth[j] for i, j in couples])


def gaps(rounds: int, quick: bool) -> Iterator[Table]:
    """Three groups: all three pairs at once, and the largest gap, whose ends are the largest of all (as largest_gap
    takes them).
    """
    how = f"{rounds} rounds; columns: shares in both classes"
    pairs, largest = (
        Table("simultaneous intervals, all pairs of three groups hold", how),
        Table("largest_gap of three groups", how),
    )
    largest.note = "The largest gap is held more often than all pairs are: the largest of all upper ends counts."
    for sizes, apart, (name, base) in product(
        ((40, 40, 40), (150, 150, 150), (300, 60, 30)), (0.0, 0.08), BASES.items()
    ):
        near = [math.copysign(apart / 2, 0.5 - share) for share in base]
        shares = [(base[0] + k * near[0], base[1] + k * near[1]) for k in range(3)]
        rng, row, answers = generator("gap", sizes, apart, name), f"n {', '.join(map(str, sizes))}, {apart:g} apart", []
        for _ in range(rounds):
            ends, truth = three_groups(rng, sizes, shares)
            low, high = np.maximum(ends[:, 0], -ends[:, 1]).max(), np.maximum(ends[:, 1], -ends[:, 0]).max()
            gap = np.abs(truth).max() + 1e-12
            answers.append(
                (((ends[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= ends[:, 1])).all(), low <= gap <= high + 2e-12)
            )
        pairs.cells[row, name], largest.cells[row, name] = np.mean(answers, axis=0).tolist()
    yield pairs
    yield largest


def pairs(rounds: int, quick: bool) -> Iterator[Table]:
    table = Table("paired_difference", f"{rounds} rounds; columns: both shares")
    for n, alike, (p, q) in product(
        (20, 50, 100, 500),
        (0.0, 0.5),
        ((0.05, 0.05), (0.1, 0.3), (0.3, 0.3), (0.5, 0.6), (0.9, 0.7), (0.95, 0.9), (0.98, 0.98)),
    ):
        units, both = own(n), p * q + alike * (min(p, q) - p * q)
        chance = [both, p - both, q - both, 1 - p - q + both]

        def draw(
            rng: Rng, _: int, n: int = n, chance: list[float] = chance, units: list[str] = units, truth: float = p - q
        ) -> bool | None:
            kinds = rng.choice(4, n, p=chance)
            return held(
                paired_difference(
                    (kinds < 2).astype(float).tolist(), np.isin(kinds, (0, 2)).astype(float).tolist(), units
                ),
                truth,
            )

        table.cells[f"n {n}, {'alike' if alike else 'unrelated'}", f"{p:g}, {q:g}"] = simulated(
            rounds, ("paired", n, alike, p, q), draw
        )
    yield table


def means(rounds: int, quick: bool) -> Iterator[Table]:
    draws: dict[str, tuple[Callable[[Rng, int], np.ndarray], float]] = {
        "normal": (lambda rng, n: rng.normal(size=n), 0.0),
        "uniform": (lambda rng, n: rng.random(n), 0.5),
        "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    }
    table = Table("mean, BCa bootstrap over units", f"{rounds} rounds")
    for n, (name, (draw_values, truth)) in product((20, 30, 50, 100, 200), draws.items()):

        def draw(
            rng: Rng,
            index: int,
            n: int = n,
            draw_values: Callable[[Rng, int], np.ndarray] = draw_values,
            truth: float = truth,
        ) -> bool | None:
            return held(mean(draw_values(rng, n).tolist(), own(n), seed=index), truth)

        def quotient(rng: Rng, index: int, n: int = n) -> bool | None:
            below = rng.gamma(4.0, size=n)
            return held(
                ratio((0.5 * below * rng.gamma(4.0, 0.25, n)).tolist(), below.tolist(), own(n), seed=index), 0.5
            )

        table.cells[f"{n} units", name] = simulated(rounds, ("mean", n, name), draw)
        table.cells[f"{n} units", "ratio of gammas"] = table.cells.get((f"{n} units", "ratio of gammas")) or simulated(
            rounds, ("ratio", n), quotient
        )
    yield table


def sizes(rng: Rng, n: int) -> np.ndarray:
    """Return smallest sizes (n,), lognormal with median 1."""
    return np.asarray(np.exp(rng.normal(size=n)))


def censored(rounds: int, quick: bool) -> Iterator[Table]:
    few = max(100, rounds // 4)
    middle = Table(
        "median of sizes, by part that lies beyond the search",
        f"{rounds} rounds",
        note="Order statistics of few samples cover more than asked.",
    )
    rest = Table("restricted_mean of sizes, by part that lies beyond the search", f"{few} rounds")
    for n, beyond in product((20, 50, 100, 200), (0.0, 0.2, 0.4, 0.6)):
        reach = math.exp(sps.norm.isf(beyond)) if beyond else 1e9
        limit = min(reach, 20.0)
        level = math.log(limit)
        truth = math.exp(0.5) * sps.norm.cdf(level - 1) + limit * sps.norm.sf(level)

        def draw(rng: Rng, _: int, n: int = n, reach: float = reach) -> bool | None:
            values = sizes(rng, n)
            return held(median(np.where(values <= reach, values, math.inf).tolist(), own(n)), 1.0)

        def cut(rng: Rng, index: int, n: int = n, limit: float = limit, truth: float = truth) -> bool | None:
            values = sizes(rng, n)
            return held(
                restricted_mean(np.where(values <= limit, values, math.inf).tolist(), limit, own(n), seed=index), truth
            )

        cover = simulated(rounds, ("median", n, beyond), draw) if beyond < 0.5 else math.nan
        if not math.isnan(cover):
            middle.cells[f"n {n}", f"{beyond:g}"] = cover
        if beyond:
            rest.cells[f"n {n}", f"{beyond:g}"] = simulated(few, ("restricted", n, beyond), cut)
    yield middle
    yield rest
    yield curves(max(100, rounds // 2))


def curves(rounds: int) -> Table:
    """Curves at fixed sizes, on a grid of values as of an image, with a reach of its own for each sample."""
    at = {f"{sps.norm.cdf(math.log(size)):.2f}": size for size in (0.3, 0.6, 1.0, 1.7)}
    table = Table(
        "flipped_curve, every sample with a reach of its own", f"{rounds} rounds; columns: true share flipped"
    )
    for n, each in product((20, 30, 50, 100), (1, 4)):
        units, hits = np.repeat(own(n), each).tolist(), dict[str, list[bool]]()
        rng = generator("curves", n, each)
        for _ in range(rounds):
            person, alone = np.repeat(rng.normal(size=n), each), rng.normal(size=n * each)
            values = np.ceil(10 * np.exp(math.sqrt(0.5) * person + math.sqrt(0.5) * alone)) / 10
            reach = np.ceil(10 * rng.uniform(0.5, 4.0, n * each)) / 10
            curve = flipped_curve(np.where(values <= reach, values, math.inf).tolist(), reach.tolist(), units)
            for share, size in at.items():
                known = [one for step, one in curve if step <= size + 1e-9]
                if known:
                    hits.setdefault(share, []).append(known[-1].low <= sps.norm.cdf(math.log(size)) <= known[-1].high)
        for share, answers in hits.items():
            if len(answers) > rounds / 2:
                table.cells[f"{n} units of {each}", share] = float(np.mean(answers))
    return table


TABLES: dict[str, Callable[[int, bool], Iterator[Table]]] = {
    "proportion": proportions,
    "clustered": clustered,
    "difference": differences,
    "ratio": ratios_of_shares,
    "paired": pairs,
    "stratified": stratified,
    "gap": gaps,
    "mean": means,
    "censored": censored,
}


@click.command()
@click.option(
    "--rounds",
    default=2000,
    show_default=True,
    type=click.IntRange(min=100),
    help="Simulated samples per cell; bootstraps take fewer.",
)
@click.option(
    "--quick", is_flag=True, help="Few rounds, small grids: does it work at all? Cells may fall short by chance."
)
@click.option(
    "--table",
    "chosen",
    multiple=True,
    type=click.Choice(list(TABLES)),
    default=list(TABLES),
    help="Only these tables (repeatable).",
)
def main(rounds: int, quick: bool, chosen: tuple[str, ...]) -> None:
    """Print the coverage of every 95 % interval; exit with 1 where a table misses its target."""
    missed, rounds = [], min(rounds, 400) if quick else rounds
    for name in chosen:
        started = time.perf_counter()
        for table in TABLES[name](rounds, quick):
            click.echo("\n".join(table.lines()))
            missed += [] if table.met else [table.title]
        click.echo(f"{name}: {time.perf_counter() - started:.0f} s", err=True)
    click.echo(f"\n{len(missed)} missed: {'; '.join(missed)}" if missed else "\nAll targets met.")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
