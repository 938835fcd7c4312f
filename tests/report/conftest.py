"""A made-up output folder that holds every section, every verdict and a good deal of mischief."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.checks import make_check
from auditor.checks.common import evasion_trial
from auditor.checks.exposure.smallest import search_trial
from auditor.core.displays import TableDisplay
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.modalities.tables.table import Column
from auditor.report.render import render

EPSILONS = [k / 255 for k in (1, 2, 4, 8)]
GAP = "difference of rates"
SHARES = ("share of samples", "share", "accuracy", GAP)
"""Units of numbers that are shown in per cent."""
MISCHIEF = "<script>alert('title')</script>"


def estimate(
    value: float, half: float = 0.05, *, n: int = 133, unit: str = "share of samples", **more: Any
) -> dict[str, Any]:
    low, high = round(value - half, 4), round(value + half, 4)
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": n,
        "unit": unit,
        "share": unit in SHARES,
        "method": "Wilson",
        "level": 0.95,
        "units": 24,
        **more,
    }


def finding(name: str, verdict: str, claim: str, **more: Any) -> dict[str, Any]:
    return {**Finding(name, name.partition("/")[0], "pass", claim).as_dict(), "verdict": verdict, **more}


SAMPLES, MARKED = 133, 71
"""Samples of the audit of images, and how many of them have a marked region."""


def image_facts() -> Facts:
    """Return what is known of the audit of images: two sites, two samples per patient."""
    return Facts(
        classes=("normal", "abnormal <i>"),
        offers=("gradient", "labels", "scores"),
        modality="image",
        ids=tuple(f"s{place:03d}" for place in range(SAMPLES)),
        y=tuple(place % 2 for place in range(SAMPLES)),
        units=tuple(f"patient {place // 2}" for place in range(SAMPLES)),
        groups={},
        mask_share=tuple(0.03 if place < MARKED else 0.0 for place in range(SAMPLES)),
        low=0.0,
        high=1.0,
        levels=255,
        norm="linf",
        epsilons=tuple(EPSILONS),
        primary=EPSILONS[1],
        guard=0.02,
        attack="pgd",
        attack_settings={},
        factors={"site": tuple("ns"[place % 4 > 1] for place in range(SAMPLES))},
    )


def image_row(trial: Trial, place: int) -> dict[str, float] | Missing | None:
    """Return what a trial wrote down of one sample: the model reads a mark in one of two corners, and its explanations
    hold. None where nothing is marked that the trial could exchange.
    """
    rng = np.random.default_rng(place)
    if trial.probe == "clean":
        right = float(place % 11 > 0)
        plain = {"low": 0.0, "high": 1.0, "like_probabilities": 0.0, "repeat_difference": 0.0}
        return {**plain, "predicted": float(place % 2), "correct": right, "margin": 1.6, "confidence": 0.9}
    if trial.probe in ("evasion", "smallest"):
        return flip_row(trial, place)
    if trial.probe == "attribution":
        u = float(rng.random())
        alike = {"noise/rank": 0.9 + 0.1 * u, "noise/top": 0.8, "noise/structure": 0.7}
        moved = {"attack/rank": 0.3 * u, "null/rank": 0.5 * u, "outside_before": 0.4 * u, "outside_after": u}
        return {"correct": 1.0, "area": 0.03, "inside": 0.1 * u, "pointing": float(u < 0.6), **alike, **moved}
    return _exchanged(trial.probe, place, rng) if place < MARKED else None


FLIPPED = {
    "outside": (1, 3442),
    "inside": (1, 546),
    "everywhere": (1, 4096),
    "control/0": (8, 3442),
    "control/1": (3, 3442),
}
"""Zone -> how large a change must be there, as a multiple of what is enough anywhere, and the values in it."""


def flip_row(trial: Trial, place: int) -> dict[str, float] | Missing:
    """Return what an attack wrote down: some samples flip only by a search for the smallest change, and one attack
    breaks off.
    """
    epsilon = trial.threat.get("epsilon", 16 / 255)
    if place >= MARKED and trial.zone != "everywhere":
        return Missing.not_applicable("empty mask")
    if trial.zone == "inside" and epsilon == EPSILONS[-1]:
        return Missing.failed("the attack broke off: chunk 3 failed twice")
    if place % 11 == 0:
        return {"correct": 0.0}
    times, area = FLIPPED[trial.zone]
    size = times * (1 + place * 7 % 24 // 4) / 255
    found = size <= epsilon * (1 + 1e-6) and trial.method != "random_noise"
    if trial.probe == "evasion":
        size, found = epsilon, found and place % 25 != 7
    known = {"correct": 1.0, "clean_margin": 1.0, "area": float(area), "area_share": area / 4096}
    predicted = float(place % 2 != found)
    return {**known, "fooled": float(found), "predicted": predicted, **({"size": size} if found else {})}


def _exchanged(probe: str, place: int, rng: np.random.Generator) -> dict[str, float]:
    donors = [float((place + step) % MARKED) for step in (2, 5, 9)]
    if probe == "transplant":
        edges = {
            f"{arm}/{draw}": mean + 0.2 * rng.normal()
            for draw in (0, 1)
            for arm, mean in zip("ABCD", (1.7, -0.2, -0.1, -1.5), strict=True)
        }
        who = {f"{donor}/{draw}": one for draw in (0, 1) for donor, one in zip("jkl", donors, strict=True)}
        return {"sham/smooth": edges["A/0"], "sham/flat": edges["A/1"], **edges, **who}
    if probe == "surroundings":
        moves = {"beside": 0.1, "near": 0.0, "far": 1.6, "outside": 1.6}
        margins = {
            f"{part}/{kind}/{draw}": 1.6 - (kind == "other") * move + 0.2 * rng.normal()
            for draw in range(4)
            for kind in ("same", "other")
            for part, move in moves.items()
        }
        covered = {f"covered/{part}/{draw}": 0.9 for draw in range(4) for part in moves}
        who = {f"{donor}/{draw}": one for draw in range(4) for donor, one in zip("jk", donors[:2], strict=True)}
        return {**margins, **covered, **who}
    if probe == "left_over":
        leads = {f"lead/{fill}": 1.0 if place % 10 < 9 else -1.0 for fill in ("smooth", "flat")}
        return {"partner": donors[0] + 1, "hole": 0.1, "kept": float(place % 2), **leads}
    if probe == "factor":
        sites = [place % 4 > 1 for place in (int(donors[0]), int(donors[0] + 2) % MARKED)]
        margins = {
            f"{edge}/0": 1.0 + 0.5 * site * (1 if place % 2 else -1) for edge, site in zip("PQ", sites, strict=True)
        }
        return {"p/0": donors[0], "q/0": (donors[0] + 2) % MARKED, **margins}
    corner = (0, 0) if place % 4 < 2 else (5, 5)
    cells = {
        f"cell/{row}/{column}/{draw}": 0.1 * rng.normal() + 1.2 * ((row, column) == corner)
        for draw in (0, 1)
        for row in range(6)
        for column in range(6)
    }
    return {"k/0": donors[0], "k/1": donors[1], **cells}


def of_images(name: str) -> list[dict[str, Any]]:
    """Return what a check finds in the audit of images."""
    check, facts = make_check(name, "image", {}), image_facts()
    places = range(SAMPLES)
    return judged(check, facts, {trial: [image_row(trial, place) for place in places] for trial in check.trials(facts)})


SMALL = 3
"""Samples of each of six institutions; the others have 16."""
INSTITUTIONS = {
    f"institution number {k} with a rather long official name"
    if k % 9 == 4 or k % 9 == 7
    else f"site {k}"
    if k
    else "Universitätsklinikum <b>Zürich</b> $n_0$ 女": SMALL if k % 9 in (4, 7) else 16
    for k in range(27)
}
RACES = {"asian": 33, "black": 57, "white": 257, "_other": 7}
UNKNOWN, FEWEST = 7, 12
"""Samples without a sex; samples of a group that is compared."""


def people() -> dict[str, tuple[str, ...]]:
    """Return the group columns of 354 samples."""
    n, rng = sum(RACES.values()), np.random.default_rng(0)
    columns = {
        name: [value for value, count in counts.items() for _ in range(count)]
        for name, counts in (("institution", INSTITUTIONS), ("race", RACES))
    }
    columns["sex"] = [("", "female", "male")[0 if place < UNKNOWN else 1 + place % 2] for place in range(n)]
    columns["age"] = [str(20 + place * 7 % 60) for place in range(n)]
    return {name: tuple(np.array(values)[rng.permutation(n)].tolist()) for name, values in columns.items()}


@dataclass(frozen=True)
class Seen:
    """What was measured of one sample."""

    place: int
    sex: str
    correct: bool
    label: int
    size: float
    """Smallest epsilon that flips it anywhere."""

    def row(self, trial: Trial) -> dict[str, float]:
        """Return what a trial wrote down."""
        if trial.probe == "clean":
            predicted = self.label if self.correct else 1 - self.label
            return {"correct": self.correct, "predicted": predicted, "confidence": 0.75}
        if trial.probe == "universal":
            return {"forwards": 1}
        if trial.probe == "transplant":
            return self.arms(trial.settings["draws"])
        if not self.correct:
            return {"correct": 0}
        if trial.probe == "aimed":
            return {"correct": 1, **self.fooled(trial.settings["names"])}
        size = self.size * (1.5 if trial.zone == "outside" else 1)
        within = size <= trial.threat.get("epsilon", 16 / 255) * (1 + 1e-6)
        return {"correct": 1, "clean_margin": 1.0, "area": 10, "fooled": within, **({"size": size} if within else {})}

    def fooled(self, names: Sequence[str]) -> dict[str, float]:
        """Return whom each group's own change flips: that of women harms women, the others hardly anybody."""
        return {
            f"fooled/{at}": self.place % 10 < (4 if name == self.sex == "female" else 1)
            for at, name in enumerate(names)
        }

    def arms(self, draws: int) -> dict[str, float]:
        """Return the margins of a transplant in which the inside decides, with other samples as donors."""
        values: dict[str, float] = {}
        for draw in range(draws):
            spread = (self.place * 7 + draw) % 11 / 11
            values |= {f"{arm}/{draw}": edge + spread for arm, edge in zip("ABCD", (2, 1.5, -1.5, -2), strict=True)}
            values |= {f"{donor}/{draw}": (self.place + 1 + k + 3 * draw) % 354 for k, donor in enumerate("jkl")}
        return values


@cache
def fairness() -> list[dict[str, Any]]:
    """Return what the check of fairness finds in 354 samples, and a finding that shows nothing beside its claim."""
    groups, rng = people(), np.random.default_rng(1)
    n = len(groups["sex"])
    names = tuple(f"s{place:03d}" for place in range(n))
    facts = Facts(
        classes=("normal", "abnormal <i>"),
        offers=("gradient", "labels", "scores"),
        modality="image",
        ids=names,
        y=tuple(place % 2 for place in range(n)),
        units=tuple(f"u{place // 2}" for place in range(n)),
        groups=groups,
        mask_share=(0.2,) * n,
        low=0.0,
        high=1.0,
        levels=255,
        norm="linf",
        epsilons=tuple(EPSILONS),
        primary=EPSILONS[1],
        guard=0.02,
        attack="evade",
        attack_settings={},
    )
    sizes = rng.integers(1, 24, n) / 255
    seen = [
        Seen(place, groups["sex"][place], rng.random() < 0.9, place % 2, float(size))
        for place, size in enumerate(sizes)
    ]
    settings = {
        "minimum_group": FEWEST,
        "bands": {"age": [40, 60]},
        "intersections": [["sex", "race"], ["race", "age"]],
    }
    check = make_check("fairness", "image", settings)
    zones = ("everywhere", "outside")
    trials = [*check.trials(facts), *(evasion_trial(facts, zone, one) for zone in zones for one in EPSILONS)]
    trials += [search_trial(facts, zone, 200) for zone in zones]
    trials += [Trial("transplant", settings={"draws": 2}, zone="outside")]
    missing = finding(
        "fairness/age_band/robustness-gap",
        "not_measured",
        "The gap between age bands was not measured.",
        reason="every age band has too few usable samples",
        question=2,
        primary=True,
    )
    return [*judged(check, facts, {trial: [one.row(trial) for one in seen] for trial in trials}), missing]


def further() -> list[dict[str, Any]]:
    """Return the finding of a check that no section knows."""
    found = Estimate(0.58, 0.48, 0.68, 133, "AUC", "Wilson", share=False)
    rows = (("biharmonic", found, 133), ("nearest", None, 0))
    return [
        finding(
            "leftover/auc",
            "inconclusive",
            "What is left when the inside is blanked separates the classes with AUC 0.58.",
            estimate=asdict(found),
            tolerance=0.6,
            reason="The interval holds the tolerance.",
            displays=[asdict(TableDisplay(title="By in-painter", columns=("In-painter", "AUC", "n"), rows=rows))],
        )
    ]


def audit() -> dict[str, Any]:
    """Return the facts of an audit, a script among its texts."""
    facts: dict[str, Any] = json.loads((Path(__file__).parent / "audit.json").read_text())
    return facts


def write_evidence(out: Path) -> None:
    """Write images, masks, maps and the index of three cases, one of them broken."""
    folder, rng = out / "evidence", np.random.default_rng(0)
    folder.mkdir()
    rows, columns = np.mgrid[:64, :64]
    lesion = (rows - 30) ** 2 + (columns - 36) ** 2 < 90
    original = np.clip(90 + 60 * lesion + rng.normal(0, 9, (64, 64)), 0, 255).astype(np.uint8)
    moved = np.where(lesion, original, np.clip(original.astype(int) + rng.choice([-2, 2], (64, 64)), 0, 255)).astype(
        np.uint8
    )
    for name, array in (
        ("original", original),
        ("adversarial", moved),
        ("mask", lesion * np.uint8(255)),
        ("zone", ~lesion * np.uint8(255)),
    ):
        Image.fromarray(array).save(folder / f"{name}.png")
    for moment, centre in (("before", lesion.astype(float)), ("after", np.roll(lesion, 18, axis=1).astype(float))):
        np.save(folder / f"{moment}.npy", centre + rng.normal(0, 0.2, (64, 64)))
    files = {
        **{name: f"{name}.png" for name in ("original", "mask", "zone", "adversarial")},
        **{
            f"map_{moment}/{method}": f"{moment}.npy"
            for moment in ("before", "after")
            for method in ("integrated_gradients", "saliency")
        },
    }
    case = {
        "finding": "exposure/outside",
        "sample": "TCGA_CS_4941_19960909_12",
        "label": "abnormal",
        "before": "abnormal",
        "after": "normal",
        "epsilon": EPSILONS[1],
        "norm": "linf",
        "zone": "outside",
        "size": EPSILONS[1],
        "files": files,
        "text": "",
    }
    broken = {**case, "files": {"original": "../../secret.png", "mask": "absent.png", "adversarial": "index.json"}}
    cases = [{**case, "rule": "worst"}, {**case, "rule": "median", "sample": MISCHIEF}, {**broken, "rule": "best"}]
    (folder / "index.json").write_text(json.dumps({"cases": cases}))


def write(out: Path, data: dict[str, Any]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    (out / "findings.json").write_text(json.dumps(data))
    return out


def nothing_much() -> dict[str, Any]:
    """Return findings without displays and an audit without facts."""
    return {
        "audit": {},
        "findings": [{**item, "displays": [], "estimate": None} for item in everything()["findings"]],
    }


def everything() -> dict[str, Any]:
    checks = ("preflight", "reliance", "attribution", "attack_quality", "exposure")
    found = [item for name in checks for item in of_images(name)]
    return {"audit": audit(), "findings": [*found, *further(), *fairness()]}


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an output folder with everything in it; tests do not change it."""
    out = write(tmp_path_factory.mktemp("report") / "full", everything())
    write_evidence(out)
    return out


@pytest.fixture(scope="session")
def rendered(full: Path) -> Path:
    """Return that folder with its three reports."""
    render(full)
    return full


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return an output folder that holds next to nothing: no evidence, empty audit, findings without displays."""
    return write(tmp_path / "bare", nothing_much())


CELLS = {
    ("Asian", "Female"): (18, 6),
    ("Asian", "Male"): (21, 12),
    ("Asian", ""): (1, 0),
    ("Black", "Female"): (50, 10),
    ("Black", "Male"): (49, 20),
    ("Black", ""): (1, 0),
    ("Other", "Female"): (2, 1),
    ("Other", "Male"): (4, 2),
    ("White", "Female"): (90, 30),
    ("White", "Male"): (106, 68),
    ("White", ""): (4, 2),
    ("", "Female"): (20, 7),
    ("", "Male"): (30, 3),
    ("", ""): (4, 0),
}
"""(race, sex) -> applicants, and how many of them get the favourable decision."""
WOMEN, MEN = "Female", "Male"


@dataclass(frozen=True)
class Applicant:
    """What is known of one row, and what was measured of it."""

    place: int
    """Among all rows."""
    race: str
    sex: str
    chosen: int
    rank: int
    """Among the rows of the same sex and decision."""

    def row(self, trial: Trial) -> dict[str, float] | Missing | None:
        """Return what a trial wrote down; None where it measured nothing."""
        if trial.probe == "clean":
            score = 0.5 * self.chosen + (self.place % 50) / 100
            broken = {f"broken/{rule}": float(rule == 0 and self.place % 150 == 1) for rule in range(3)}
            plain = {"like_probabilities": 0.0, "repeat_difference": 0.0, "missing": float(self.place % 9 == 0)}
            right = self.place % 7 != 0
            plain["margin"] = abs(score - 0.5) * (1 if right else -1)
            answer = {"predicted": self.chosen, "correct": right, "confidence": 0.8, "score": score}
            return {**answer, **plain, **broken, "agrees": 1.0}
        if trial.probe in ("exchange", "permuted"):
            return self.exchanged() if trial.probe == "exchange" else self.permuted()
        if trial.probe == "attribution_table":
            return self.explained()
        if trial.probe == "invariance":
            return self.other_sex() if trial.settings["column"] == "sex" and self.sex else None
        if trial.threat["towards"] and self.chosen:
            return {"searched": 0, "before": 1}
        return self.searched(trial)

    def searched(self, trial: Trial) -> dict[str, float] | Missing:
        """Return how the search for the cheapest flip ended: two found rows did not survive the second check."""
        if self.place % 150 == 1 and not trial.threat["towards"]:
            return Missing.not_applicable("the row itself breaks rule 'husband'")
        outcome = (2, 2 if trial.zone == "outside" else 1, 0, 3, 3)[self.place % 5]
        if trial.method == "random_change":
            outcome = int(self.place % 25 == 0)
        found = {"flipped": 0.0}
        if outcome in (1, 2):
            found = {"flipped": 1.0, "cost": 1.5, "set/7": 1.0, **({"set/6": 1.0} if self.place % 2 else {})}
        refused = float(self.place in (2, 7) and trial.zone == "outside")
        return {"searched": 1, "before": self.chosen, "outcome": outcome, "refused": refused, "forwards": 412, **found}

    def exchanged(self) -> dict[str, float]:
        """Return the margins of the four arms: the columns that should not matter count for two fifths."""
        rng = np.random.default_rng(self.place)
        means = zip("ABCD", (2.0, 0.4, -0.4, -2.0), strict=True)
        edges = {f"{arm}/0": mean + 0.3 * rng.normal() for arm, mean in means}
        donors = {f"{donor}/0": float((self.place + step) % 400) for donor, step in zip("jkl", (1, 8, 50), strict=True)}
        return {**edges, **{f"lost/{arm}/0": float(edges[f"{arm}/0"] <= 0) for arm in "AB"}, **donors}

    def permuted(self) -> dict[str, float]:
        """Return what single columns change: every fifth decision goes with the eighth of them."""
        turned = {f"flip/{column}": float(column == 7 and self.place % 5 == 0) for column in range(11)}
        return {"donor": float((self.place + 1) % 400), **turned, **{f"fall/{column}": 0.1 for column in range(11)}}

    def explained(self) -> dict[str, float]:
        """Return attributions that stay where next to nothing changes and move with the decision."""
        u = float(np.random.default_rng(self.place).random())
        alike = {"noise/rank": 0.9 + 0.1 * u, "noise/top": 0.8, "null/rank": 0.5 * u, "attack/rank": 0.3 * u}
        shares = {"area": 0.5, "inside": 0.7 + 0.2 * u, "outside_before": 0.2 * u, "outside_after": u}
        return {"correct": 1.0, "pointing": float(u < 0.6), **alike, **shares}

    def other_sex(self) -> dict[str, float]:
        """Return the decisions with the other sex: alone it helps women, repaired it harms them; of men nothing can be
        repaired.
        """
        own, other, before, rank = int(self.sex == MEN), int(self.sex != MEN), self.chosen, self.rank
        if self.sex == MEN:
            turned = {"naive": before and rank < 1, "worst": before and rank < 1}
            possible = self.place % 3 == 0
        else:
            turned = {"naive": not before and rank < 12, "worst": rank < (6 if before else 9)}
            turned |= {} if not before and rank == 100 else {"repaired": rank < (6 if before else 2)}
            possible = before or rank >= 25
        after = {f"{way}/{other}": int(before != bool(turn)) for way, turn in turned.items()}
        return {"before": before, "own": own, f"possible/{other}": int(possible), **after}


def applicants() -> list[Applicant]:
    found: list[Applicant] = []
    for (race, sex), (n, selected) in CELLS.items():
        for k in range(n):
            chosen = int(k < selected)
            rank = sum((one.sex, one.chosen) == (sex, chosen) for one in found)
            found.append(Applicant(len(found), race, sex, chosen, rank))
    return found


def table_facts(data: dict[str, Any], rows: Sequence[Applicant]) -> Facts:
    """Return what is known of the audit of a table."""
    n, names = len(rows), tuple(str(one.place) for one in rows)
    own = {field.name for field in fields(Column)}
    columns = [{name: value for name, value in one.items() if name in own} for one in data["columns"]]
    schema = {
        "columns": [{**one, "allowed": list(range(len(one["levels"])))} for one in columns],
        "rules": data["rules"],
        "favourable": "granted",
    }
    return Facts(
        classes=("denied", "granted"),
        offers=("labels", "scores"),
        modality="table",
        ids=names,
        y=tuple(one.chosen if one.place % 7 else 1 - one.chosen for one in rows),
        units=names,
        groups={"race": tuple(one.race for one in rows), "sex": tuple(one.sex for one in rows)},
        mask_share=(0.5,) * n,
        low=0.0,
        high=1.0,
        levels=None,
        norm="cost",
        epsilons=(1.0, 2.0, 4.0),
        primary=2.0,
        guard=0.0,
        attack="table_search",
        attack_settings={},
        schema=schema,
        max_changes=3,
    )


def of_tables(name: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a check finds in 400 applicants for the table of an audit."""
    rows = applicants()
    check, facts = make_check(name, "table", {}), table_facts(data, rows)
    return judged(check, facts, {trial: [one.row(trial) for one in rows] for trial in check.trials(facts)})


def _observed(key: str, name: str, value: Any) -> Observation:
    return Observation(key, name, missing=value) if isinstance(value, Missing) else Observation(key, name, value)


def judged(check: Any, facts: Facts, rows: Mapping[Trial, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the findings of a check, as findings.json holds them, from what each trial wrote down of each sample."""
    made: dict[str, dict[str, Observation]] = {}
    for trial, values in rows.items():
        key = trial.key("binding")
        each = zip(facts.ids, values, strict=True)
        made[key] = {name: _observed(key, name, value) for name, value in each if value is not None}
    seen = Observations("binding", lambda key: made.get(key, {}), tuple(rows))
    found: list[dict[str, Any]] = json.loads(json.dumps([one.as_dict() for one in check.judge(facts, seen)]))
    return found


@pytest.fixture(scope="session")
def of_a_table() -> dict[str, Any]:
    """Return what findings.json of a table holds; its findings come from the checks. Copy it before a change."""
    data: dict[str, Any] = json.loads((Path(__file__).parent / "table.json").read_text())
    for name in ("preflight", "reliance", "fairness", "attribution", "exposure"):
        data["findings"] += of_tables(name, data["audit"]["data"])
    return data


@pytest.fixture
def table_content(of_a_table: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the same."""
    return copy.deepcopy(of_a_table)
