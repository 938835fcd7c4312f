"""evidence/index.json -> the cases of the gallery, as the modality draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditor.core.errors import AuditorError
from auditor.report.case import Case
from auditor.report.stages import rendering
from auditor.report.words import printable


def cases(out: Path, audit: Mapping[str, Any]) -> list[Case]:
    """Return the cases that the evidence folder holds; none where it has no index (AuditorError where the index is not
    JSON).
    """
    index = out / "evidence" / "index.json"
    if not index.is_file():
        return []
    try:
        found = printable(json.loads(index.read_text(encoding="utf-8"))).get("cases", [])
    except (ValueError, AttributeError) as error:
        raise AuditorError(
            f"{index}: expected an index of cases as JSON, got something else ({error}); run `auditor judge` again."
        ) from None
    make = rendering(audit).make_case
    return [make(item, index.parent, audit) for item in found if isinstance(item, Mapping)]
