"""File -> boolean mask: one file per format, chosen by the file's ending.

A format is a function (path) -> bool array (height, width), True where the answer should be looked for, registered with
the endings it reads: `@masks.register("png", endings=(".png", ".tif"))`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.core.registry import Registry

masks: Registry[Callable[[Path], NDArray[np.bool_]]] = Registry("mask format", __name__)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return the mask (height, width) in a file (DataError: the ending is not known, or the file cannot be read)."""
    for entry in masks:
        if path.suffix.lower() in entry.facts["endings"]:
            return entry.make(path)
    known = sorted(ending for entry in masks for ending in entry.facts["endings"])
    raise DataError(f"{path}: expected a mask file ending in {', '.join(known)}, got '{path.suffix}'.")
