"""The files in sample_masks/, made by code: python -m auditor.modalities.images.demo.sample_masks FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from auditor.modalities.images.demo.image import write_pair
from auditor.modalities.images.demo.phantoms import Phantoms, phantoms

PAIRS, SEED = 5, 12

README = """\
# Sample masks

One of each mask format, with the image it belongs to. A mask is True (any value but 0) where the answer should be
looked for: here the lesion, with a narrow collar so that its outline lies inside. An audit never lets the attacker
touch it.

| image | class | marker | mask | lesion and collar |
|---|---|---|---|---|
{rows}

All are 64 x 64 pixels, 8-bit grey; the images are phantoms drawn by code. `{array}` holds the same mask as
`phantom_01_mask.png`, as a NumPy array of booleans (height, width). Made by
`python -m auditor.modalities.images.demo.sample_masks sample_masks`.
"""


def write_sample_masks(folder: Path) -> None:
    """Write image and mask pairs, one of the masks as a NumPy array too, and a README that describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = phantoms(PAIRS, seed=SEED, marker_given_class=0.5)
    array = "phantom_01_mask.npy"
    rows = [_write(folder, drawn, row, array=array if row == 0 else None) for row in range(PAIRS)]
    (folder / "README.md").write_text(README.format(rows="\n".join(rows), array=array), encoding="utf-8")


def _write(folder: Path, drawn: Phantoms, row: int, *, array: str | None) -> str:
    """Write one pair and return its line of the README's table."""
    image, mask = f"phantom_{row + 1:02d}.png", f"phantom_{row + 1:02d}_mask.png"
    write_pair(drawn, row, image=folder / image, mask=folder / mask)
    if array:
        np.save(folder / array, drawn.masks[row])
    files = f"`{mask}`, `{array}`" if array else f"`{mask}`"
    return (
        f"| `{image}` | {drawn.classes[drawn.labels[row]]} | {'yes' if drawn.marker[row] else 'no'} | {files} |"
        f" {drawn.masks[row].mean():.1%} of the image |"
    )


if __name__ == "__main__":
    write_sample_masks(Path(sys.argv[1]))
