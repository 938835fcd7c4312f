"""Numbers, verdicts and names in the words and the typography of the report."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Undefined

from auditor.core.records import Estimate
from auditor.core.zones import control_number

SYMBOLS = {"pass": "✓", "fail": "✕", "inconclusive": "?", "not_measured": "○"}
WORDS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive", "not_measured": "Not measured"}
MEANINGS = {
    "fail": "the whole interval lies beyond the tolerance",
    "inconclusive": "too few samples to tell, or a control casts doubt on the measurement",
    "not_measured": "no number exists, for the reason given",
    "pass": "the whole interval lies within the tolerance",
}
_ZONES = {
    "outside": "outside the marked region",
    "inside": "inside the marked region",
    "everywhere": "the whole input",
    "": "no zone",
}
CONTROLS = ("shifted", "turned or mirrored", "cut into tiles and scattered")
NORMS = {
    "linf": "every value may change by at most this much",
    "l2": "the Euclidean length of the whole change is at most this much",
    "l1": "the absolute changes add up to at most this much",
    "l0": "at most this many values may change",
}
UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""Characters that XML forbids, or that reorder the text around them."""
NONE = "not measured"


def printable(value: Any) -> Any:
    """Return JSON data with every unsafe character of its texts replaced by U+FFFD."""
    if isinstance(value, str):
        return UNSAFE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {printable(key): printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [printable(item) for item in value]
    return value


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> str:
    """Return a number with as many digits as a reader can use.

    >>> number(0.1234), number(-2.5), number(None)
    ('0.123', '−2.5', 'not measured')
    """
    if not is_number(value):
        return NONE
    if abs(value) >= 10_000:
        text = f"{round(value):,}".replace(",", "\u202f")
    elif isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1):
        text = str(int(value))
    elif value == 0:
        text = "0"
    elif abs(value) < 0.001:
        text = f"{value:.1e}"
    else:
        text = f"{value:.3f}" if abs(value) < 1 else f"{value:.4g}"
    return text.replace("-", "−")


def amount(value: Any, share: bool = False) -> str:
    """Return a number; one that is a share in per cent.

    >>> amount(0.123, share=True).split()
    ['12.3', '%']
    """
    if not is_number(value) or not share:
        return number(value)
    return f"{100 * value:.1f}".removesuffix(".0").replace("-", "−") + "\u00a0%"


def declared(value: Any, share: bool = False, two_sided: bool = False) -> str:
    """Return a tolerance as it was declared, without digits that nobody wrote; with both signs where it holds on both
    sides of zero.

    >>> declared(0.1, share=True).split(), declared(0.8)
    (['10', '%'], '0.8')
    """
    if not is_number(value):
        return NONE
    text = f"{100 * value:.3g}\u00a0%" if share else f"{value:.6g}"
    return ("±" if two_sided else "") + text.replace("-", "−")


def interval(estimate: Estimate) -> str:
    """Return an estimate's interval in brackets, such as '[8.1 %, 17.2 %]'."""
    return f"[{amount(estimate.low, estimate.share)}, {amount(estimate.high, estimate.share)}]"


def estimate_text(estimate: Estimate | None, reason: str = "") -> str:
    """Return an estimate with its interval, or that it was not measured and why."""
    if estimate is None:
        return f"{NONE}: {reason}" if reason else NONE
    return f"{amount(estimate.value, estimate.share)} {interval(estimate)}"


def size_text(estimate: Estimate | None) -> str:
    """Return what an estimate rests on, such as 'n = 133 from 24 units' (patients)."""
    if estimate is None:
        return "n = 0"
    units = (
        f" from {number(estimate.units)} units" if estimate.units is not None and estimate.units != estimate.n else ""
    )
    return f"n = {number(estimate.n)}{units}"


def p_text(value: Any) -> str:
    """Return a p-value; an empty text where there is none."""
    if not is_number(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def zone_text(zone: Any) -> str:
    """Return a zone's name in words.

    >>> zone_text("control/2"), zone_text("organ")
    ('control region 2 (outside, cut into tiles and scattered at random: same size)', "the zone 'organ'")
    """
    name = str(zone or "")
    number = control_number(name)
    if number is not None:
        return f"control region {number} (outside, {CONTROLS[number % 3]} at random: same size)"
    return _ZONES.get(name, f"the zone '{name}'")


def value_grid(audit: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data's value grid (levels, low, high) where epsilon counts steps of it: under the norm linf; else
    nothing.
    """
    norm = (audit.get("threat") or {}).get("norm") or "linf"
    return audit.get("data") or {} if norm == "linf" else {}


def plain(value: Any) -> str:
    """Return a setting as a reader would write it: JSON, but texts without quotes."""
    if isinstance(value, Undefined):
        return "not recorded"
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def counts(missing: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return the reasons of a kind with their counts, for a column that says the kind.

    >>> counts([{"kind": "not applicable", "reason": "empty mask", "n": 62}], "not applicable")
    '62 empty mask'
    """
    return "; ".join(f"{number(one['n'])} {one['reason']}" for one in missing if one["kind"] == kind)


def sentence(text: str) -> str:
    """Return a text as a sentence: a capital first, a full stop last."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "!", "?")) else ".")


def anchor(name: str) -> str:
    """Return the name under which a finding can be linked to."""
    return "finding-" + re.sub(r"[^\w.-]+", "-", name)


def epsilon_text(epsilon: Any, data: Mapping[str, Any]) -> str:
    """Return epsilon in the data's own steps where it is a whole number of them, such as '2/255'."""
    if not is_number(epsilon):
        return ""
    steps = _steps(epsilon, data)
    return f"{steps}/{data['levels']}" if steps else number(epsilon)


def steps_text(epsilon: Any, data: Mapping[str, Any]) -> str:
    """Return an epsilon in the data's own steps, also between two of them, such as a mean of '3.4/255'."""
    if not is_number(epsilon):
        return ""
    steps = _scaled(epsilon, data)
    return f"{float(f'{steps:.3g}'):g}/{data['levels']}" if steps else number(epsilon)


def budget_text(epsilon: Any, data: Mapping[str, Any]) -> str:
    """Return one epsilon or several as a reader would say it, such as '1, 2 or 4 of 255 grey levels'."""
    several = [item for item in (epsilon if isinstance(epsilon, list | tuple) else [epsilon]) if is_number(item)]
    steps = [_steps(item, data) for item in several]
    if steps and all(steps):
        return f"{_either([str(item) for item in steps])} of {data['levels']} grey levels"
    return _either([epsilon_text(item, data) for item in several]) or NONE


def _either(names: Sequence[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), "".join(names[-1:])) if part)


def _steps(epsilon: float, data: Mapping[str, Any]) -> int:
    steps = _scaled(epsilon, data)
    return round(steps) if steps > 0.5 and abs(steps - round(steps)) < 1e-3 else 0


def _scaled(epsilon: float, data: Mapping[str, Any]) -> float:
    """Return an epsilon in steps of the value grid; 0 where the data have none."""
    levels, low, high = data.get("levels"), data.get("low", 0.0), data.get("high", 1.0)
    if not (is_number(levels) and is_number(low) and is_number(high)) or high <= low:
        return 0.0
    return float(epsilon / (high - low) * levels)
