"""Equal image files are one unit, and contradicting labels are named."""

from __future__ import annotations

from pathlib import Path

from auditor.modalities.images.data.copies import copies_notes, units_of
from auditor.samples.manifest import ManifestRow


def rows(*samples: tuple[str, str]) -> list[ManifestRow]:
    return [
        ManifestRow(f"s{number}", Path(f"{number}.png"), {}, label, unit, {})
        for number, (unit, label) in enumerate(samples)
    ]


def test_copies_join_their_units() -> None:
    """Unit a holds file 1, unit b files 1 and 2, unit c file 2: all three are one; d stays alone."""
    listed = rows(("a", "x"), ("b", "x"), ("b", "x"), ("c", "x"), ("d", "x"))
    files = ["1", "1", "2", "2", "3"]
    assert units_of(listed, files) == ("a", "a", "a", "a", "d")
    (note,) = copies_notes(listed, files)
    assert "2 of 5 images are copies of others" in note and "'s0' and 's1'; 's2' and 's3'" in note


def test_labels_that_contradict_each_other() -> None:
    listed = rows(("a", "x"), ("b", "y"), ("c", "x"))
    copies, torn = copies_notes(listed, ["1", "1", "2"])
    assert "1 of 3 images are copies" in copies
    assert torn == "2 images contradict each other: equal files have different labels, such as 's0' and 's1'"


def test_different_images_keep_their_units() -> None:
    listed = rows(("a", "x"), ("b", "y"), ("a", "x"))
    assert units_of(listed, ["1", "2", "3"]) == ("a", "b", "a") and copies_notes(listed, ["1", "2", "3"]) == ()
