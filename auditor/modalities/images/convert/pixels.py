"""Masks as pixels: pictures, arrays, NIfTI, NRRD, DICOM segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auditor.core.errors import DataError
from auditor.modalities.images.convert.marked import Marked
from auditor.modalities.images.masks.reading_files import needed


def write_pictures(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one PNG for each sample: 255 where it is marked; several structures are labels from 1, which may not
    overlap.
    """
    from PIL import Image

    files = []
    for one in samples:
        file = one.file(folder, ".png")
        Image.fromarray(_labels(one, "picture") if len(one.structures) > 1 else _only(one) * np.uint8(255)).save(file)
        files.append(file)
    return files


def _only(one: Marked) -> np.ndarray:
    return next(iter(one.structures.values())).astype(np.uint8)


def _labels(one: Marked, format: str) -> np.ndarray:
    """Return the number of the structure at each pixel, from 1 (DataError: two share a pixel)."""
    labels = np.zeros(one.size, dtype=np.uint8)
    for number, (name, mask) in enumerate(one.structures.items(), 1):
        if (labels[mask] > 0).any():
            raise DataError(
                f"sample '{one.sample}': expected structures that do not overlap for the format '{format}', got"
                f" '{name}' over another one; use npy or geojson."
            )
        labels[mask] = number
    return labels


def write_arrays(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one .npz file for each sample, with an array for each structure."""
    files = []
    for one in samples:
        file = one.file(folder, ".npz")
        np.savez_compressed(file, **dict(one.structures))  # type: ignore[arg-type]
        files.append(file)
    return files


def write_nifti(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one NIfTI label map for each sample, of one slice, x to the patient's left and y to the back."""
    nibabel = needed("nibabel", "masks", folder)
    files = []
    for one in samples:
        file = one.file(folder, ".nii.gz")
        labels = _labels(one, "nifti").T[..., None]
        nibabel.save(nibabel.Nifti1Image(labels, np.diag([-1.0, -1.0, 1.0, 1.0])), file)
        files.append(file)
    return files


def write_nrrd(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one segmentation of 3D Slicer (.seg.nrrd) for each sample, of one slice; structures may overlap."""
    nrrd = needed("nrrd", "masks", folder)
    files = []
    for one in samples:
        header: dict[str, Any] = {"space": "left-posterior-superior", "kinds": ["list", "domain", "domain", "domain"]}
        header |= {"space directions": np.vstack([np.full((1, 3), np.nan), np.eye(3)]), "space origin": np.zeros(3)}
        for number, name in enumerate(one.structures):
            header |= {f"Segment{number}_Name": name, f"Segment{number}_Layer": str(number)}
            header |= {f"Segment{number}_LabelValue": "1", f"Segment{number}_ID": f"Segment_{number + 1}"}
        layers = np.stack([mask.T[..., None].astype(np.uint8) for mask in one.structures.values()])
        file = one.file(folder, ".seg.nrrd")
        nrrd.write(str(file), layers, header)
        files.append(file)
    return files
