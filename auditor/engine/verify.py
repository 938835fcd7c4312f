"""Verify: read everything back from disk and check every claim that can be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from auditor.config.config import load_audit
from auditor.core.errors import AuditorError, StoreError
from auditor.core.records import Observation, digest
from auditor.engine.judge import facts_of, judged, read_findings
from auditor.engine.lock import NAME, read_lock
from auditor.engine.prepare import load_model
from auditor.engine.store import Store
from auditor.modalities.images.data.pixels import read_image
from auditor.modalities.images.places import heat_map
from auditor.modalities.tables.cases import row_claims
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.table import Table
from auditor.models.classifier import Classifier
from auditor.threats.threat import Threat


@dataclass(frozen=True)
class Verified:
    """One thing that was checked."""

    what: str
    holds: bool
    why: str = ""


def verify(out: Path, *, audit: Path | None = None, trust_code: bool = False) -> list[Verified]:
    """Return what was checked in an output folder (StoreError: no such folder).

    The evidence is shown to the classifier again: the one of `audit`, or the one that the run remembers.
    """
    with Store.open(out) as store:
        classifier, loaded = _classifier(out, store, audit, trust_code)
        return [*_ledger(out, store), loaded, *_evidence(out, store, classifier)]


def _classifier(out: Path, store: Store, audit: Path | None, trust_code: bool) -> tuple[Classifier | None, Verified]:
    what = "the classifier that was audited is there, with the same digest"
    lock = read_lock(out)
    model, base = (
        (load_audit(audit).model, audit.parent) if audit else (lock["audit"]["model"], Path(store.meta("base") or "."))
    )
    try:
        classifier = load_model(model, base, trust_code=trust_code)
    except AuditorError as error:
        return None, Verified(what, False, f"{error} Name an audit file with --audit if it has moved.")
    same = classifier.digest == lock["model"]["digest"]
    return classifier if same else None, Verified(what, same, "" if same else "another digest")


def _ledger(out: Path, store: Store) -> Iterator[Verified]:
    broken = store.broken()
    yield Verified(
        "every chunk of the ledger holds the rows that were written",
        not broken,
        f"changed: {', '.join(broken[:5])}" if broken else "",
    )
    audit, _ = read_findings(out)
    lock = digest((out / NAME).read_bytes())
    yield Verified(
        "audit.lock.yaml is the one that was judged",
        lock == audit["digests"]["lock"],
        "" if lock == audit["digests"]["lock"] else "its digest differs from the one in findings.json",
    )
    try:
        content, _ = judged(out, store, read_lock(out), (out / NAME).read_bytes())
        same = content == (out / "findings.json").read_text(encoding="utf-8")
        yield Verified(
            "judging the ledger again gives findings.json, byte for byte", same, "" if same else "the findings differ"
        )
    except (StoreError, ValueError, KeyError) as error:
        yield Verified("judging the ledger again gives findings.json, byte for byte", False, str(error))


def _evidence(out: Path, store: Store, classifier: Classifier | None) -> Iterator[Verified]:
    index = out / "evidence" / "index.json"
    if not index.is_file():
        yield Verified("the evidence folder has its index", False, f"{index} is missing")
        return
    try:
        cases = json.loads(index.read_text(encoding="utf-8"))["cases"]
    except (ValueError, KeyError, UnicodeDecodeError):
        yield Verified("the evidence folder has its index", False, f"{index} cannot be read")
        return
    recorded = store.meta("evidence")
    yield Verified(
        "the evidence index is the one that the run wrote",
        recorded == digest(index.read_bytes()),
        "its digest differs from the ledger's" if recorded != digest(index.read_bytes()) else "",
    )
    known = facts_of(store).table
    table = Table.from_dict(known) if known is not None else None
    for case in cases:
        yield from _case(out / "evidence", case, store, classifier, table)


def _effects(folder: Path, case: dict[str, Any], row: Observation | None, name: str) -> Verified:
    what = f"{name}: the map of effects is what the ledger's numbers give"
    try:
        shown = np.load(folder / case["files"]["effects"], allow_pickle=False)
        holds = row is not None and np.array_equal(shown, heat_map(row.values, shown.shape, int(case["cells"])))
    except Exception as error:  # a changed byte may break any decoder in any way
        return Verified(what, False, f"{type(error).__name__}: {error}")
    return Verified(what, holds, "" if holds else "the numbers differ")


def _case(
    folder: Path, case: dict[str, Any], store: Store, classifier: Classifier | None, table: Table | None
) -> Iterator[Verified]:
    name = f"{case['rule']} case '{case['sample']}'"
    changed = [
        kind
        for kind, path in case["files"].items()
        if not (folder / path).is_file() or digest((folder / path).read_bytes()) != case["digests"][kind]
    ]
    yield Verified(
        f"{name}: every file is the one that was written",
        not changed,
        f"changed: {', '.join(changed)}" if changed else "",
    )
    row = store.read(case["trial"]).get(case["sample"])
    if table is not None:
        reader = classifier if isinstance(classifier, TableClassifier) else None
        yield from (
            Verified(f"{name}: {claim.what}", not claim.why, claim.why)
            for claim in row_claims(folder, case, row, table, reader)
        )
        return
    if "effects" in case["files"]:
        yield _effects(folder, case, row, name)
        return
    yield Verified(f"{name}: the ledger says that it was fooled", row is not None and row.values.get("fooled") == 1)
    try:
        (original, _), (adversarial, _) = (
            read_image(folder / case["files"][kind]) for kind in ("original", "adversarial")
        )
        zone = torch.tensor(read_image(folder / case["files"]["zone"])[0] > 0.5).expand(original.shape)
    except Exception as error:  # a changed byte may break any decoder in any way
        yield Verified(f"{name}: images can be read", False, f"{type(error).__name__}: {error}")
        return
    x0, x = torch.tensor(original)[None], torch.tensor(adversarial)[None]
    same = bool(((x == x0) | zone[None]).all())
    yield Verified(
        f"{name}: outside the zone '{case['zone']}' bit for bit equal to the original",
        same,
        "" if same else "values outside the zone differ",
    )
    allowed = bool(Threat.ball(case["norm"], zone[None]).allows(x, x0, float(case["epsilon"])).all())
    yield Verified(
        f"{name}: within epsilon {case['epsilon']:.5g} ({case['norm']})",
        allowed,
        "" if allowed else "the change is larger, or values leave the legal range",
    )
    if classifier is not None:
        with torch.no_grad():
            before, after = (
                classifier.classes[int(classifier.logits(point.to(classifier.device)).argmax(1))] for point in (x0, x)
            )
        holds = (before, after) == (case["before"], case["after"])
        yield Verified(
            f"{name}: the classifier still answers '{case['before']}' before and '{case['after']}' after",
            holds,
            "" if holds else f"it answers '{before}' and '{after}'",
        )
