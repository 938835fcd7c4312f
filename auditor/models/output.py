"""What an audit file says of a network's output: which part of it counts, and what its numbers are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

OUTPUT_KINDS = ("logit", "sigmoid", "softmax")
"""What may be written as `output: KIND`; any other text or a number says which part of the output counts."""


class Output(BaseModel):
    """What comes out of a network, where it is not one logit per class."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["logits", "logit", "sigmoid", "softmax"] | None = None
    """What the numbers are: one logit per class; one logit or one probability of the second class; one probability per
    class. Found at random inputs where not given.
    """
    pick: Annotated[int, Field(ge=0)] | str | None = None
    """Of several outputs, which one: its place from 0, or its name."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of one output for two classes: the probability from which the answer is the second class; 0.5 where not given."""
    multilabel: str | None = None
    """Of a network that answers each class by itself: the class of interest, which is audited against the rest."""

    @model_validator(mode="after")
    def _fits_together(self) -> Output:
        if self.multilabel is not None and self.kind == "softmax":
            raise ValueError("expected `kind: sigmoid` or `kind: logit` for a network of several labels, got softmax")
        if self.threshold is not None and self.kind in ("logits", "softmax"):
            raise ValueError("expected a threshold only of one output for two classes, or beside `multilabel`")
        return self


def _written_short(given: Any) -> Any:
    """Return {kind: sigmoid} for `sigmoid`, and {pick: 0} for 0."""
    if isinstance(given, str):
        return {"kind": given} if given in OUTPUT_KINDS else {"pick": given}
    return {"pick": given} if isinstance(given, int) and not isinstance(given, bool) else given


OutputSetting = Annotated[
    Output | None, BeforeValidator(_written_short, json_schema_input_type=str | int | Output | None)
]
"""`output` as a source's setting: sigmoid, logit, softmax, a place or name among several outputs, or all of Output."""
