"""A small study that the engine's and the command line's tests share: the demonstration's images, a smaller audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.demo.image import write_image_demo

SMALL = """
title: Small audit
model: {{source: timm, name: resnet10t, settings: {settings}, weights: {name}.safetensors, classes: [benign, malignant], input: {input}}}
data: {{manifest: manifest.csv, id: id, image: path, label: label, mask: mask, unit: patient_id, groups: [sex]}}
threat: {{norm: linf, epsilon: [4/255, 8/255], primary: 4/255}}
attack: {{name: pgd, settings: {{steps: 5}}}}
checks: {{exposure: {{zones: [outside, everywhere, control/0]}}, reliance: {{donors: 2}}, fairness: {{minimum_group: 5}}, attribution: {{methods: [saliency], samples: 30}}}}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the demonstration's data and two small audit files, honest.yaml and marker.yaml."""
    from auditor.demo.image import INPUT, SETTINGS

    folder = tmp_path_factory.mktemp("study")
    write_image_demo(folder)
    for name in ("honest", "marker"):
        (folder / f"{name}.yaml").write_text(SMALL.format(name=name, settings=SETTINGS, input=INPUT))
    return folder
