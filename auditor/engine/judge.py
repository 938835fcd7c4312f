"""Judge: observations -> findings.json; pure, without the model, without torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from auditor.checks import Check
from auditor.core.displays import FORMAT
from auditor.core.errors import StoreError
from auditor.core.facts import Facts
from auditor.core.outcomes import MissingKind
from auditor.core.records import Finding, Observations, Trial, digest, ordered
from auditor.core.zones import coverage
from auditor.engine.export import export_samples
from auditor.engine.lock import LOCK_FILE, lock_text, locked_checks, read_lock, relocked
from auditor.engine.stages import judging
from auditor.engine.store import Store, write_whole
from auditor.stats.decisions import holm
from auditor.stats.grouping import Attribute, edges_of

REPORTS = ("report.html", "report.pdf", "junit.xml")


def judge(out: Path, audit: Path | None = None) -> list[Finding]:
    """Return the findings of a complete run and write findings.json and the samples table (StoreError: it is not
    complete).

    Reports of other findings are removed, so that none contradicts findings.json.

    Parameters
    ----------
    audit
        Judge under the tolerances of this audit file, which are then locked. Where they ask for what was not measured,
        nothing is written.
    """
    with Store.open(out) as store:
        lock = read_lock(out)
        text = (out / LOCK_FILE).read_bytes()
        if audit is not None:
            lock = relocked(lock, audit)
            text = lock_text(lock).encode()
        content, findings = judged(out, store, lock, text=text, asked_by=audit)
        if not (out / "findings.json").is_file() or content.encode() != (out / "findings.json").read_bytes():
            for name in REPORTS:
                (out / name).unlink(missing_ok=True)
        write_whole(out / LOCK_FILE, text)
        write_whole(out / "findings.json", content)
        export_samples(out, facts_of(store), observations_of(store), trials=trials_of(lock, facts_of(store)))
    return findings


def judged(
    out: Path, store: Store, lock: Mapping[str, Any], *, text: bytes, asked_by: Path | None = None
) -> tuple[str, list[Finding]]:
    """Return the text of findings.json, and the findings, under a lock and its text; nothing is written (StoreError: a
    trial was not measured).

    Parameters
    ----------
    asked_by
        The audit file whose tolerances the lock holds, where it is not the one of the run.
    """
    facts = facts_of(store)
    chosen, trials = locked_checks(lock), trials_of(lock, facts)
    observations = replace(observations_of(store), trials=tuple(trials))
    missing = [trial for trial in trials if not store.complete(observations.key(trial))]
    if missing and asked_by is not None:
        first = " ".join(part for part in (missing[0].probe, missing[0].method, missing[0].zone) if part)
        raise StoreError(
            f"{asked_by}: asks for {len(missing)} of {len(trials)} trials that {out} has not measured, such as"
            f" '{first}', so nothing was judged or overwritten; measure them with `auditor run`."
        )
    if missing:
        raise StoreError(
            f"{out}: {len(missing)} of {len(trials)} trials are not complete; run the same `auditor run` command again"
            " to resume."
        )
    findings = doubted(adjusted([finding for check in chosen.values() for finding in check.judge(facts, observations)]))
    keys = [observations.key(trial) for trial in trials]
    audit = describe(lock, facts, chosen) | {
        "digests": {"lock": digest(text), "observations": store.ledger_digest(keys)},
        "trials": [_row(trial, observations) for trial in trials],
    }
    content = {"format": FORMAT, "audit": audit, "findings": [finding.as_dict() for finding in findings]}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", findings


def adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings after Holm's correction over the audit's primary claims: one that does not survive it is
    inconclusive.

    A verdict says on which side of the tolerance the truth lies, and only that can be wrong: its p-value is one-sided,
    half the estimate's.
    """
    claims = [
        row
        for row, finding in enumerate(findings)
        if finding.primary and finding.verdict in ("pass", "fail") and finding.p is not None
    ]
    tested = [row for row, finding in enumerate(findings) if finding.primary and finding.p is not None]
    sides = {row: (findings[row].p or 0.0) / 2 for row in tested}
    kept = dict(zip(tested, holm(list(sides.values())), strict=True))
    result = list(findings)
    for row in claims:
        if not kept[row]:
            why = (
                f"{findings[row].reason}; but after Holm's correction over {len(tested)} primary claims it is too few"
                f" to tell (p = {sides[row]:.3f})"
            )
            result[row] = replace(
                findings[row],
                verdict="inconclusive",
                reason=why,
                advice="Audit more samples before drawing a conclusion from this number.",
            )
    return result


def doubted(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with every pass that rests on a failed one made inconclusive: what a weak attack did not find
    proves nothing.
    """
    signs = [finding for finding in findings if finding.verdict == "fail"]
    result = []
    for finding in findings:
        why = next((sign for sign in signs if sign.check in finding.rests_on), None)
        if finding.verdict == "pass" and why is not None:
            reason = f"{finding.reason}; but that cannot be believed ({why.id}): {why.claim}"
            finding = replace(finding, verdict="inconclusive", reason=reason, advice=why.advice)
        result.append(finding)
    return result


def facts_of(store: Store) -> Facts:
    """Return what a run knew of its audit."""
    text = store.meta("facts")
    if text is None:
        raise StoreError(f"{store.folder}: the run stopped before its first trial; run it again.")
    return Facts.from_dict(json.loads(text))


def observations_of(store: Store) -> Observations:
    """Return a folder's observations, read trial by trial."""
    return Observations(store.meta("binding") or "", store.read)


def trials_of(lock: Mapping[str, Any], facts: Facts) -> list[Trial]:
    """Return every distinct trial that the locked checks ask for, sources first."""
    return ordered(trial for check in locked_checks(lock).values() for trial in check.trials(facts))


def _row(trial: Trial, observations: Observations) -> dict[str, Any]:
    rows = observations.of(trial).values()
    reasons = Counter(row.missing for row in rows if row.missing)
    failed = {why.text: n for why, n in reasons.items() if why.kind is MissingKind.FAILED}
    return {
        "key": observations.key(trial),
        "probe": trial.probe,
        "method": trial.method,
        "zone": trial.zone,
        "epsilon": trial.threat.get("epsilon"),
        "samples": len(rows),
        "measured": sum(row.missing is None for row in rows),
        "not_applicable": {why.text: n for why, n in reasons.items() if why.kind is not MissingKind.FAILED},
        "failed": failed,
        "missing": [{**why.as_dict(), "n": n} for why, n in reasons.items()],
        "forwards": int(sum(row.values.get("forwards", 0) for row in rows)),
        "backwards": int(sum(row.values.get("backwards", 0) for row in rows)),
    }


def describe(lock: Mapping[str, Any], facts: Facts, chosen: Mapping[str, Check]) -> dict[str, Any]:
    """Return what the report says of the audit itself."""
    audit = lock["audit"]
    return {
        "modality": facts.modality,
        "title": audit["title"],
        "intended_use": audit["intended_use"],
        "auditor_version": lock["auditor"],
        "report": audit["report"],
        "model": lock["model"],
        "data": _data(lock, facts) | judging(facts.modality).described(facts),
        "threat": {
            "norm": facts.norm,
            "epsilon": list(facts.epsilons),
            "primary": facts.primary,
            "guard": facts.guard,
            "max_changes": facts.max_changes,
        },
        "attack": {"name": facts.attack, "settings": dict(facts.attack_settings)},
        "checks": {
            name: {"settings": lock["checks"][name], "card": asdict(check.card)} for name, check in chosen.items()
        },
        "seed": facts.seed,
        "limit": lock["limit"],
        "environment": lock["environment"],
    }


def _data(lock: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return what the report says of the data of any modality."""
    declared = lock["audit"]["data"]
    counts, zones = Counter(facts.y), declared.get("zones") or {}
    return {
        **lock["data"],
        "units": len(set(facts.units)),
        "levels": facts.levels,
        "low": facts.low,
        "high": facts.high,
        "classes": {name: counts[label] for label, name in enumerate(facts.classes)},
        "masks": coverage(facts.mask_share) | {"meaning": str(declared.get("inside") or "")},
        "regions": {
            name: coverage(shares) | {"meaning": str(zones.get(name, ""))} for name, shares in facts.regions.items()
        },
        "groups": _columns(banded(facts, lock)),
        "factors": _columns(facts.factors),
    }


def banded(facts: Facts, lock: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the groups as fairness compares them: measurements in bands."""
    edges = edges_of(facts.groups, lock["checks"].get("fairness", {}).get("bands") or {})
    single = [Attribute((name,), {name: edges[name]} if name in edges else {}) for name in facts.groups]
    return {attribute.name: attribute.values(facts.groups) for attribute in single}


def _columns(columns: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    return {
        name: dict(sorted(Counter(value or "unknown" for value in values).items())) for name, values in columns.items()
    }


def read_findings(out: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Return the audit and the findings in a folder's findings.json (StoreError: missing or broken)."""
    path = out / "findings.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["audit"], [Finding.from_dict(finding) for finding in content["findings"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: expected the findings of a run, but they cannot be read ({type(error).__name__}); run `auditor"
            " judge` first."
        ) from None
