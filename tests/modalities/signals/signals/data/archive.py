"""Signals, labels and masks in one NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from auditor.core.errors import DataError
from auditor.core.records import digest
from auditor.samples import data
from auditor.samples.samples import Samples


@data.register("signals", modality="signal")
def signals(base: Path, classes: tuple[str, ...], shape: tuple[int, ...] | None, *, file: str) -> Samples:
    """Signals of an archive (.npz): `x` (n, length) from 0 to 1, `y` (n,), and `inside` (length,) bool."""
    with np.load(base / file) as archive:
        x, y, inside = (archive[name] for name in ("x", "y", "inside"))
    if x[0].shape != shape:
        raise DataError(f"{base / file}: expected signals of shape {shape}, got {x[0].shape}.")
    names = tuple(f"s{row:03}" for row in range(len(x)))
    return Samples(
        ids=names,
        y=tuple(y.tolist()),
        units=names,
        groups={},
        shape=inside.shape,
        low=0.0,
        high=1.0,
        levels=None,
        mask_share=(float(inside.mean()),) * len(x),
        digest=digest((base / file).read_bytes()),
        loader=lambda row: (x[row], inside),
        modality="signal",
    )
