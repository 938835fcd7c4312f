"""A small trained network and its files, and a small table, for every test of loading."""

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor, nn

from auditor.modalities.tables.table import Column, Table
from auditor.models.torchvision import ensure_torchvision


class Net(nn.Module):
    """A convolution with batch normalisation and dropout, so that training mode would show."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Dropout(0.5))
        self.head = nn.Linear(4 * 64, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(x.reshape(x.shape[0], -1))


def save_script(net: nn.Module, file: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(net).save(str(file))
    return file


def save_program(net: nn.Module, file: Path, *, rows: int, free: bool) -> Path:
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.rand(rows, 1, 10, 10),), dynamic_shapes=shapes), file)
    return file


def save_onnx(net: nn.Module, file: Path, *, rows: int, free: bool, **options: Any) -> Path:
    pytest.importorskip("onnxruntime")
    ensure_torchvision()
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, (torch.rand(rows, 1, 10, 10),), dynamo=True, verbose=False, dynamic_shapes=shapes, **options
        )
        assert program is not None
        program.save(str(file))
    return file


FILES: dict[str, Callable[[nn.Module, Path], Path]] = {
    "torchscript": lambda net, folder: save_script(net, folder / "net.pt"),
    "exported": lambda net, folder: save_program(net, folder / "net.pt2", rows=2, free=True),
    "exported, batches of 3": lambda net, folder: save_program(net, folder / "net.pt2", rows=3, free=False),
    "onnx": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=2, free=True),
    "onnx, batch of one": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=1, free=False),
    "onnx, opset 18": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=2, free=True, opset_version=18),
}


@pytest.fixture
def net() -> Net:
    net = Net()
    net(torch.rand(16, 1, 10, 10))  # running statistics that are not the initial ones
    return net.eval()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, nn.Module], Path]:
    """Return the function that writes a module as one of FILES."""
    return lambda kind, module: FILES[kind](module, tmp_path)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """Return the weights of a timm architecture for grey images and two classes."""
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    return dict(
        timm.create_model("resnet10t", in_chans=1, num_classes=2, channels=[8, 8, 8, 8], stem_width=8).state_dict()
    )


def people(n: int = 300, seed: int = 0, *, missing: bool = True) -> pd.DataFrame:
    """Return made-up applicants as a reader of a CSV gives them: integers, reals with gaps, texts with gaps, booleans,
    numbers as levels.
    """
    rng = np.random.default_rng(seed)
    gaps = rng.random((2, n)) < (0.1 if missing else 0.0)
    file = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "hours": np.where(gaps[0], np.nan, np.round(rng.normal(40, 9, n), 1)),
            "job": np.where(gaps[1], None, rng.choice(["clerk", "nurse", "smith"], n)),
            "owns": rng.random(n) < 0.5,
            "shift": rng.integers(1, 4, n),
        }
    ).to_csv(index=False)
    return pd.read_csv(io.StringIO(file))


def hired(frame: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Return a class for each applicant that depends on every column."""
    score = (
        frame["age"] / 20
        + 0.05 * frame["hours"].fillna(40)
        + (frame["job"] == "nurse")
        - frame["owns"]
        + 0.4 * frame["shift"]
    )
    return np.where(score + np.random.default_rng(seed).normal(0, 0.5, len(frame)) > 5, "yes", "no")


def encoder() -> Any:
    """Return what stands before most of the estimators: a scaler of numbers, one-hot levels."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer(
        (numbers, ["age", "hours"]), (OneHotEncoder(handle_unknown="ignore"), ["job", "owns", "shift"])
    )


def applicants(frame: pd.DataFrame, **changed: Any) -> Table:
    """Return the table of `people`, with the ranges seen."""
    columns = [
        Column("age", "integer", dtype="int64", low=18, high=79),
        Column(
            "hours",
            "real",
            dtype="float64",
            low=float(frame["hours"].min()),
            high=float(frame["hours"].max()),
            step=0.1,
            missing=int(frame["hours"].isna().sum()),
        ),
        Column(
            "job",
            "categorical",
            levels=("clerk", "nurse", "smith"),
            allowed=(0, 1, 2),
            missing=int(frame["job"].isna().sum()),
        ),
        Column("owns", "boolean", levels=("False", "True"), dtype="bool", allowed=(0, 1)),
        Column("shift", "ordinal", levels=("1", "2", "3"), dtype="int64", allowed=(0, 1, 2)),
    ]
    return Table(tuple(replace(column, **changed.get(column.name, {})) for column in columns))


def codes(table: Table, frame: pd.DataFrame) -> Tensor:
    """Return a frame's rows as the table's codes."""
    return torch.from_numpy(
        table.codes(
            [
                ["" if pd.isna(cell) else str(cell) for cell in row]
                for row in frame[list(table.names)].itertuples(index=False)
            ]
        )
    )


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """Return what makes the small table and models of it."""
    return SimpleNamespace(people=people, hired=hired, encoder=encoder, table=applicants, codes=codes)
