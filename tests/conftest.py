"""What tests share: one thread, repeatable hypothesis runs, data sets made of arrays, and a small study made of the
demonstration's images.
"""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:  # the process that only hands out tests reads this file too, and torch takes seconds to load
    import numpy as np
    from numpy.typing import NDArray

    from auditor.modalities.tables.table import Table
    from auditor.samples.samples import Samples

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
  exposure: {{zones: [outside, everywhere, control/0], samples: 4}}
  reliance: {{donors: 2}}
  fairness: {{minimum_group: 5, targeted_harm: {harm}}}
  attribution: {{methods: [saliency], samples: 30}}
  attack_quality: {quality}
"""
LIMIT = 40
"""Samples of the audit that many tests share: more than one chunk."""
SHARED = {"audited": "audited", "ran": "audited", "rendered": "report", "full": "report", "bare": "report"}
"""Costly fixture -> group of the tests that use it, from whatever file; a group stays in one process, so that its
fixture is made once.
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file, or of a costly fixture, in one process; those marked `slow` come last, whole audits
    first among them.
    """
    for item in items:
        shared = [name for name in getattr(item, "fixturenames", ()) if name in SHARED]
        group = SHARED[shared[0]] if shared else item.path.stem
        if group == "audited" or "rendered" in shared:
            item.add_marker("slow")
        slow = item.get_closest_marker("slow") is not None
        item.add_marker(pytest.mark.xdist_group(f"{group}-slow" if slow else group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    (group,) = item.get_closest_marker("xdist_group").args  # type: ignore[union-attr]
    return 0 if item.get_closest_marker("slow") is None else 1 if group == "audited-slow" else 2


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keep torch to one thread: tests are made of tiny tensors, where threads only wait for one another."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def no_old_garbage() -> None:
    """Set aside all that is loaded by now: statsmodels collects garbage at every correction of p-values, which took
    longer than many a test.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the demonstration's data and two small audit files: honest.yaml has every check, marker.yaml
    those that cost little.
    """
    from auditor.modalities.images.demo.image import INPUT, NETWORK_SETTINGS, write_image_demo

    folder = tmp_path_factory.mktemp("study")
    write_image_demo(folder)
    for name, harm, quality in (("honest", "true", "{samples: 10, queries: 60}"), ("marker", "false", "false")):
        (folder / f"{name}.yaml").write_text(
            SMALL.format(name=name, settings=NETWORK_SETTINGS, input=INPUT, harm=harm, quality=quality)
        )
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
def ran(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return the output folder of a whole audit of marker.yaml by the command line, and how that ended; tests change
    copies of it alone.
    """
    out = tmp_path_factory.mktemp("audited") / "out"
    call = [
        sys.executable,
        "-m",
        "auditor",
        "run",
        str(study / "marker.yaml"),
        "--out",
        str(out),
        "--limit",
        str(LIMIT),
    ]
    return out, subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def audited(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """Return the output folder of that audit."""
    out, ended = ran
    assert ended.returncode in (0, 1), ended.stderr
    return out


@pytest.fixture
def copy(audited: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder, for a test to change."""
    return Path(shutil.copytree(audited, tmp_path / "copy"))


@pytest.fixture(scope="session")
def make_samples() -> Callable[..., Samples]:
    """Return function (x (n, *shape), y (n,), inside (n, *shape)) -> Samples; what they load is noted in `loaded`."""
    from auditor.samples.samples import Samples

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
    from auditor.modalities.tables.table import ROLES
    from auditor.samples.samples import Loaded, Samples

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
