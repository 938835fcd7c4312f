"""Masks as NumPy arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks import masks

_NAME = "mask"
"""The array that is read from an .npz file that holds several."""


@masks.register("npy", endings=(".npy", ".npz"))
def npy(path: Path, _sample: str, _size: tuple[int, int]) -> Mask:
    """NumPy array (.npy; .npz with one array, or one named 'mask'), (height, width) or with one more axis of length 1:
    True where not 0.
    """
    array = _array(path)
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: expected a mask of booleans or numbers, got an array of {array.dtype}.")
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[..., 0] if array.shape[2] == 1 else array[0]
    if array.ndim != 2 or not array.size:
        raise DataError(f"{path}: expected a mask of shape (height, width), got {array.shape}.")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError(f"{path}: expected a mask without NaN, got {int(np.isnan(array).sum())} NaN values.")
    return np.asarray(array != 0)


def _array(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = list(loaded.files)
            if _NAME not in names and len(names) != 1:
                raise DataError(f"{path}: expected one array or one named '{_NAME}', got {', '.join(names) or 'none'}.")
            return np.asarray(loaded[_NAME if _NAME in names else names[0]])
    except FileNotFoundError:
        raise DataError(f"{path}: expected a mask, got: no such file.") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(
                f"{path}: expected a mask of booleans or numbers, got Python objects, whose loading could run code."
            ) from None
        raise DataError(
            f"{path}: expected a whole NumPy array, got: {str(error).strip().splitlines()[0].rstrip('.')}."
        ) from None
