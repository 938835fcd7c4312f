"""Images that are there more than once: equal files are one picture, however many samples they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.samples.manifest import ManifestRow

_NAMED = 3
"""Most copies that a note names."""


def units_of(rows: Sequence[ManifestRow], files: Sequence[str]) -> tuple[str, ...]:
    """Return the unit of every sample: samples whose image files (SHA-256) are equal share one, and with them all that
    share a unit with either; it has the name of the first.
    """
    parent = list(range(len(rows)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[tuple[str, str], int] = {}
    for place, (row, file) in enumerate(zip(rows, files, strict=True)):
        for key in (("unit", row.unit), ("file", file)):
            one, other = root(first.setdefault(key, place)), root(place)
            parent[max(one, other)] = min(one, other)
    return tuple(rows[root(place)].unit for place in range(len(rows)))


def with_patients(
    rows: Sequence[ManifestRow], patients: Sequence[str], *, declared: bool
) -> tuple[tuple[ManifestRow, ...], tuple[str, ...]]:
    """Return the rows with the patient of each DICOM file as unit, where the audit file declares none, and a note."""
    known = sum(map(bool, patients))
    if declared or not known:
        return tuple(rows), ()
    kept = tuple(replace(row, unit=patient or row.unit) for row, patient in zip(rows, patients, strict=True))
    return kept, (f"the patient in the DICOM file is the unit of {known} of {len(rows)} images, under a number",)


def copies_notes(rows: Sequence[ManifestRow], files: Sequence[str]) -> tuple[str, ...]:
    """Return notes on equal image files, and on those whose labels contradict each other."""
    places: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        places.setdefault(file, []).append(place)
    several = [found for found in places.values() if len(found) > 1]
    notes = []
    if several:
        extra = sum(len(found) - 1 for found in several)
        notes.append(
            f"{extra} of {len(rows)} images are copies of others, file by file, such as {_told(rows, several)}; equal"
            " images count as one unit"
        )
    torn = [found for found in several if len({rows[place].label for place in found}) > 1]
    if torn:
        notes.append(
            f"{sum(map(len, torn))} images contradict each other: equal files have different labels, such as"
            f" {_told(rows, torn)}"
        )
    return tuple(notes)


def _told(rows: Sequence[ManifestRow], several: Sequence[Sequence[int]]) -> str:
    pairs = [f"'{rows[found[0]].id}' and '{rows[found[1]].id}'" for found in several[:_NAMED]]
    return "; ".join(pairs)
