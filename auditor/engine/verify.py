"""Verify: read everything back from disk and check every claim that can be checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.config.config import load_audit
from auditor.core.errors import AuditorError, StoreError
from auditor.core.facts import Facts
from auditor.core.records import digest
from auditor.engine.judge import facts_of, judged, read_findings
from auditor.engine.loading import Running, load_model
from auditor.engine.lock import LOCK_FILE, read_lock
from auditor.engine.stages import Shown, measuring
from auditor.engine.store import Store
from auditor.models.classifier import Classifier


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
        classifier, loaded = _classifier(out, store, audit, trust_code=trust_code)
        return [*_ledger(out, store), loaded, *_evidence(out, store, classifier)]


def _classifier(out: Path, store: Store, audit: Path | None, *, trust_code: bool) -> tuple[Classifier | None, Verified]:
    what = "the classifier that was audited is there, with the same digest"
    lock = read_lock(out)
    model, base = (
        (load_audit(audit).model, audit.parent) if audit else (lock["audit"]["model"], Path(store.meta("base") or "."))
    )
    try:
        classifier = load_model(model, base, Running(trust_code=trust_code))
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
    lock = digest((out / LOCK_FILE).read_bytes())
    yield Verified(
        "audit.lock.yaml is the one that was judged",
        lock == audit["digests"]["lock"],
        "" if lock == audit["digests"]["lock"] else "its digest differs from the one in findings.json",
    )
    try:
        content, _ = judged(out, store, read_lock(out), text=(out / LOCK_FILE).read_bytes())
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
    facts = facts_of(store)
    for case in cases:
        yield from _case(
            Shown(out / "evidence", case, store.read(case["trial"]).get(case["sample"])), facts, classifier
        )


def _case(shown: Shown, facts: Facts, classifier: Classifier | None) -> Iterator[Verified]:
    case, folder = shown.case, shown.folder
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
    for claim in measuring(facts.modality).claims(shown, facts, classifier):
        yield Verified(f"{name}: {claim.what}", not claim.why, claim.why)
