"""A first audit.yaml from what lies in a folder; what cannot be told is left for the expert, marked FILL IN."""

from __future__ import annotations

import re
from pathlib import Path

from auditor.config.draft import drafts, quoted, yaml_list
from auditor.modalities.images.draft.look import FolderContents, look, manifest_roles, readable_table

ACQUIRED = r"(^|[^a-z])(institution|site|hospital|scanner|device)"
_JUDGED = (
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
    ('report: {organisation: "", reviewer: "", privacy: thumbnails}   # privacy: none leaves images out of the report'),
    "seed: 0",
)
"""What an attacker may do, and what is held against which tolerance."""


@drafts.register(
    "images",
    order=1,
    wanted="a manifest (CSV or Parquet with a column of image paths), one folder of images per class",
)
def images_draft(place: Path) -> str | None:
    """Draft an audit of images: of a manifest, or of one folder per class."""
    if place.is_file() and "image" not in manifest_roles(readable_table(place)):
        return None
    found = look(place if place.is_dir() else place.parent)
    return None if found.manifest is None and found.folder is None else _text(found)


def _text(found: FolderContents) -> str:
    """Return the text of a commented audit.yaml."""
    lines = [
        "# What is audited, by whom it is read, and what counts as too much: decide before the run.",
        "title: Audit of my classifier",
        'intended_use: ""   # one sentence: who uses the answer, and for what',
        *_model(found),
        "data:",
        *_data(found),
        *_JUDGED,
    ]
    return "\n".join(lines) + "\n"


def _model(found: FolderContents) -> list[str]:
    classes = (
        yaml_list(found.classes) if found.classes else "[]   # FILL IN: class names in the order of the model's outputs"
    )
    order = "   # check: this must be the order of the model's outputs" if found.classes else ""
    lines = [
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
    return lines


def _data(found: FolderContents) -> list[str]:
    if found.folder is not None:
        return [
            f"  folder: {quoted(found.folder)}   # one folder per class",
            "  # mask: masks   # folder with the same file names: where the answer should be looked for",
        ]
    lines = [f"  manifest: {quoted(found.manifest or '')}", f"  image: {quoted(found.columns['image'])}"]
    lines += [_column(found, "label", otherwise="  label: label   # FILL IN: the column with the class")]
    check = "   # check: the one where the answer should be looked for" if found.masks else ""
    otherwise = "  # mask: mask   # column with mask files; without masks only fairness and attribution can be judged"
    lines += [_column(found, "mask", remark=check, otherwise=otherwise)]
    lines += [_column(found, "unit", otherwise="  # unit: patient_id   # column saying which samples belong together")]
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


def _column(found: FolderContents, name: str, *, remark: str = "", otherwise: str) -> str:
    """Return the line that names a column, or another where none was found."""
    return f"  {name}: {quoted(found.columns[name])}{remark}" if name in found.columns else otherwise
