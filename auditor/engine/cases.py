"""The cases that a report shows, chosen by rule after judging, as files that anyone can open and `verify` can check."""

from __future__ import annotations

import json
from collections.abc import Sequence

from auditor.core.records import Finding, digest
from auditor.engine.folder import EVIDENCE_FILES, drop_evidence
from auditor.engine.judge import observations_of, trials_of
from auditor.engine.lock import read_lock
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Judged, measuring
from auditor.engine.store import Store, write_whole


def write_cases(prepared: Prepared, store: Store, findings: Sequence[Finding]) -> None:
    """Write the evidence folder anew: the cases that the modality chooses for these findings, and their index."""
    drop_evidence(store.folder)
    store.set_meta(EVIDENCE_FILES, "[]")
    observations, planned = observations_of(store), trials_of(read_lock(store.folder), prepared.facts)
    judged = Judged(observations, planned, findings)
    cases = measuring(prepared.facts.modality).choose_cases(prepared, store, judged)
    index = json.dumps({"cases": cases}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(store.evidence_file("index.json"), index)
    store.set_meta("evidence", digest(index.encode()))
