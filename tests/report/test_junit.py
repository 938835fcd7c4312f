"""junit.xml: one test case per finding, and nothing skipped without a reason."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as xml

from auditor.report.junit import junit
from auditor.report.render import load


def test_it_counts_what_the_findings_say(full: Path) -> None:
    audit, findings = load(full)
    root = xml.fromstring(junit(findings, audit))
    verdicts = [finding.verdict for finding in findings]
    assert len(root.findall(".//testcase")) == len(findings) == int(root.attrib["tests"])
    assert len(root.findall(".//failure")) == verdicts.count("fail") == int(root.attrib["failures"])
    assert (
        len(root.findall(".//skipped"))
        == len(verdicts) - verdicts.count("fail") - verdicts.count("pass")
        == int(root.attrib["skipped"])
    )
    assert {case.attrib["name"] for case in root.iter("testcase")} == {finding.id for finding in findings}


def test_reasons_are_given(full: Path) -> None:
    audit, findings = load(full)
    root = xml.fromstring(junit(findings, audit))
    message = next(
        case.find("skipped")
        for case in root.iter("testcase")
        if case.attrib["name"] == "fairness/age_band/robustness-gap"
    )
    assert (
        message is not None and message.attrib["message"] == "Not measured: every age band has too few usable samples"
    )


def test_the_same_findings_give_the_same_bytes_and_odd_characters_parse(bare: Path) -> None:
    data = json.loads((bare / "findings.json").read_text())
    data["findings"][0] |= {"verdict": "fail", "claim": "a\x01 <&> \udc00", "reason": "]]>"}
    (bare / "findings.json").write_text(json.dumps(data))
    audit, findings = load(bare)
    content = junit(findings, audit)
    assert content == junit(findings, audit)
    assert "a\ufffd <&> \ufffd" in [failure.attrib["message"] for failure in xml.fromstring(content).iter("failure")]
