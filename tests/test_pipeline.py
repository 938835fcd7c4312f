"""The whole audit in one call."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import auditor
from auditor import pipeline
from auditor.config.config import load_audit
from auditor.core.errors import PdfError
from auditor.engine.prepare import prepare

pytestmark = pytest.mark.slow


def test_the_public_call_returns_the_findings_and_writes_them(study: Path, tmp_path: Path) -> None:
    declared = load_audit(study / "marker.yaml")
    few = declared.model_copy(update={"checks": {**declared.checks, "fairness": False, "attribution": False}})
    findings = auditor.audit(few, base=study, out=tmp_path, limit=16)
    assert {"preflight/accuracy", "reliance/outside-share", "exposure/outside"} <= {finding.id for finding in findings}
    assert (tmp_path / "report.pdf").exists() and (tmp_path / "findings.json").exists()


def test_without_a_pdf_the_findings_stand(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(out: Path, *, pdf: bool) -> list[Path]:
        raise PdfError("Pango is missing")

    monkeypatch.setattr(pipeline, "render", broken)
    with caplog.at_level(logging.WARNING):
        findings = pipeline.finish(prepare(study / "honest.yaml", limit=8, only=("preflight",)), tmp_path)
    assert findings and "No PDF: Pango is missing" in caplog.text
