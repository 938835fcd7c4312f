"""Cases of images: pictures composed from the stored arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.modalities.images.report import pictures
from auditor.report.case import Case, Picture, is_private
from auditor.report.words import epsilon_text, is_number, number, zone_text

_RULES = {
    "worst": "Worst case",
    "median": "Median case",
    "best": "Best case",
    "strongest": "Strongest case",
}
Compose = Callable[[Any], NDArray[np.uint8]]
"""function (values that were read) -> picture (h, w, 3)"""
FACTORS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def image_case(item: Mapping[str, Any], folder: Path, audit: Mapping[str, Any]) -> Case:
    """Return a case with its pictures."""
    private = is_private(audit)
    hidden = "Pictures are left out because the audit file sets privacy: none." if private else ""
    shown = () if private else tuple(_pictures(item, folder, audit.get("data") or {}))
    rule = str(item.get("rule") or "")
    return Case(
        finding=str(item.get("finding") or ""),
        rule=_RULES.get(rule, rule.capitalize()),
        sample=str(item.get("sample") or ""),
        facts=tuple(_facts(item, audit.get("data") or {})),
        text=str(item.get("text") or ""),
        pictures=shown,
        hidden=hidden,
    )


def _facts(item: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, str]]:
    norm = f" ({item['norm']})" if item.get("norm") else ""
    size = epsilon_text(item.get("size"), data) if item.get("norm") == "linf" else number(item.get("size"))
    facts = [
        ("label", str(item.get("label") or "")),
        ("prediction before", str(item.get("before") or "")),
        ("prediction after", str(item.get("after") or "")),
        ("may be written", zone_text(item.get("zone")) if item.get("zone") else ""),
        ("budget", f"{epsilon_text(item['epsilon'], data)}{norm}" if is_number(item.get("epsilon")) else ""),
        ("size of the change", size if is_number(item.get("size")) else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _pictures(item: Mapping[str, Any], folder: Path, data: Mapping[str, Any]) -> list[Picture]:
    files = item.get("files")
    files = files if isinstance(files, Mapping) else {}
    reader = _Reader(folder, files, data, sample=str(item.get("sample") or ""))
    return [*reader.images(), *reader.effects(item.get("scale")), *reader.maps()]


class _Reader:
    """The files of one case, read once."""

    def __init__(self, folder: Path, files: Mapping[str, Any], data: Mapping[str, Any], *, sample: str) -> None:
        self._folder, self._files, self._data, self._sample = folder.resolve(), files, data, sample
        low, high = data.get("low"), data.get("high")
        self._range = (float(low or 0.0) if is_number(low) else 0.0, float(high or 0.0) if is_number(high) else 1.0)
        self._mask = self._read("mask", pictures.read_mask)
        self._rim = self._mask if isinstance(self._mask, np.ndarray) else None

    def images(self) -> list[Picture]:
        """Return original, mask, zone, amplified change and adversarial, as far as they are stored."""
        low, high = self._range
        original = self._read("original", lambda path: pictures.read_image(path, low=low, high=high))
        adversarial = self._read("adversarial", lambda path: pictures.read_image(path, low=low, high=high))
        exchanged = self._read("exchanged", lambda path: pictures.read_image(path, low=low, high=high))
        zone = self._read("zone", pictures.read_mask)
        note = "marked region outlined" if self._rim is not None else ""
        return [
            *self._show(
                "Original", original, lambda values: pictures.outlined(pictures.rgb(values), self._rim), note=note
            ),
            *self._show("Marked region", self._mask, pictures.flat, note="white: marked by the expert"),
            *self._show("May be written", zone, pictures.flat, note="white: the attacker may write"),
            *self._change(original, adversarial),
            *self._show("After the change", adversarial, pictures.rgb, note="what the classifier was shown"),
            *self._show("With that part exchanged", exchanged, pictures.rgb, note="what the classifier was shown"),
        ]

    def effects(self, scale: Any) -> list[Picture]:
        """Return the map of what each place outside is worth, laid over the image; all cases of a finding share one
        colour scale.
        """
        low, high = self._range
        values, image = (
            self._read("effects", pictures.read_map),
            self._read("original", lambda path: pictures.read_image(path, low=low, high=high)),
        )
        full = float(scale) if is_number(scale) else 0.0
        note = f"red: speaks for the class; full colour at {number(full)} logits"
        return self._show(
            "Effect of each place",
            values,
            lambda values: pictures.outlined(pictures.overlaid(image, values, scale=full), self._rim),
            note=note,
        )

    def maps(self) -> list[Picture]:
        """Return the attribution maps before and after, both of a method on one colour scale."""
        names = sorted(name.partition("/")[2] for name in self._files if name.startswith("map_before/"))
        late = sorted(name.partition("/")[2] for name in self._files if name.startswith("map_after/"))
        return [picture for method in dict.fromkeys([*names, *late]) for picture in self._pair(method)]

    def _pair(self, method: str) -> list[Picture]:
        found = {moment: self._read(f"map_{moment}/{method}", pictures.read_map) for moment in ("before", "after")}
        known = [np.abs(values) for values in found.values() if isinstance(values, np.ndarray)]
        scale = max((float(np.quantile(values, 0.995)) or float(values.max()) for values in known), default=0.0)
        shown = []
        for moment, values in found.items():
            title = f"{method.replace('_', ' ')}, {moment}"
            shown += self._show(
                title,
                values,
                lambda values: pictures.outlined(pictures.signed(values, scale=scale), self._rim),
                note="",
            )
        return shown

    def _change(self, original: Any, adversarial: Any) -> list[Picture]:
        if (
            not (isinstance(original, np.ndarray) and isinstance(adversarial, np.ndarray))
            or original.shape != adversarial.shape
        ):
            return []
        values = pictures.change(original, adversarial)
        largest = float(np.abs(values).max())
        factor = max((factor for factor in FACTORS if factor * largest <= 1.0), default=1)
        size = epsilon_text(largest * (self._range[1] - self._range[0]), self._data)
        note = f"amplified {factor} times; red brighter, blue darker; largest {size}" if largest else "nothing changed"
        return self._show(
            "Change",
            values,
            lambda values: pictures.outlined(pictures.signed(values, scale=1.0 / factor), self._rim),
            note=note,
        )

    def _read(self, key: str, reader: Any) -> Any:
        """Return the array of a file, None where the index names none, or a text that says why it cannot be shown."""
        name = self._files.get(key)
        if not name:
            return None
        path = (self._folder / str(name)).resolve()
        if not path.is_relative_to(self._folder):
            return "the index points outside the evidence folder"
        try:
            return reader(path)
        except FileNotFoundError:
            return "the file is missing"
        except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError):
            return "the file cannot be read"

    def _show(self, title: str, values: Any, compose: Compose, *, note: str) -> list[Picture]:
        if values is None:
            return []
        if isinstance(values, str):
            return [Picture(title, "", f"{title} of sample {self._sample}", f"not shown: {values}")]
        return [
            Picture(
                title,
                pictures.encode(compose(values)),
                f"{title} of sample {self._sample}" + (f" ({note})" if note else ""),
                note,
            )
        ]
