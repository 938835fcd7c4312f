"""How images are measured, beyond what all data have: what is said of the masks, which cases are shown, and what can
be checked of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from auditor.core.facts import Facts
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Claim, Judged, Plain, Shown, Summary
from auditor.engine.store import Store
from auditor.modalities.images.cases import flip_cases
from auditor.modalities.images.claims import image_claims
from auditor.modalities.images.exchanged_cases import exchanged_cases
from auditor.modalities.images.places import place_cases
from auditor.modalities.images.sheet import covered, write_example
from auditor.models.classifier import Classifier


def summary(prepared: Prepared) -> Summary:
    """Return what is said of all data, how much the masks cover, and where one is drawn over its image."""
    said, samples = Plain().summary(prepared), prepared.samples
    file = write_example(samples)
    lines = () if file is None else (("masks", covered(samples.mask_share, len(samples))), ("example", str(file)))
    return replace(said, lines=(*lines, *said.lines))


def choose_cases(prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
    """Return the worst, the median and the best flip, the centre cases of the shortcut search, and the samples whose
    surroundings count most.
    """
    makers = (flip_cases, place_cases, exchanged_cases)
    return [case for make in makers for case in make(prepared, store, judged)]


def claims(shown: Shown, facts: Facts, classifier: Classifier | None) -> Iterator[Claim]:
    """Yield what can be checked of a case from its images."""
    return image_claims(shown, classifier)
