"""A first audit.yaml from what lies in a folder; what cannot be told is left for the expert, marked FILL IN."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from auditor.config.draft import MOST_GROUPS, drafts, quoted, yaml_list
from auditor.core.errors import AuditorError
from auditor.core.zones import usable_name
from auditor.modalities.images.data.pixels import decode, read_bytes
from auditor.modalities.images.masks import endings
from auditor.modalities.images.masks import read as read_mask

_WEIGHTS = {".safetensors": "timm", ".pt": "torchscript", ".pth": "timm", ".onnx": "onnx", ".pt2": "exported"}
_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
_ROLES = {
    "image": r"^(path|image|image_path|file|filename|img)$",
    "mask": r"^(mask|mask_path|segmentation|roi)$",
    "label": r"^(label|class|diagnosis|target|y)$",
    "unit": r"^(patient|patient_id|subject|subject_id|case|case_id)$",
    "id": r"^(id|sample|sample_id)$",
}
PEOPLE = r"(^|[^a-z])(sex|gender|age|race|ethnic|institution|site|hospital|scanner|device|skin)"
ACQUIRED = r"(^|[^a-z])(institution|site|hospital|scanner|device)"


@dataclass(frozen=True)
class _Found:
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


@drafts.register(
    "images",
    order=1,
    wanted="a manifest (CSV or Parquet with a column of image paths), one folder of images per class",
)
def images_draft(place: Path) -> str | None:
    """Draft an audit of images: of a manifest, or of one folder per class."""
    if place.is_file() and "image" not in _roles(_readable(place)):
        return None
    found = look(place if place.is_dir() else place.parent)
    return None if found.manifest is None and found.folder is None else _text(found)


def _readable(path: Path) -> pd.DataFrame:
    table = _table(path)
    return pd.DataFrame() if table is None else table


def look(folder: Path) -> _Found:
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
        columns = _roles(table)
        if "image" in columns:
            columns, masks = _marked(table, columns, manifest.parent)
            classes = tuple(sorted(set(table[columns["label"]].astype(str)))) if "label" in columns else ()
            return _Found(
                name, source, str(manifest.relative_to(folder)), columns, _groups(table, columns), classes, None, masks
            )
    for place in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        classes = tuple(
            sorted(
                one.name
                for one in place.iterdir()
                if one.is_dir() and any(file.suffix.lower() in _IMAGES for file in one.iterdir())
            )
        )
        if len(classes) > 1 and not set(classes) <= {"images", "masks"}:
            return _Found(name, source, None, {}, (), classes, str(place.relative_to(folder)))
    return _Found(name, source, None, {}, (), (), None)


def _table(path: Path) -> pd.DataFrame | None:
    """Return a table, or None where the file is none: a study's folder may hold anything."""
    try:
        return (
            pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str, keep_default_na=False)
        )
    except (OSError, ValueError):
        return None


def _roles(table: pd.DataFrame) -> dict[str, str]:
    columns = {
        role: column
        for role, pattern in _ROLES.items()
        for column in reversed(list(table.columns))
        if re.match(pattern, str(column), re.IGNORECASE)
    }
    if "image" not in columns and len(table):
        paths = [str(column) for column in table.columns if Path(str(table[column].iloc[0])).suffix.lower() in _IMAGES]
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
        read_mask(path, sample=sample, size=decode(read_bytes(base / image), base / image).size)
        return path.suffix.lower() not in _IMAGES or _two_valued(path)
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


def _text(found: _Found) -> str:
    """Return the text of a commented audit.yaml."""
    classes = (
        yaml_list(found.classes) if found.classes else "[]   # FILL IN: class names in the order of the model's outputs"
    )
    order = "   # check: this must be the order of the model's outputs" if found.classes else ""
    lines = [
        "# What is audited, by whom it is read, and what counts as too much: decide before the run.",
        "title: Audit of my classifier",
        'intended_use: ""   # one sentence: who uses the answer, and for what',
        "model:",
        f"  source: {found.source}   # timm, torchscript, exported, onnx, python (see `auditor list models`)",
        (
            "  weights:"
            f" {quoted(found.weights) if found.weights else 'model.safetensors   # FILL IN: no model file was found'}"
        ),
    ]
    if found.source == "timm":
        lines += ["  name: resnet18   # FILL IN: the architecture's name in timm"]
    lines += [f"  classes: {classes}{order}"]
    lines += [
        "  input: {size: 224, channels: 3, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}   # FILL IN: as in"
        " training, in units of [0, 1]"
    ]
    lines += [
        "  # in input, what the deployed system does first, if anything: preprocess: [{median: 3}, {jpeg: 75}, {round:"
        " 16}]; beside it, if random: draws: 16"
    ]
    lines += ["data:", *_data(found)]
    lines += [
        "threat:",
        "  norm: linf",
        "  epsilon: [1/255, 2/255, 4/255, 8/255]   # largest change of any grey value, as a share of the range",
        "  primary: 2/255   # verdicts are taken here, the others draw the curve",
        "checks:   # tolerances; a check that is not named runs with its defaults, `name: false` leaves it out",
        "  exposure: {tolerance: 0.10}      # share of correct predictions that may flip through the background",
        "  reliance: {tolerance: 0.05}      # share of the class evidence that may come from outside the mask",
        (
            "  fairness: {tolerance: 0.10, minimum_group: 30}   # measurements are compared in quarters, or in `bands:"
            " {age: [40, 60]}`"
        ),
        "  attribution: {methods: [integrated_gradients, saliency]}",
        (
            'report: {organisation: "", reviewer: "", privacy: thumbnails}   # privacy: none leaves images out of the'
            " report"
        ),
        "seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _data(found: _Found) -> list[str]:
    if found.folder is not None:
        return [
            f"  folder: {quoted(found.folder)}   # one folder per class",
            "  # mask: masks   # folder with the same file names: where the answer should be looked for",
        ]
    lines = [f"  manifest: {quoted(found.manifest or '')}", f"  image: {quoted(found.columns['image'])}"]
    lines += [
        (
            f"  label: {quoted(found.columns['label'])}"
            if "label" in found.columns
            else "  label: label   # FILL IN: the column with the class"
        )
    ]
    check = "   # check: the one where the answer should be looked for" if found.masks else ""
    lines += [
        (
            f"  mask: {quoted(found.columns['mask'])}{check}"
            if "mask" in found.columns
            else "  # mask: mask   # column with mask files; without masks only fairness and attribution can be judged"
        )
    ]
    lines += [
        (
            f"  unit: {quoted(found.columns['unit'])}"
            if "unit" in found.columns
            else "  # unit: patient_id   # column saying which samples belong together"
        )
    ]
    if found.masks:
        pairs = ", ".join(f"{quoted(name)}: {quoted(column)}" for name, column in found.masks.items())
        lines += [f"  masks: {{{pairs}}}   # further masks: zones that `checks.exposure.zones: [named]` attacks"]
    if "id" in found.columns:
        lines += [f"  id: {quoted(found.columns['id'])}"]
    lines += [
        (
            f"  groups: {yaml_list(found.groups)}"
            if found.groups
            else "  # groups: [sex, age_band]   # columns to compare people by"
        )
    ]
    factors = [name for name in found.groups if re.search(ACQUIRED, name, re.IGNORECASE)] or ["site", "scanner"]
    lines += [f"  # factors: {yaml_list(factors)}   # how samples were acquired: does the model read that? (reliance)"]
    return [*lines, "  # where: {fold: [0]}   # use only some rows"]
