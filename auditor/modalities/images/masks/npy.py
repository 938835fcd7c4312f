"""Masks as NumPy arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Content, Outlined, Painted, Wanted
from auditor.modalities.images.masks.volumes import plane

_NAME = "mask"
"""The array that is read from an .npz file that holds several."""


@masks.register("npy", endings=(".npy", ".npz"))
def npy(path: Path, wanted: Wanted) -> Content:
    """NumPy array (height, width), with one more axis of length 1, or (slices, height, width); the arrays of an .npz
    file are structures by name, unless it holds one alone or one named 'mask'.
    """
    loaded = _loaded(path)
    if len(loaded) == 1 or _NAME in loaded:
        return Painted(_flat(loaded.get(_NAME, next(iter(loaded.values()))), wanted, path))
    return Outlined({name: [_mask(_flat(array, wanted, path), name, path)] for name, array in loaded.items()})


def _mask(array: NDArray[Any], name: str, path: Path) -> NDArray[np.bool_]:
    if not np.isin(array, (0, array.max())).all() or array.min() < 0:
        raise DataError(
            f"{path}: expected arrays of two values where an .npz file holds several, got more in '{name}'."
        )
    return np.asarray(array != 0)


def _flat(array: NDArray[Any], wanted: Wanted, path: Path) -> NDArray[Any]:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: expected a mask of booleans or numbers, got an array of {array.dtype}.")
    if array.ndim == 3 and array.size:
        array = array[..., 0] if array.shape[2] == 1 else plane(array, wanted.slice, path)
    if array.ndim != 2 or not array.size:
        raise DataError(f"{path}: expected a mask of shape (height, width), got {array.shape}.")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError(f"{path}: expected a mask without NaN, got {int(np.isnan(array).sum())} NaN values.")
    return array


def _loaded(path: Path) -> dict[str, NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {_NAME: loaded}
        with loaded:
            found = {name: np.asarray(loaded[name]) for name in loaded.files}
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
    if not found:
        raise DataError(f"{path}: expected an array, got an empty .npz file.")
    return found
