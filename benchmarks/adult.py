"""The search for flips on the Adult census table (UCI): against brute force, exact solvers and ART's HopSkipJump;
protected flips; a large audit.

Run: python benchmarks/adult.py ADULT.csv.gz FOLDER [search] [art] [invariance] [scale]
Models are trained into FOLDER first (adult_models.py). Rows shown to the model are counted; seconds are not.

Mask A: what should not matter, all of it categorical, 7,560 joint values. Mask B: what an applicant might game, numbers
and levels, priced in domain units.
The rows searched lie near the boundary (log odds within 1.5): shares of flips are not those of a population.
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from adult_models import LABEL, NAMES, NUMBERS, WORDS, read, train_all
from ruamel.yaml import YAML

from auditor.attacks.attack import Adversarials, attack
from auditor.core.displays import Counterfactuals, of_kind
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.modalities.tables import rule_check
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.threats.threat import TableThreat
from auditor.models.classifier import margin

RULES = [
    {
        "id": "husband",
        "if": "relationship == 'Husband'",
        "then": "sex == 'Male'",
        "swap": {"relationship": {"Husband": "Wife"}},
    },
    {
        "id": "wife",
        "if": "relationship == 'Wife'",
        "then": "sex == 'Female'",
        "swap": {"relationship": {"Wife": "Husband"}},
    },
    {
        "id": "married",
        "if": "relationship in ['Husband', 'Wife']",
        "then": "marital_status in ['Married-civ-spouse', 'Married-AF-spouse']",
    },
    {"id": "capital", "require": "not (capital_gain > 0 and capital_loss > 0)"},
    {"id": "never", "if": "workclass == 'Never-worked'", "then": "occupation == '?'"},
]
A: dict[str, Any] = {
    name: {"role": "irrelevant", "mutable": True, "min_support": 1}
    for name in ("workclass", "marital_status", "relationship", "race", "sex")
}
A["native_country"] = {"role": "irrelevant", "levels": ["United-States", "Mexico"]}
B: dict[str, Any] = {
    "hours_per_week": {"role": "irrelevant", "type": "integer", "change": [-10, 10], "range": [1, 99], "cost": 0.1},
    "capital_gain": {"role": "irrelevant", "type": "integer", "change": [0, 3000], "cost": 0.001},
    "capital_loss": {"role": "irrelevant", "type": "integer", "change": [0, 500], "cost": 0.002},
    "education_num": {"role": "irrelevant", "type": "integer", "change": [0, 1], "cost": 1},
    "occupation": {"role": "irrelevant", "min_support": 1},
    "workclass": {"role": "irrelevant", "min_support": 1},
}
MASKS = {"A": (A, 6.0), "B": (B, 6.0)}
ROWS, NEAR = 60, 1.5
"""Rows searched per model, and how near to the boundary they lie, in log odds."""
ART_ROWS = 12


def audit(table: Path, folder: Path, name: str, columns: dict[str, Any], *, rows: int = 0, **more: Any) -> Path:
    """Return an audit file of one model on the test split, written with its table."""
    declared, text = train_all(table, folder / "models")[name], folder / f"adult{rows or ''}.csv"
    if not text.exists():
        test = read(table, "test")
        test.head(rows or len(test))[[*NUMBERS, *WORDS, LABEL]].to_csv(text, index=False)
    data = {"source": "table", "table": text.name, "label": LABEL, "columns": columns, "rules": RULES}
    file = folder / f"audit-{name}.yaml"
    with file.open("w") as target:
        YAML().dump({"model": declared, "data": {**data, **more.pop("data", {})}, **more}, target)
    return file


def rows_near(prepared: Prepared, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes (n, columns) and decisions (n,) of feasible rows near the boundary."""
    table = prepared.samples.schema
    assert table is not None
    x = prepared.samples.load(range(3000)).x
    logits = prepared.classifier.logits(x)
    decided = logits.argmax(1)
    near = (margin(logits, decided) < NEAR).numpy() & Rules(table).feasible(x.numpy())
    chosen = np.flatnonzero(near)[:count]
    return x[chosen], decided[chosen]


def searched(
    prepared: Prepared, mask: str, x: torch.Tensor, y: torch.Tensor, **settings: Any
) -> tuple[Adversarials, int]:
    """Return what the search finds in a mask, and how many of its rows the independent checker refuses."""
    table, budget = prepared.samples.schema, MASKS[mask][1]
    assert table is not None
    threat = TableThreat(table, torch.tensor([name in MASKS[mask][0] for name in table.names]))
    found = attack("table_search", prepared.classifier, x, y, threat, epsilon=budget, batch_size=8192, **settings)
    decided = prepared.classifier.decisions(found.x)  # type: ignore[attr-defined]
    refused = 0
    for row in torch.nonzero(found.fooled)[:, 0].tolist():
        before, after = (
            dict(zip(table.names, table.texts(one[row : row + 1].numpy())[0], strict=True)) for one in (x, found.x)
        )
        wrong = rule_check.broken(table, after) or rule_check.forbidden(table, before, after, writable=MASKS[mask][0])
        refused += (
            bool(wrong) or decided[row] == y[row] or rule_check.price_of_change(table, before, after) > budget + 1e-9
        )
    return found, refused


def brute_force(prepared: Prepared, x: torch.Tensor, y: torch.Tensor) -> tuple[list[float], float]:
    """Return the smallest number of changes in mask A that flips each row (infinite: none), by every joint value, and
    the mean number of rows shown.
    """
    table = prepared.samples.schema
    assert table is not None
    places = [table.index[name] for name in A]
    rules, shown, best = Rules(table), 0, []
    for row, decision in zip(x.numpy(), y.tolist(), strict=True):
        values = [sorted({*map(float, table.columns[place].allowed), row[place]}) for place in places]
        joint = np.array(list(itertools.product(*values)))
        every = np.repeat(row[None], len(joint), 0)
        every[:, places] = joint
        every = every[rules.feasible(every)]
        shown += len(every)
        flips = prepared.classifier.logits(torch.from_numpy(every)).argmax(1).numpy() != decision
        best.append(float((every[flips] != row).sum(1).min()) if flips.any() else float("inf"))
    return best, shown / len(x)


def search(table: Path, folder: Path) -> list[str]:
    """Return the tables of masks A and B."""
    lines = [
        "| mask A | flips by brute force | found at its cost | without proof | rows: brute force, search, no proof |"
        " infeasible |"
    ]
    lines += ["|-|-|-|-|-|-|"]
    for name in NAMES:
        prepared = prepare(audit(table, folder, name, A, data={}), trust_code=True)
        x, y = rows_near(prepared, ROWS)
        truth, shown = brute_force(prepared, x, y)
        (proved, bad), (quick, worse) = searched(prepared, "A", x, y), searched(prepared, "A", x, y, exact=False)
        flips = sum(np.isfinite(truth))
        hits = [
            sum(bool(f) and abs(float(s) - t) < 1e-9 for f, s, t in zip(one.fooled, one.size, truth, strict=True))
            for one in (proved, quick)
        ]
        wrong = sum(bool(proof == 3) and np.isfinite(t) for proof, t in zip(proved.proof, truth, strict=True))
        rows = f"{shown:.0f}, {proved.forwards.double().mean():.0f}, {quick.forwards.double().mean():.0f}"
        lines.append(
            f"| {name} | {flips} of {len(x)} | {hits[0]} (wrongly impossible {wrong}) | {hits[1]} | {rows} |"
            f" {bad + worse} |"
        )
    lines += [
        "",
        (
            "| mask B | exact flips, impossible, open | found without proof | cost over the optimum: mean, largest |"
            " rows: exact, without proof | infeasible |"
        ),
    ]
    lines += ["|-|-|-|-|-|-|"]
    for name in NAMES:
        prepared = prepare(audit(table, folder, name, B, data={}), trust_code=True)
        x, y = rows_near(prepared, ROWS)
        (proved, bad), (quick, worse) = (
            searched(prepared, "B", x, y, exact_rows=200_000),
            searched(prepared, "B", x, y, exact=False),
        )
        counts = [int((proved.proof == code).sum()) for code in (2, 3)]
        both = (proved.proof == 2) & quick.fooled
        over = (quick.size / proved.size)[both]
        ratio = f"{float(over.mean()):.4f}, {float(over.max()):.3f}" if len(over) else "no judge"
        rows = f"{proved.forwards.double().mean():.0f}, {quick.forwards.double().mean():.0f}"
        lines.append(
            f"| {name} | {counts[0]}, {counts[1]}, {len(x) - sum(counts)} of {len(x)} | {int(quick.fooled.sum())} |"
            f" {ratio} | {rows} | {bad + worse} |"
        )
    return lines


def art(table: Path, folder: Path) -> list[str]:
    """Return ART's HopSkipJump with a mask beside the search, on the same rows of mask B."""
    lines = [
        "| mask B, 12 rows | HopSkipJump: flips, of these real rows, feasible flips when rounded (mean cost), rows |"
        " search: flips (mean cost), rows |"
    ]
    lines += ["|-|-|-|"]
    for name in ("logistic", "boosting", "lightgbm"):
        prepared = prepare(audit(table, folder, name, B, data={}), trust_code=True)
        x, y = rows_near(prepared, ART_ROWS)
        theirs = hop_skip_jump(prepared, folder / "models" / f"{name}.joblib", x, y)
        ours, bad = searched(prepared, "B", x, y)
        assert not bad
        mine = (
            f"{int(ours.fooled.sum())} ({float(ours.size[ours.fooled].mean()):.2f}),"
            f" {ours.forwards.double().mean():.0f}"
        )
        lines.append(f"| {name} | {theirs} | {mine} |")
    return lines


def hop_skip_jump(prepared: Prepared, file: Path, x: torch.Tensor, y: torch.Tensor) -> str:
    """Return what ART finds when it is told which encoded columns it may write, and what is left of it as rows of the
    table.
    """
    import joblib
    from art.attacks.evasion import HopSkipJump
    from art.estimators.classification import BlackBoxClassifier

    pipeline, tab = joblib.load(file), prepared.samples.schema
    assert tab is not None
    names = list(pipeline[0].get_feature_names_out())
    encoded = pipeline[0].transform(tab.frame(x.numpy())[[*NUMBERS, *WORDS]]).to_numpy().astype(np.float32)
    everyone = pipeline[0].transform(tab.frame(prepared.samples.load(range(3000)).x.numpy())[[*NUMBERS, *WORDS]])
    shown = 0

    def predict(rows: np.ndarray[Any, Any]) -> Any:
        nonlocal shown
        shown += len(rows)
        return pipeline[-1].predict_proba(
            everyone.iloc[:0]
            .reindex(range(len(rows)))
            .assign(**dict(zip(names, np.asarray(rows, dtype=float).T, strict=True)))
        )

    low, high = (found.to_numpy(dtype=np.float32) for found in (everyone.min(), everyone.max()))
    # a level that nobody has
    estimator = BlackBoxClassifier(predict, (len(names),), 2, clip_values=(low, np.where(high > low, high, low + 1)))
    mask = np.array([any(one == name or one.startswith(f"{name}_") for name in B) for one in names], dtype=np.float32)
    with redirect_stdout(io.StringIO()):
        found = HopSkipJump(estimator, max_iter=10, verbose=False).generate(
            encoded, mask=np.repeat(mask[None], len(encoded), 0)
        )
    rows_used, raw = shown / len(x), predict(found).argmax(1) != y.numpy()
    codes = decoded(prepared, pipeline, names, found, x)
    real = sum(
        bool(
            np.allclose(
                pipeline[0].transform(tab.frame(codes[k : k + 1])[[*NUMBERS, *WORDS]]).to_numpy(), found[k], atol=1e-4
            )
        )
        for k in np.flatnonzero(raw)
    )
    costs, decisions = [], prepared.classifier.decisions(torch.from_numpy(codes))  # type: ignore[attr-defined]
    for row, decision in enumerate(decisions.tolist()):
        before, after = (
            dict(zip(tab.names, tab.texts(one)[0], strict=True))
            for one in (x[row : row + 1].numpy(), codes[row : row + 1])
        )
        if (
            decision != int(y[row])
            and not rule_check.broken(tab, after)
            and not rule_check.forbidden(tab, before, after, writable=B)
        ):
            costs.append(rule_check.price_of_change(tab, before, after))
    return f"{int(raw.sum())}, {real}, {len(costs)} ({np.mean(costs) if costs else float('nan'):.2f}), {rows_used:.0f}"


def decoded(
    prepared: Prepared, pipeline: Any, names: list[str], found: np.ndarray[Any, Any], x: torch.Tensor
) -> np.ndarray[Any, Any]:
    """Return encoded points as the nearest rows of the table (n, columns): the strongest level, numbers rounded and cut
    to their limits.
    """
    table = prepared.samples.schema
    assert table is not None
    scaler, codes = pipeline[0].transformers_[0][1], x.numpy().copy()
    numbers = scaler.inverse_transform(found[:, [names.index(name) for name in NUMBERS]])
    for name in B:
        place, column = table.index[name], table.columns[table.index[name]]
        own = x[:, place].numpy()
        if column.numeric:
            value = np.round(numbers[:, NUMBERS.index(name)])
            codes[:, place] = np.clip(np.clip(value, own + column.least, own + column.most), column.low, column.high)
        else:
            places = [names.index(one) for one in names if one.startswith(f"{name}_")]
            best = found[:, places].argmax(1)
            codes[:, place] = [column.position[names[places[one]].removeprefix(f"{name}_")] for one in best]
    return codes


def invariance(table: Path, folder: Path) -> list[str]:
    """Return the three figures of a changed sex, as the fairness check measures them."""
    from auditor.engine.judge import judge
    from auditor.engine.run import run

    lines = [
        "| sex changed | from | to | figure | rows | infeasible | towards > 50 k | away | share changed |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    columns = {
        "sex": {"role": "protected"},
        "race": {"role": "protected"},
        "relationship": {"role": "proxy"},
        "marital_status": {"role": "proxy"},
    }
    for name in ("logistic", "lightgbm", "mlp"):
        prepared = prepare(
            audit(table, folder, name, columns, data={"groups": ["sex"]}), trust_code=True, only=["fairness"]
        )
        run(prepared, folder / f"invariance-{name}", fresh=True).close()
        finding = next(one for one in judge(folder / f"invariance-{name}") if one.id == "fairness/sex/invariance")
        for row in of_kind(finding.displays, Counterfactuals)[0].rows:
            share = f"{100 * row.estimate.value:.2f} %" if row.estimate else "-"
            lines.append(
                f"| {name} | {row.source} | {row.target} | {row.way} | {row.n} | {row.impossible} |"
                f" {row.up} | {row.down} | {share} |"
            )
        lines.append(f"| {name}: {finding.verdict} | | | {finding.claim} {finding.reason} | | | | | |")
    return lines


def scale(table: Path, folder: Path) -> list[str]:
    """Return seconds and peak memory of a full default audit of gradient boosting, on 10,000 and 16,000 rows."""
    lines = []
    columns = {
        "race": {"role": "protected"},
        "sex": {"role": "protected"},
        "relationship": {"role": "proxy"},
        "marital_status": {"role": "proxy"},
    }
    columns["native_country"], columns["age"] = {"role": "irrelevant"}, {"role": "protected"}
    for rows in (10_000, 16_000):
        file = audit(table, folder, "boosting", columns, rows=rows, data={"groups": ["sex", "race"]})
        command = ["auditor", "run", str(file), "--out", str(folder / f"scale-{rows}"), "--trust-code", "--fresh"]
        watch = (
            "import resource, subprocess, sys, json, time; t = time.time(); subprocess.run([sys.executable, '-m',"
            f" *{command!r}], capture_output=True); "
            + "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(json.dumps([time.time() - t, u.ru_utime +"
            " u.ru_stime, u.ru_maxrss / 1024]))"
        )
        wall, cpu, peak = json.loads(
            subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True).stdout
        )
        lines.append(f"{rows} rows: {wall:.0f} s wall, {cpu:.0f} s CPU, peak {peak:.0f} MB")
    return lines


PARTS = {"search": search, "art": art, "invariance": invariance, "scale": scale}


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
def main(table: Path, folder: Path, parts: tuple[str, ...]) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    for part in parts or PARTS:
        click.echo("\n".join(PARTS[part](table, folder)) + "\n")


if __name__ == "__main__":
    main()
