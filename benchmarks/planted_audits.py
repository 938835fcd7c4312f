"""One planted classifier: its weights, the data that it is audited on, the audit, and what is true of it beside what
the audit said.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from planted_images import LESIONS, SIZE, dealt, render, scenes
from planted_models import load, save, train, truth

from auditor.checks import checks
from auditor.config.config import parse_audit
from auditor.core.displays import Map, of_kind
from auditor.core.records import Finding
from auditor.core.seeds import derive
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.run import run

if TYPE_CHECKING:
    from planted import Case, Model

CLASSES = ("ring", "core")
PATIENTS, PER_PATIENT = 92, 2

torch.set_num_threads(1)  # sums in one order: repeatable on one kind of machine
logging.getLogger("auditor").setLevel(logging.ERROR)


def trained(folder: Path, model: Model) -> Path:
    """Return the file of a model's weights; trained now where there is none."""
    file = folder / "models" / f"{model.name}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        save(
            train(
                model.kind,
                LESIONS[model.looks],
                model.strength,
                seed=derive("training", model.series),
                levels=model.levels,
            ),
            file,
        )
    return file


def audited(folder: Path, code: str, case: Case, weights: Path) -> dict[str, Any]:
    """Return what the audit said and what is true; a broken-off audit by the same version of the auditor goes on where
    it stopped.
    """
    out = folder / "audits" / case.name
    started, stamp = time.process_time(), out / "code"
    if not stamp.exists() or stamp.read_text() != code:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        stamp.write_text(code)
    data, agreement = audit_data(folder, case)
    prepared = prepare(parse_audit(declared(case, weights.resolve()), data / "audit"), base=data)
    run(prepared, out).close()  # auditor.audit without its report, which costs more than all the rest
    findings = judge(out)
    seed = derive("held out", case.model.series)
    row = asdict(case) | {
        "name": case.name,
        "code": code,
        "truth": truth(
            load(weights), case.model.kind, LESIONS[case.model.looks], seed=seed, agreement=agreement, mask=case.mask
        ),
        "findings": {finding.id: _kept(finding) for finding in findings},
        "seconds": time.process_time() - started,
    }
    file = out.with_name(f"{case.name}.json")
    file.with_suffix(".part").write_text(json.dumps(row))
    file.with_suffix(".part").replace(file)
    return row


def declared(case: Case, weights: Path) -> dict[str, Any]:
    """Return the audit as its file would declare it: reliance with its defaults, and a cheap attack for the naive
    rule.
    """
    chosen: dict[str, Any] = {
        "preflight": {},
        "reliance": {},
        "exposure": {"zones": ["outside"], "noise": False, "smallest": False, "few_values": 0},
    }
    if case.quality:
        chosen["attack_quality"] = {"samples": 24, "queries": 100}
    columns = {"id": "id", "image": "path", "mask": "mask", "label": "label", "unit": "patient"}
    channels = 3 if case.model.kind == "colour" else 1
    return {
        "title": f"Planted: {case.name}",
        "model": {
            "source": "torchscript",
            "path": str(weights),
            "classes": list(CLASSES),
            "input": {"size": SIZE, "channels": channels},
        },
        "data": {"manifest": "manifest.csv", **columns} | ({"factors": ["nuisance"]} if case.factor else {}),
        "threat": {"epsilon": ["8/255"]},
        "attack": {"name": "pgd", "settings": {"steps": 10}},
        "checks": {name: chosen.get(name, False) for name in checks.names("image")},
        "report": {"privacy": "none"},
    }


def audit_data(folder: Path, case: Case) -> tuple[Path, float]:
    """Return the folder with the images, masks and manifest of a case, and in which share of its images the nuisance
    agrees with the class.

    The models of one series are audited on the same images, the honest twin too.
    """
    seed, n = derive("audit", case.model.series), PATIENTS * PER_PATIENT
    drawn = scenes(n, seed=seed, looks=LESIONS[case.model.looks], per_patient=PER_PATIENT)
    labels = drawn.patients % 2
    nuisance = dealt(labels, drawn.patients, case.agreement, seed=seed)
    place = folder / "data" / f"{case.model.series}-{case.mask}-{case.agreement:g}-{n}"
    if not place.exists():
        part = place.with_name(f"{place.name}.part{os.getpid()}")
        _write(
            part,
            render(drawn, labels, nuisance, case.model.kind),
            getattr(drawn, case.mask),
            labels,
            drawn.patients,
            nuisance,
        )
        try:
            part.rename(place)
        except OSError:  # another process was faster, with the same bytes
            shutil.rmtree(part)
    return place, float((nuisance == (labels == 1)).mean())


def _write(
    folder: Path, images: np.ndarray, masks: np.ndarray, labels: np.ndarray, patients: np.ndarray, nuisance: np.ndarray
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lines: list[list[str]] = [["id", "path", "mask", "label", "patient", "nuisance"]]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        Image.fromarray(image).save(folder / f"images/{row:03d}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"masks/{row:03d}.png")
        where = [f"{part}/{row:03d}.png" for part in ("images", "masks")]
        lines.append(
            [f"s{row:03d}", *where, CLASSES[labels[row]], f"p{patients[row]:03d}", "yes" if nuisance[row] else "no"]
        )
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def _kept(finding: Finding) -> dict[str, Any]:
    found = finding.estimate
    estimate = None if found is None else {"value": found.value, "low": found.low, "high": found.high}
    peaks = (
        {"row": one.peak.row, "column": one.peak.column, "rows": one.rows, "columns": one.columns}
        for one in of_kind(finding.displays, Map)
    )
    return {
        "verdict": finding.verdict,
        "estimate": estimate,
        "tolerance": finding.tolerance,
        "peak": next(peaks, None),
    }
