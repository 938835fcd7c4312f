"""What an audit file says of its report: cover, privacy, annexes."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator


class ReportSection(BaseModel):
    """A part of the audit file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HiringSpec(ReportSection):
    """What the annex on hiring must know and no data hold: the columns, and what the New York City rules want to be
    stated.
    """

    sex: str
    """Group column of the categories of sex."""
    race: str
    """Group column of the categories of race and ethnicity."""
    data: Literal["historical", "test"] = "historical"
    """Whether the rows are of real use of the tool, or test data."""
    why_test: str = ""
    """Why historical data were not used, and how the test data were made; needed where `data` is 'test'."""
    source: str = ""
    """Where the data come from, in a sentence."""
    distribution_date: date | None = None
    """Since when the tool has been in use in this form, as 2026-01-31."""
    audit_date: date | None = None
    """Date of this audit; reports hold no date of their own, so that the same run gives the same bytes."""

    @model_validator(mode="after")
    def _test_data_are_explained(self) -> HiringSpec:
        if self.data == "test" and not self.why_test.strip():
            raise ValueError("expected 'why_test', a sentence on why test data are used and how they were made")
        if self.sex == self.race:
            raise ValueError("expected two columns, one of sex and one of race")
        return self


class ReportSpec(ReportSection):
    """What the report's cover says, whether it shows images or cells, and which annexes it has."""

    organisation: str = ""
    """Who asked for the audit, for the cover."""
    reviewer: str = ""
    """Who reviews the audit, for the cover."""
    privacy: Literal["thumbnails", "none"] = "thumbnails"
    """Whether pictures or cells of single samples stand in the report ('thumbnails') or are left out of it ('none').
    The folder `evidence/` holds them in either case."""
    annex: list[Literal["hiring"]] = []
    """'hiring': tables shaped as the rules of New York City Local Law 144 ask for them; needs `hiring`."""
    hiring: HiringSpec | None = None
    """What the annex on hiring must know."""

    @model_validator(mode="after")
    def _annex_is_declared(self) -> ReportSpec:
        if "hiring" in self.annex and self.hiring is None:
            raise ValueError("expected 'hiring' with the columns 'sex' and 'race', which the annex 'hiring' needs")
        return self
