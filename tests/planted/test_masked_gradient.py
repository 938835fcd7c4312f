"""A model that hides its gradient is not cleared, its open twin is caught, and a truly robust one passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.core.records import Finding
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.run import run

pytestmark = pytest.mark.slow

MODELS = '''
import torch
from torch import nn


class Model(nn.Module):
    """Decides by the mean brightness, and, unless robust, by ten times the left half over the right one too.

    That difference is 0 in the data.
    """

    def __init__(self, robust=False, masked=False):
        super().__init__()
        self.weight, self.masked = nn.Parameter(torch.tensor(0.0 if robust else 10.0)), masked

    def forward(self, x):
        if self.masked:
            x = x.detach() + 0 * x
        side = torch.linspace(-1, 1, x.shape[-1], device=x.device).sign()
        z = x.mean((1, 2, 3)) - 0.5 + self.weight * (x * side).mean((1, 2, 3))
        return 20 * torch.stack([-z, z], 1)
'''
AUDIT = """
model:
  source: python
  path: "models.py:Model"
  settings: {settings}
  classes: [dark, bright]
  input: {{size: 16, channels: 1}}
data: {{manifest: manifest.csv, image: path, label: label, mask: mask, id: path}}
threat: {{epsilon: [4/255, 8/255], primary: 8/255}}
attack: {{name: pgd, settings: {{steps: 10}}}}
checks: {{attack_quality: {{samples: 40}}, exposure: {{zones: [outside]}}}}
"""
MODEL_SETTINGS = {"open": "{}", "masked": "{masked: true}", "robust": "{robust: true}"}
N = 80


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Finding]]:
    """Return model -> its findings by id."""
    folder = tmp_path_factory.mktemp("masked")
    (folder / "models.py").write_text(MODELS)
    rng, lines = np.random.default_rng(0), ["path,label,mask"]
    mask = np.zeros((16, 16), np.uint8)
    mask[6:10, 6:10] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    for row in range(N):
        half = rng.normal(0.35 + 0.3 * (row % 2), 0.03, (16, 8))
        Image.fromarray((255 * np.hstack([half, half[:, ::-1]]).clip(0, 1)).astype(np.uint8)).save(
            folder / f"{row}.png"
        )
        lines.append(f"{row}.png,{('dark', 'bright')[row % 2]},mask.png")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return {name: audited(folder, name) for name in MODEL_SETTINGS}


def audited(folder: Path, name: str) -> dict[str, Finding]:
    audit = folder / f"{name}.yaml"
    audit.write_text(AUDIT.format(settings=MODEL_SETTINGS[name]))
    out = folder / name
    run(prepare(audit, trust_code=True, only=("exposure", "attack_quality")), out).close()
    return {finding.id: finding for finding in judge(out)}


def signs(found: dict[str, Finding]) -> set[str]:
    return {
        name.removeprefix("attack_quality/")
        for name, finding in found.items()
        if finding.check == "attack_quality" and finding.verdict == "fail"
    }


def test_the_hidden_gradient_is_named_and_nothing_is_cleared(findings: dict[str, dict[str, Finding]]) -> None:
    found = findings["masked"]
    assert signs(found) >= {"gradient", "black-box", "large-epsilon"}
    exposure = found["exposure/outside"]
    assert exposure.estimate is not None and exposure.estimate.value == 0, "the attack itself finds nothing"
    assert exposure.verdict == "inconclusive" and "cannot be believed (attack_quality/gradient)" in exposure.reason
    assert "preprocess" in exposure.advice or "square" in exposure.advice


def test_the_open_twin_is_caught_without_any_sign(findings: dict[str, dict[str, Finding]]) -> None:
    assert findings["open"]["exposure/outside"].verdict == "fail" and not signs(findings["open"])


def test_the_robust_twin_passes_without_any_sign(findings: dict[str, dict[str, Finding]]) -> None:
    assert findings["robust"]["exposure/outside"].verdict == "pass" and not signs(findings["robust"])
    assert {finding.verdict for name, finding in findings["robust"].items() if finding.check == "attack_quality"} == {
        "pass"
    }
