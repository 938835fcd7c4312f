"""What can be checked of a case of images: from its files alone, and by showing them to the classifier again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from auditor.engine.stages import Claim, Shown
from auditor.modalities.images.data.saving import read_pixels
from auditor.modalities.images.places import heat_map
from auditor.models.classifier import Classifier
from auditor.threats.threat import Threat


def image_claims(shown: Shown, classifier: Classifier | None) -> Iterator[Claim]:
    """Yield what was checked of a case: of a flip its zone, its size and its answers; of a place its map of effects;
    of exchanged surroundings that the marked region is untouched.
    """
    case, row = shown.case, shown.row
    if "effects" in case["files"]:
        yield _effects(shown)
        return
    if "exchanged" in case["files"]:
        yield _kept_inside(shown)
        return
    said = row is not None and row.values.get("fooled") == 1
    yield Claim("the ledger says that it was fooled", "" if said else "it does not")
    try:
        x0, x, zone = _images(shown)
    except Exception as error:  # a changed byte may break any decoder in any way
        yield Claim("images can be read", f"{type(error).__name__}: {error}")
        return
    same = bool(((x == x0) | zone).all())
    yield Claim(
        f"outside the zone '{case['zone']}' bit for bit equal to the original",
        "" if same else "values outside the zone differ",
    )
    allowed = bool(Threat.ball(case["norm"], zone).allows(x, x0, float(case["epsilon"])).all())
    yield Claim(
        f"within epsilon {case['epsilon']:.5g} ({case['norm']})",
        "" if allowed else "the change is larger, or values leave the legal range",
    )
    if classifier is not None:
        yield _answers(shown, classifier, (x0, x))


def _kept_inside(shown: Shown) -> Claim:
    """Return whether a picture with exchanged surroundings has the original's marked region."""
    what = "the marked region is bit for bit that of the original"
    try:
        original, exchanged, mask = (
            read_pixels(shown.folder / shown.case["files"][kind])[0] for kind in ("original", "exchanged", "mask")
        )
        same = bool(((original == exchanged) | ~(mask > 0.5)).all())
    except Exception as error:  # a changed byte may break any decoder in any way
        return Claim(what, f"{type(error).__name__}: {error}")
    return Claim(what, "" if same else "values inside the marked region differ")


def _images(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    """Return the original, the changed image and the zone, each (1, channels, height, width)."""
    files = {kind: shown.folder / path for kind, path in shown.case["files"].items()}
    original, adversarial = (read_pixels(files[kind])[0] for kind in ("original", "adversarial"))
    zone = torch.tensor(read_pixels(files["zone"])[0] > 0.5).expand(original.shape)
    return torch.tensor(original)[None], torch.tensor(adversarial)[None], zone[None]


def _answers(shown: Shown, classifier: Classifier, points: tuple[Tensor, Tensor]) -> Claim:
    said = (shown.case["before"], shown.case["after"])
    with torch.no_grad():
        before, after = (
            classifier.classes[int(classifier.logits(point.to(classifier.device)).argmax(1))] for point in points
        )
    what = f"the classifier still answers '{said[0]}' before and '{said[1]}' after"
    return Claim(what, "" if (before, after) == said else f"it answers '{before}' and '{after}'")


def _effects(shown: Shown) -> Claim:
    what, row = "the map of effects is what the ledger's numbers give", shown.row
    try:
        values = np.load(shown.folder / shown.case["files"]["effects"], allow_pickle=False)
        holds = row is not None and np.array_equal(values, heat_map(row.values, values.shape, int(shown.case["cells"])))
    except Exception as error:  # a changed byte may break any decoder in any way
        return Claim(what, f"{type(error).__name__}: {error}")
    return Claim(what, "" if holds else "the numbers differ")
