"""A made-up output folder that holds every section, every verdict and a good deal of mischief."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.records import Finding
from auditor.report.render import render

EPSILONS = [k / 255 for k in (1, 2, 4, 8)]
ZONES = ["outside", "inside", "everywhere", "control/0", "control/1"]
MISCHIEF = "<script>alert('title')</script>"


def estimate(value: float, half: float = 0.05, *, n: int = 133, unit: str = "share of samples", **more: Any) -> dict[str, Any]:
    low, high = round(value - half, 4), round(value + half, 4)
    return {"value": value, "low": low, "high": high, "n": n, "unit": unit, "method": "Wilson", "level": 0.95, "units": 24, **more}


def finding(name: str, verdict: str, claim: str, **more: Any) -> dict[str, Any]:
    return {**Finding(name, name.partition("/")[0], "pass", claim).as_dict(), "verdict": verdict, **more}


def _curve(top: float, *, hole: bool = False) -> list[dict[str, Any]]:
    rates = [top * share for share in (0.25, 0.5, 0.8, 1.0)]
    points = [{"epsilon": e, "estimate": estimate(round(r, 3), 0.02), "reason": ""} for e, r in zip(EPSILONS, rates, strict=True)]
    return [*points[:-1], {"epsilon": EPSILONS[-1], "estimate": None, "reason": "the attack broke off: chunk 3 failed twice"}] if hole else points


def _smallest(top: float) -> dict[str, Any] | None:
    """Return the smallest epsilons of a zone that flips enough of its samples for a median, or not."""
    if top in (0.6, 0.66):
        return None if top == 0.6 else {"n": 60, "beyond": 40, "reach": 16 / 255, "steps": [], "reason": "40 of 60 samples were not flipped up to 16/255"}
    steps = [{"epsilon": k / 255, "estimate": estimate(min(top, 0.1 * k), 0.05)} for k in range(1, 9)]
    known = {
        "n": 60,
        "beyond": 7,
        "reach": 16 / 255,
        "how": "",
        "steps": steps,
        "median": estimate(3 / 255, 1 / 255, unit="epsilon"),
        "text": "3/255 [2/255, 4/255]",
    }
    return {**known, "sensitivity": estimate(0.071, 0.01, unit="margin per unit of epsilon and value"), "missed": 2}


def exposure() -> list[dict[str, Any]]:
    tops = {"outside": 0.7, "inside": 0.4, "everywhere": 0.95, "control/0": 0.66, "control/1": 0.6}
    found = []
    for zone in ZONES:
        details = {
            "zone": zone,
            "label": "",
            "curve": _curve(tops[zone], hole=zone == "inside"),
            "noise": _curve(0.02),
            "area": {"values": 3442, "share": 0.84},
        }
        details |= {"smallest": _smallest(tops[zone]), "relative": estimate(6.3, 0.4, unit="times") if zone == "inside" else None}
        primary = zone == "outside"
        found.append(
            finding(
                f"exposure/{zone}",
                "fail" if primary else "pass",
                f"The attack flips {tops[zone] / 2:.0%} of the correctly classified samples when it may write {zone} at 2/255.",
                estimate=estimate(tops[zone] / 2, 0.08, n=71),
                tolerance=0.10 if primary else None,
                question=4 if primary else None,
                primary=primary,
                p=0.0004 if primary else None,
                reason="The whole interval is above the tolerance." if primary else "",
                advice="Treat the classifier as open to manipulation wherever inputs can be altered, and sign images at the source." if primary else "",
                details=details,
            )
        )
    return found


def reliance() -> list[dict[str, Any]]:
    arms = [
        {"arm": arm, "inside": inside, "outside": outside, "estimate": estimate(value, 0.4, unit="logits")}
        for arm, inside, outside, value in (
            ("A", "own", "same class", 1.70),
            ("B", "own", "other class", -0.19),
            ("C", "other class", "same class", -0.13),
            ("D", "other class", "other class", -1.45),
        )
    ]
    effects = [
        {"name": "inside effect", "estimate": estimate(1.545, 0.3, unit="logits")},
        {"name": "outside effect", "estimate": estimate(1.605, 0.45, unit="logits")},
        {"name": "interaction", "estimate": None, "note": "too few units"},
    ]
    details = {"arms": arms, "effects": effects, "draws": 8, "recipients": 71, "units": 24}
    claim = "51 % of the class evidence comes from outside the marked region."
    main = finding(
        "reliance/outside-share",
        "fail",
        claim,
        estimate=estimate(0.51, 0.11, unit="share", method="two-way bootstrap over units"),
        tolerance=0.05,
        question=1,
        primary=True,
        p=0.002,
        reason="The whole interval is above the tolerance.",
        advice="Do not use the classifier before its training data are checked for marks that go with the class.",
        details=details,
    )
    return [
        main,
        finding(
            "reliance/flip-gap", "not_measured", "The flip gap between arms B and A was not measured.", reason="no donor of another unit is left", question=1
        ),
    ]


def _groups(n: int) -> list[dict[str, Any]]:
    def row(k: int) -> dict[str, Any]:
        if k % 9 == 4:
            return {
                "group": f"institution number {k} with a rather long official name",
                "n": 3,
                "clean": None,
                "robust": None,
                "success": None,
                "note": "too few to say: 3 of 30",
            }
        return {
            "group": f"site {k}" if k else "Universitätsklinikum <b>Zürich</b> $n_0$ 女",
            "n": 30 + k,
            "clean": estimate(0.9 - 0.004 * k),
            "robust": estimate(0.6 - 0.008 * k, 0.09),
            "success": estimate(0.33),
            "note": "",
        }

    return [row(k) for k in range(n)]


def fairness() -> list[dict[str, Any]]:
    common: dict[str, Any] = {"zone": "outside", "epsilon": EPSILONS[1], "unknown": 7}
    wide = {**common, "groups": _groups(40), "pair": ["site 1", "site 39"]}
    sexes = [
        {"group": name, "n": n, "clean": estimate(0.9), "robust": estimate(0.5, 0.12), "success": estimate(0.4), "note": ""}
        for name, n in (("female", 70), ("male", 63))
    ]
    return [
        finding(
            "fairness/sex/gap",
            "inconclusive",
            "Accuracy under attack differs by 6 points between female and male.",
            estimate=estimate(0.06, 0.12, unit="difference of rates"),
            tolerance=0.10,
            question=2,
            primary=True,
            reason="The interval holds the tolerance; about 410 samples per group would decide.",
            advice="Audit again with at least 410 samples per group.",
            details={**common, "groups": sexes, "pair": None},
        ),
        finding(
            "fairness/institution/gap",
            "pass",
            "The largest gap between institutions is 4 points.",
            estimate=estimate(0.04, 0.02, unit="difference of rates"),
            tolerance=0.10,
            question=2,
            primary=True,
            details=wide,
        ),
        finding(
            "fairness/age_band/gap",
            "not_measured",
            "The gap between age bands was not measured.",
            reason="every age band has fewer than 30 usable samples",
            question=2,
            primary=True,
        ),
    ]


def attribution() -> list[dict[str, Any]]:
    rows = [
        {"name": "maps before and after noise", "estimate": estimate(0.93, 0.02, unit="rank correlation")},
        {"name": "null: maps of unrelated images", "estimate": estimate(0.52, 0.04, unit="rank correlation")},
        {"name": "maps of the re-initialised model", "estimate": None, "note": "not planned in this audit"},
    ]
    return [
        finding(
            "attribution/saliency/stability",
            "pass",
            "Saliency maps stay alike under noise: rank correlation 0.93.",
            estimate=estimate(0.93, 0.02, unit="rank correlation"),
            tolerance=0.8,
            question=3,
            primary=True,
            details={"rows": rows},
        ),
        finding(
            "attribution/integrated_gradients/agreement",
            "pass",
            "Maps put 3.1 times as much on the marked region as chance.",
            estimate=estimate(3.1, 0.6, unit="ratio"),
            question=1,
            details={"rows": [{"name": "share inside / share of area", "estimate": estimate(3.1, 0.6, unit="ratio")}]},
        ),
        finding("attribution/integrated_gradients/blindness", "not_measured", "Blindness was not measured.", reason="the model offers no gradient", question=3),
    ]


def preflight() -> list[dict[str, Any]]:
    classes = [{"class": name, "n": 66, "estimate": estimate(value, unit="accuracy")} for name, value in (("normal", 0.95), ("abnormal <i>", 0.88))]
    return [
        finding(
            "preflight/accuracy",
            "pass",
            "The classifier is right on 91.7 % of the samples.",
            estimate=estimate(0.917, 0.045, unit="accuracy"),
            details={"classes": classes},
        ),
        finding(
            "preflight/masks",
            "pass",
            "71 of 133 samples have a marked region.",
            details={"not_applicable": [{"zone": "outside", "reason": "empty mask", "n": 62}]},
        ),
        finding(
            "leftover/auc",
            "inconclusive",
            "What is left when the inside is blanked separates the classes with AUC 0.58.",
            estimate=estimate(0.58, 0.1, unit="AUC"),
            tolerance=0.6,
            reason="The interval holds the tolerance.",
            details={
                "tables": [
                    {
                        "title": "By in-painter",
                        "columns": ["In-painter", "AUC", "n"],
                        "rows": [["biharmonic", estimate(0.58, 0.1, unit="AUC"), 133], ["nearest", None, 0]],
                    }
                ]
            },
        ),
    ]


def audit() -> dict[str, Any]:
    """Return the facts of an audit, a script among its texts."""
    facts: dict[str, Any] = json.loads((Path(__file__).parent / "audit.json").read_text())
    return facts


def write_evidence(out: Path) -> None:
    """Write images, masks, maps and the index of three cases, one of them broken."""
    folder, rng = out / "evidence", np.random.default_rng(0)
    folder.mkdir()
    rows, columns = np.mgrid[:64, :64]
    lesion = (rows - 30) ** 2 + (columns - 36) ** 2 < 90
    original = np.clip(90 + 60 * lesion + rng.normal(0, 9, (64, 64)), 0, 255).astype(np.uint8)
    moved = np.where(lesion, original, np.clip(original.astype(int) + rng.choice([-2, 2], (64, 64)), 0, 255)).astype(np.uint8)
    for name, array in (("original", original), ("adversarial", moved), ("mask", lesion * np.uint8(255)), ("zone", ~lesion * np.uint8(255))):
        Image.fromarray(array).save(folder / f"{name}.png")
    for moment, centre in (("before", lesion.astype(float)), ("after", np.roll(lesion, 18, axis=1).astype(float))):
        np.save(folder / f"{moment}.npy", centre + rng.normal(0, 0.2, (64, 64)))
    files = {
        **{name: f"{name}.png" for name in ("original", "mask", "zone", "adversarial")},
        **{f"map_{moment}/{method}": f"{moment}.npy" for moment in ("before", "after") for method in ("integrated_gradients", "saliency")},
    }
    case = {
        "finding": "exposure/outside",
        "sample": "TCGA_CS_4941_19960909_12",
        "label": "abnormal",
        "before": "abnormal",
        "after": "normal",
        "epsilon": EPSILONS[1],
        "norm": "linf",
        "zone": "outside",
        "size": EPSILONS[1],
        "files": files,
        "text": "",
    }
    broken = {**case, "files": {"original": "../../secret.png", "mask": "absent.png", "adversarial": "index.json"}}
    cases = [{**case, "rule": "worst"}, {**case, "rule": "median", "sample": MISCHIEF}, {**broken, "rule": "best"}]
    (folder / "index.json").write_text(json.dumps({"cases": cases}))


def write(out: Path, data: dict[str, Any]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    (out / "findings.json").write_text(json.dumps(data))
    return out


def nothing_much() -> dict[str, Any]:
    """Return findings without details and an audit without facts."""
    return {"audit": {}, "findings": [{**item, "details": {}, "estimate": None} for item in everything()["findings"]]}


def everything() -> dict[str, Any]:
    return {"audit": audit(), "findings": [*preflight(), *reliance(), *fairness(), *attribution(), *exposure()]}


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an output folder with everything in it; tests do not change it."""
    out = write(tmp_path_factory.mktemp("report") / "full", everything())
    write_evidence(out)
    return out


@pytest.fixture(scope="session")
def rendered(full: Path) -> Path:
    """Return that folder with its three reports."""
    render(full)
    return full


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return an output folder that holds next to nothing: no evidence, empty audit, findings without details."""
    return write(tmp_path / "bare", nothing_much())
