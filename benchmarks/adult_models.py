"""Five models of the Adult census table (UCI), trained on its raw columns: what the search for flips is measured on.

Run: python benchmarks/adult_models.py ADULT.csv.gz FOLDER
The table has the columns of the UCI file, `income_gt_50k` (0 or 1) and `split` (train or test).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
WORDS = ["workclass", "marital_status", "occupation", "relationship", "race", "sex", "native_country"]
LABEL, MISSING = "income_gt_50k", "?"
NAMES = ("logistic", "forest", "boosting", "lightgbm", "mlp")


def read(table: Path, split: str) -> pd.DataFrame:
    """Return one part of the table; what is missing is a level of its own, as the UCI file writes it."""
    frame = pd.read_csv(table)
    return frame[frame["split"] == split].fillna(dict.fromkeys(WORDS, MISSING)).reset_index(drop=True)


def estimator(name: str) -> Any:
    """Return the last step of one of the four scikit-learn pipelines."""
    if name == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=200, num_leaves=31, learning_rate=0.05, random_state=0, verbose=-1, n_jobs=1)
    return {
        "logistic": LogisticRegression(max_iter=2000),
        "forest": RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1),
        "boosting": GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0),
    }[name]


def encoder() -> Any:
    """Return what turns raw rows into numbers, inside the pipeline."""
    return make_column_transformer(
        (StandardScaler(), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float64), WORDS),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def train_mlp(train: pd.DataFrame, file: Path) -> dict[str, Any]:
    """Train a torch network on standardised and one-hot columns, save it as TorchScript, and return how rows are
    encoded for it.
    """
    torch.manual_seed(0)
    means, stds = train[NUMBERS].mean(), train[NUMBERS].std()
    levels = {word: sorted(train[word].unique()) for word in WORDS}
    parts = [
        torch.tensor(((train[name] - means[name]) / stds[name]).to_numpy(), dtype=torch.float32)[:, None]
        for name in NUMBERS
    ]
    parts += [
        torch.tensor(np.stack([train[word] == level for level in levels[word]], 1), dtype=torch.float32)
        for word in WORDS
    ]
    x, y = torch.cat(parts, 1), torch.tensor(train[LABEL].to_numpy())
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
    optimiser = torch.optim.Adam(net.parameters(), 2e-3, weight_decay=1e-4)
    for _ in range(6):
        for rows in torch.randperm(len(x)).split(256):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()
    torch.jit.trace(net.eval(), x[:2]).save(str(file))
    numbers: dict[str, Any] = {name: {"mean": float(means[name]), "std": float(stds[name])} for name in NUMBERS}
    return {**numbers, **{word: {"levels": found} for word, found in levels.items()}}


def train_all(table: Path, folder: Path) -> dict[str, Any]:
    """Train what FOLDER does not hold yet; return name -> what an audit file says of each model."""
    folder.mkdir(parents=True, exist_ok=True)
    train = read(table, "train")
    declared: dict[str, Any] = {}
    for name in NAMES[:-1]:
        file = folder / f"{name}.joblib"
        if not file.exists():
            pipeline: Pipeline = make_pipeline(encoder(), estimator(name)).fit(train[[*NUMBERS, *WORDS]], train[LABEL])
            joblib.dump(pipeline, file)
        declared[name] = {"source": "sklearn", "path": str(file.resolve())}
    file, columns = folder / "mlp.pt", folder / "mlp.json"
    if not (file.exists() and columns.exists()):
        columns.write_text(json.dumps(train_mlp(train, file)))
    declared["mlp"] = {
        "source": "torchscript",
        "path": str(file.resolve()),
        "classes": ["0", "1"],
        "input": {"columns": json.loads(columns.read_text())},
    }
    return declared


@click.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(table: Path, folder: Path) -> None:
    """Train and say how accurate the models are on the test split."""
    from auditor.models.load import load_classifier

    test = read(table, "test")
    for name, declared in train_all(table, folder).items():
        model = load_classifier(declared.pop("path"), declared.pop("source"), trust_code=True, **declared)
        right = model.decisions(test[[*NUMBERS, *WORDS]]).numpy() == test[LABEL].to_numpy()
        click.echo(f"{name}: {right.mean():.3f} of {len(test)} right")


if __name__ == "__main__":
    main()
