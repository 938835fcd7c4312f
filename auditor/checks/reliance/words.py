"""How findings speak of what is exchanged: of an image its surroundings, of a table's row its columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExchangeWords:
    """How findings speak of what is exchanged: of an image its surroundings, of a table's row its columns."""

    source: str = "of the class evidence comes from outside the expert's mask"
    outside: str = "the outside"
    inside: str = "the inside"
    others: str = "Surroundings of another class"
    same: str = "those of the same class"
    takes: str = "take the decision in"
    kind: str = "class"
    transplants: str = "transplants"
    advice: str = (
        "Do not rely on this model where the surroundings may differ: find what it reads, remove or balance it in"
        " training, and audit again. The findings near, far and where say in which part of the picture it lies."
    )
    flip_advice: str = (
        "Expect wrong decisions where a finding appears in surroundings that usually go with another class."
    )
    more: str = "Audit more patients with masks before relying on the model's focus."
    arms: str = "Arms of the transplant experiment: mean margin for the class of the recipient"
    arm_columns: tuple[str, ...] = ("Arm", "Inside comes from", "Outside comes from", "Margin and interval")


IMAGE_WORDS = ExchangeWords()
