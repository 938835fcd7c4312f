"""Findings -> junit.xml, so that a build server shows an audit as a test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as xml

from auditor.core.records import Finding
from auditor.report.words import WORDS


def junit(findings: Sequence[Finding], audit: Mapping[str, Any]) -> bytes:
    """Return one test case per finding: a fail is a failure; inconclusive and not measured are skipped with their
    reason.
    """
    root = xml.Element("testsuites", {"name": str(audit.get("title") or "audit"), **_counts(findings)})
    for check, group in groupby(sorted(findings, key=lambda finding: finding.check), key=lambda finding: finding.check):
        cases = list(group)
        suite = xml.SubElement(root, "testsuite", {"name": f"auditor.{check}", **_counts(cases)})
        for finding in cases:
            _case(suite, finding)
    xml.indent(root)
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _counts(findings: Sequence[Finding]) -> dict[str, str]:
    verdicts = [finding.verdict for finding in findings]
    skipped = verdicts.count("inconclusive") + verdicts.count("not_measured")
    return {
        "tests": str(len(verdicts)),
        "failures": str(verdicts.count("fail")),
        "errors": "0",
        "skipped": str(skipped),
    }


def _case(suite: xml.Element, finding: Finding) -> None:
    case = xml.SubElement(suite, "testcase", {"classname": f"auditor.{finding.check}", "name": finding.id})
    if finding.verdict == "fail":
        xml.SubElement(case, "failure", {"message": finding.claim, "type": "fail"}).text = finding.reason
    elif finding.verdict != "pass":
        reason = finding.reason or finding.claim or "no reason was recorded"
        xml.SubElement(case, "skipped", {"message": f"{WORDS[finding.verdict]}: {reason}"})
    xml.SubElement(case, "system-out").text = finding.claim
