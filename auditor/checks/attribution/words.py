"""How findings speak of explanations: of maps of an image, or of the shares of a table's columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExplainedWords:
    """How findings speak of what is explained."""

    map: str = "map"
    maps: str = "maps"
    image: str = "image"
    images: str = "images"
    mask: str = "the mask"
    inside: str = "inside the mask"
    outside: str = "outside the mask"
    noise: str = "harmless noise"
    disturbed: str = "noise"
    area: str = "the mask's share of the area"
    area_unit: str = "share of area"
    marked: str = "the marked region"
    strongest: str = "strongest pixel inside (pointing game)"
    likeness: tuple[tuple[str, str], ...] = (
        ("top", "overlap of the top tenth"),
        ("structure", "structural similarity"),
    )
    no_mask: str = "no correct sample has a mask"
