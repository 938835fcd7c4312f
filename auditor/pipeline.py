"""The whole audit in one call: prepare, measure, judge, keep evidence, render."""

from __future__ import annotations

import logging
from pathlib import Path

from auditor.config.config import Audit
from auditor.core.errors import PdfError
from auditor.core.records import Finding
from auditor.engine.cases import write_cases
from auditor.engine.folder import refuse_foreign
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import LOCAL, Execution, Progress, run, silent
from auditor.report.render import render


def audit(
    source: Path | str | Audit,
    *,
    out: Path | str,
    base: Path | str = ".",
    device: str = "cpu",
    trust_code: bool = False,
    limit: int | None = None,
) -> list[Finding]:
    """Return the findings of an audit; everything is written to the folder `out`, and what it already holds is not
    measured again.

    Parameters
    ----------
    source
        Path of an audit file, or an Audit whose paths are relative to `base`.
    limit
        Audit only this many samples, drawn by seed and id.
    """
    refuse_foreign(Path(out))
    prepared = prepare(
        source if isinstance(source, Audit) else Path(source),
        base=Path(base),
        device=device,
        trust_code=trust_code,
        limit=limit,
    )
    return finish(prepared, Path(out))


def finish(
    prepared: Prepared,
    out: Path,
    *,
    execution: Execution = LOCAL,
    fresh: bool = False,
    progress: Progress = silent,
    pdf: bool = True,
) -> list[Finding]:
    """Return the findings of a prepared audit: measure what is missing, judge, write evidence and reports.

    Where only the PDF cannot be made, that is logged as a warning and the findings stand.
    """
    with run(prepared, out, execution=execution, fresh=fresh, progress=progress) as store:
        findings = judge(out)
        write_cases(prepared, store, findings)
    try:
        render(out, pdf=pdf)
    except PdfError as error:
        logging.getLogger(__name__).warning("No PDF: %s", error)
    return findings
