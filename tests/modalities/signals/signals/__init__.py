"""Signals of one axis under an expert's mask: the smallest modality, as another package would bring it."""

from auditor.core.modality import Modality, Words

MODALITY = Modality(
    name="signal",
    home="signals",
    words=Words(sample="signal", samples="signals"),
    sources=("signals",),
    norms=("linf", "l2"),
    threat={"norm": "linf", "epsilon": [0.1, 0.3], "primary": 0.3},
    attack={"name": "pgd", "settings": {"steps": 5}},
    packages=("torch", "numpy"),
    exported={"clean": ("predicted", "correct", "margin"), "evasion": ("fooled", "size")},
)
