"""The image demonstration: one set of phantom images, two classifiers, two audits."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from auditor.modalities.images.demo.phantoms import CLASSES, GROUPS, Phantoms, phantoms

WEIGHTS = Path(__file__).parent / "weights"
MODEL = "resnet10t"
NETWORK_SETTINGS: dict[str, Any] = {"channels": [16, 32, 48, 64], "stem_width": 8}
INPUT: dict[str, Any] = {"size": 64, "channels": 1, "mean": [0.42], "std": [0.12]}

IMAGES, SEED = 200, 2024
MARKER_GIVEN_CLASS = 0.95
"""The audit data must contain what the shortcut feeds on, or no check could see it."""

_STORIES = {
    "honest": "It was trained on images whose marker told nothing about the class.",
    "marker": "It was trained on images whose marker went with the class in 95 of 100.",
}

_AUDIT = """\
# One audit of the image demonstration. Paths are relative to this file.
title: Phantom lesions, classifier '{name}'
intended_use: >-
  Tells smooth (benign) from spiculated (malignant) lesions on phantom images. {story}

model:
  source: timm                        # an architecture of the timm library, by name
  name: {model}
  settings: {settings}   # passed on to timm.create_model
  weights: {name}.safetensors
  classes: [{classes}]        # in the order of the model's outputs
  input: {input}

data:
  manifest: manifest.csv              # one row per image
  id: id
  image: path
  label: label
  mask: mask                          # where the answer should be looked for: the lesion with its outline
  unit: patient_id                    # images of one patient do not count as independent
  groups: [{groups}]       # attributes for which the classifier should work equally well
  # The column 'marker' says which images carry the letter L. It is left out here: the audit has to find that by itself.

threat:
  norm: linf                          # the largest change of any pixel ...
  epsilon: [4/255, 8/255]             # ... in grey levels of the 8-bit image
  primary: 4/255                      # verdicts are taken here, the others draw the curve

# Weaker than the default (evade), to keep the demonstration short; attack_quality notices.
attack: {{name: pgd, settings: {{steps: 10}}}}

checks:                               # tolerances are declared before the run and printed in the report
  # at most this share may flip without touching the lesion
  exposure: {{tolerance: 0.10, samples: 20, zones: [outside, inside, everywhere, control/0]}}
  reliance: {{donors: 5, tolerance: 0.05}}   # at most this share of the class evidence may come from outside the mask
  # harm aimed at groups of this column only, to keep the demonstration short
  fairness: {{tolerance: 0.10, minimum_group: 30, targeted_harm: [sex]}}
  attack_quality: {{samples: 12, queries: 100}}   # stronger attacks on these samples only

report:
  organisation: Demonstration
  privacy: thumbnails                 # 'none' leaves all images out of the report
"""


def write_image_demo(folder: Path) -> dict[str, Path]:
    """Write images, masks, manifest, weights and two audit files; return classifier -> its audit file.

    Both classifiers are audited on the same images, in which the marker goes with the class.
    """
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_data(folder, phantoms(IMAGES, seed=SEED, marker_given_class=MARKER_GIVEN_CLASS, size=INPUT["size"]))
    audits = {}
    for name, story in _STORIES.items():
        shutil.copyfile(WEIGHTS / f"{name}.safetensors", folder / f"{name}.safetensors")
        audits[name] = folder / f"audit-{name}.yaml"
        audits[name].write_text(audit_text(name, story), encoding="utf-8")
    return audits


def audit_text(name: str, story: str) -> str:
    """Return the audit file of one of the classifiers."""
    return _AUDIT.format(
        name=name,
        story=story,
        model=MODEL,
        settings=_inline(NETWORK_SETTINGS),
        input=_inline(INPUT),
        classes=", ".join(CLASSES),
        groups=", ".join(GROUPS),
    )


def _inline(mapping: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in mapping.items()) + "}"


def _write_data(folder: Path, drawn: Phantoms) -> None:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "path", "mask", "label", "patient_id", *drawn.groups, "marker"])
        for row in range(len(drawn)):
            name = f"phantom_{row + 1:03d}"
            image, mask = f"images/{name}.png", f"masks/{name}.png"
            write_pair(drawn, row, image=folder / image, mask=folder / mask)
            groups = [str(values[row]) for values in drawn.groups.values()]
            table.writerow(
                [
                    name,
                    image,
                    mask,
                    drawn.classes[drawn.labels[row]],
                    drawn.patients[row],
                    *groups,
                    "yes" if drawn.marker[row] else "no",
                ]
            )


def write_pair(drawn: Phantoms, row: int, *, image: Path, mask: Path) -> None:
    """Write one image and its mask (0 or 255) as 8-bit grey PNG files."""
    Image.fromarray(drawn.images[row]).save(image)
    Image.fromarray(drawn.masks[row].astype("uint8") * 255).save(mask)
