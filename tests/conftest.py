"""What tests share: one thread, repeatable hypothesis runs, data sets made of arrays, and a small study made of the
demonstration's images.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray

from auditor.modalities.images.demo.image import write_image_demo
from auditor.modalities.tables.table import ROLES, Table
from auditor.samples.samples import Loaded, Samples

torch.set_num_threads(1)  # tests are made of tiny tensors, where threads only wait for one another
settings.register_profile("auditor", deadline=None, max_examples=60, derandomize=True, database=None)
settings.load_profile("auditor")

SMALL = """
title: Small audit
model:
  source: timm
  name: resnet10t
  settings: {settings}
  weights: {name}.safetensors
  classes: [benign, malignant]
  input: {input}
data: {{manifest: manifest.csv, id: id, image: path, label: label, mask: mask, unit: patient_id, groups: [sex]}}
threat: {{norm: linf, epsilon: [4/255, 8/255], primary: 4/255}}
attack: {{name: pgd, settings: {{steps: 5}}}}
checks:
  exposure: {{zones: [outside, everywhere, control/0], samples: 10}}
  reliance: {{donors: 2}}
  fairness: {{minimum_group: 5}}
  attribution: {{methods: [saliency], samples: 30}}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the demonstration's data and two small audit files, honest.yaml and marker.yaml."""
    from auditor.modalities.images.demo.image import INPUT, SETTINGS

    folder = tmp_path_factory.mktemp("study")
    write_image_demo(folder)
    for name in ("honest", "marker"):
        (folder / f"{name}.yaml").write_text(SMALL.format(name=name, settings=SETTINGS, input=INPUT))
    return folder


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, *_):
        if name.split('.')[0] in ('torch', 'torchvision', 'timm', 'captum', 'sklearn', 'skops'):
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Block())
from auditor.cli.main import main
main()
"""


@pytest.fixture(scope="session")
def call_without_models() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function (arguments of `auditor`) -> how it ended in a process that cannot import what loads or explains
    models.
    """

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BLOCKED, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    return call


@pytest.fixture(scope="session")
def make_samples() -> Callable[..., Samples]:
    """Return function (x (n, *shape), y (n,), inside (n, *shape)) -> Samples; what they load is noted in `loaded`."""

    def make(
        x: NDArray[np.float32],
        y: Sequence[int],
        inside: NDArray[np.bool_],
        *,
        units: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        factors: Mapping[str, Sequence[str]] | None = None,
        levels: int | None = None,
        cache_bytes: int = 2**28,
        loaded: list[int] | None = None,
    ) -> Samples:
        ids = tuple(f"s{row:03d}" for row in range(len(x)))

        def load(row: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
            if loaded is not None:
                loaded.append(row)
            return x[row], inside[row]

        return Samples(
            ids=ids,
            y=tuple(y),
            units=tuple(units) or ids,
            groups={name: tuple(values) for name, values in (groups or {}).items()},
            shape=x.shape[1:],
            low=0.0,
            high=1.0,
            levels=levels,
            mask_share=tuple(float(mask.mean()) for mask in inside),
            digest="d",
            loader=load,
            factors={name: tuple(values) for name, values in (factors or {}).items()},
            cache_bytes=cache_bytes,
        )

    return make


@pytest.fixture(scope="session")
def make_table_samples() -> Callable[..., Samples]:
    """Return function (table, codes (n, columns), y (n,)) -> Samples of a table's rows; roles make the masks and the
    regions.
    """

    def make(
        table: Table,
        x: NDArray[np.float64],
        y: Sequence[int],
        *,
        units: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> Samples:
        ids = tuple(f"s{row:03d}" for row in range(len(x)))
        zones = {role: table.zone(role) for role in ROLES if role != "relevant" and table.zone(role).any()}
        inside = table.zone("relevant")
        return Samples(
            ids=ids,
            y=tuple(int(one) for one in y),
            units=tuple(units) or ids,
            groups={name: tuple(values) for name, values in (groups or {}).items()},
            shape=(len(table),),
            low=0.0,
            high=1.0,
            levels=None,
            mask_share=(float(inside.mean()) if zones else None,) * len(x),
            digest="d",
            loader=lambda row: Loaded(x[row], inside, zones),
            modality="table",
            regions={name: (float(zone.mean()),) * len(x) for name, zone in zones.items()},
            schema=table,
        )

    return make
