"""What a folder of images seems to hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from auditor.config.draft import MOST_GROUPS
from auditor.core.errors import AuditorError
from auditor.core.zones import usable_name
from auditor.modalities.images.masks import endings, open_mask
from auditor.modalities.images.masks.content import Wanted
from auditor.samples.manifest import IMAGE_ENDINGS
from auditor.samples.table_reader import read_table

_WEIGHTS = {".safetensors": "timm", ".pt": "torchscript", ".pth": "timm", ".onnx": "onnx", ".pt2": "exported"}
_ROLES = {
    "image": r"^(path|image|image_path|file|filename|img)$",
    "mask": r"^(mask|mask_path|segmentation|roi)$",
    "label": r"^(label|class|diagnosis|target|y)$",
    "unit": r"^(patient|patient_id|subject|subject_id|case|case_id)$",
    "id": r"^(id|sample|sample_id)$",
}
PEOPLE = r"(^|[^a-z])(sex|gender|age|race|ethnic|institution|site|hospital|scanner|device|skin)"


@dataclass(frozen=True)
class FolderContents:
    """What a folder seems to hold."""

    weights: str | None
    source: str
    manifest: str | None
    columns: dict[str, str]
    """Role -> column of the manifest."""
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    folder: str | None
    """Folder that holds one folder of images per class."""
    masks: Mapping[str, str] = field(default_factory=dict)
    """Name -> column of a further mask."""


def readable_table(path: Path) -> pd.DataFrame:
    """Return the table in a file; an empty one where the file is none."""
    table = _table(path)
    return pd.DataFrame() if table is None else table


def look(folder: Path) -> FolderContents:
    """Return what a folder seems to hold; only names, one table and the files of one of its rows are read."""
    weights = next(
        (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in _WEIGHTS and file.is_file()), None
    )
    source = _WEIGHTS[weights.suffix.lower()] if weights else "timm"
    name = str(weights.relative_to(folder)) if weights else None
    for manifest in sorted([*folder.glob("*.csv"), *folder.glob("*.parquet"), *folder.glob("*/*.csv")]):
        table = _table(manifest)
        if table is None:
            continue
        columns = manifest_roles(table)
        if "image" in columns:
            columns, masks = _marked(table, columns, manifest.parent)
            classes = tuple(sorted(set(table[columns["label"]].astype(str)))) if "label" in columns else ()
            return FolderContents(
                name, source, str(manifest.relative_to(folder)), columns, _groups(table, columns), classes, None, masks
            )
    for place in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        classes = tuple(
            sorted(
                one.name
                for one in place.iterdir()
                if one.is_dir() and any(file.suffix.lower() in IMAGE_ENDINGS for file in one.iterdir())
            )
        )
        if len(classes) > 1 and not set(classes) <= {"images", "masks"}:
            return FolderContents(name, source, None, {}, (), classes, str(place.relative_to(folder)))
    return FolderContents(name, source, None, {}, (), (), None)


def _table(path: Path) -> pd.DataFrame | None:
    """Return a table, or None where the file is none: a study's folder may hold anything."""
    try:
        return read_table(path).frame
    except AuditorError:
        return None


def manifest_roles(table: pd.DataFrame) -> dict[str, str]:
    """Return role -> column, as the columns' names and their first cells suggest."""
    columns = {
        role: column
        for role, pattern in _ROLES.items()
        for column in reversed(list(table.columns))
        if re.match(pattern, str(column), re.IGNORECASE)
    }
    if "image" not in columns and len(table):
        paths = [
            str(column) for column in table.columns if Path(str(table[column].iloc[0])).suffix.lower() in IMAGE_ENDINGS
        ]
        columns |= {"image": paths[0]} if paths else {}
    return columns


def _marked(table: pd.DataFrame, columns: dict[str, str], base: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the roles, with a main mask where there is any, and name -> column of the further masks."""
    taken = set(columns.values())
    free = [
        str(column)
        for column in table.columns
        if str(column) not in taken and _holds_masks(table, str(column), columns, base=base)
    ]
    if "mask" not in columns and free:
        columns = {**columns, "mask": free.pop(0)}
    masks: dict[str, str] = {}
    for column in free:
        short = re.sub(r"_?(mask|path)s?_?", "", column, flags=re.IGNORECASE)
        name = next((one for one in (short, column) if usable_name(one) and one not in masks), None)
        masks |= {name: column} if name else {}
    return columns, masks


def _holds_masks(table: pd.DataFrame, column: str, columns: dict[str, str], *, base: Path) -> bool:
    """Return whether the first file that a column names is a mask of its row's image: readable, and of two values where
    it is an image.
    """
    named = table[~table[column].astype(str).str.strip().isin(["", "nan"])]
    path = base / (str(named[column].iloc[0]).strip() if len(named) else "")
    try:
        if not path.name.lower().endswith(tuple(endings())) or not path.is_file():
            return False
        image = str(named[columns["image"]].iloc[0])
        sample = str(named[columns["id"]].iloc[0]) if "id" in columns else Path(image).with_suffix("").as_posix()
        open_mask(path, Wanted(sample, base / image, (1, 1)))
        return path.suffix.lower() not in IMAGE_ENDINGS or _two_valued(path)
    except (AuditorError, OSError, ValueError):
        return False


def _two_valued(path: Path) -> bool:
    with Image.open(path) as image:
        return image.getcolors(2) is not None


def _groups(table: pd.DataFrame, columns: dict[str, str]) -> tuple[str, ...]:
    taken = set(columns.values())
    free = [str(column) for column in table.columns if str(column) not in taken and table[column].nunique() > 1]
    people = [column for column in free if re.search(PEOPLE, column, re.IGNORECASE)]
    few = [column for column in people if table[column].nunique() <= MOST_GROUPS]
    # 'age' where there is 'age_band'
    banded = {column for column in people if any(other != column and other.startswith(column) for other in few)}
    return tuple(column for column in people if column in few or (column not in banded and _measurement(table[column])))


def _measurement(values: pd.Series[Any]) -> bool:
    """Return whether every known value is a number: such a column is compared in bands."""
    known = values[values.astype(str) != ""]
    return bool(len(known)) and bool(pd.to_numeric(known, errors="coerce").notna().all())
