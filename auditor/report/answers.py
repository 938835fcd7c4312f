"""Findings -> the answers to the four questions that a report opens with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.core.records import QUESTIONS, Finding, Verdict, worst

SHOWN = 2
"""At most this many claims make a headline; the rest are counted."""


@dataclass(frozen=True)
class Answer:
    """One question with its verdict, what decided it, and what to do."""

    number: int
    question: str
    verdict: Verdict
    headline: str
    """The claims of the primary findings that decided the verdict, or why nothing was measured."""
    advice: str
    findings: tuple[str, ...]
    """Ids of the deciding primary findings."""


def answers(findings: Sequence[Finding]) -> list[Answer]:
    """Return one answer per question of `records.QUESTIONS`: the worst of its primary findings.

    >>> answers([])[0].verdict
    'not_measured'
    """
    return [
        _answer(number, question, [finding for finding in findings if finding.question == number])
        for number, question in QUESTIONS.items()
    ]


def _answer(number: int, question: str, findings: list[Finding]) -> Answer:
    primary = [finding for finding in findings if finding.primary]
    if not primary:
        return Answer(
            number, question, "not_measured", _why_nothing(findings), _join(finding.advice for finding in findings), ()
        )
    verdict = worst([finding.verdict for finding in primary])
    deciding = [finding for finding in primary if finding.verdict == verdict]
    shown, rest = deciding[:SHOWN], len(deciding[SHOWN:])
    more = f" {rest} more finding{'s have' if rest > 1 else ' has'} the same verdict." if rest else ""
    headline = _join(_statement(finding) for finding in shown) + more
    return Answer(
        number,
        question,
        verdict,
        headline,
        _join(finding.advice for finding in shown),
        tuple(finding.id for finding in deciding),
    )


def _statement(finding: Finding) -> str:
    if finding.verdict != "not_measured" or not finding.reason or finding.reason in finding.claim:
        return finding.claim or finding.reason
    return f"{finding.claim} Reason: {finding.reason}".strip()


def _why_nothing(findings: list[Finding]) -> str:
    reasons = _join(finding.reason for finding in findings if finding.verdict == "not_measured")
    return f"Not measured. {reasons}" if reasons else "Not measured: no check in this audit answers this question."


def _join(sentences: Iterable[str]) -> str:
    distinct = dict.fromkeys(text.strip() for text in sentences if text.strip())
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in distinct)
