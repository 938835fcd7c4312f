"""report.html: one file, the same bytes every time, nothing fetched, nothing hidden."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from auditor.core.errors import AuditorError
from auditor.core.records import VERDICTS
from auditor.report import words
from auditor.report.render import load, page, render

CONFUSED: list[dict[str, Any]] = [
    {
        "audit": {"data": None, "model": None, "threat": None, "checks": None, "report": None, "trials": None},
        "findings": [],
    },
    {
        "audit": {
            "data": {"groups": {"sex": {"": 3}}, "levels": "many", "masks": {}},
            "threat": {"epsilon": [0.1], "norm": "l2"},
        },
        "findings": [],
    },
]


class Reader(HTMLParser):
    """Collects what a page would load, what it runs, and what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def html_of(out: Path) -> str:
    return page(out, *load(out))


@pytest.mark.slow
def test_twice_is_byte_equal(rendered: Path) -> None:
    assert html_of(rendered).encode() == (rendered / "report.html").read_bytes()


def test_every_region_has_its_row(rendered: Path) -> None:
    html = (rendered / "report.html").read_text()
    table = html[html.index("Masks and named zones") :].partition("</table>")[0]
    rows = [
        [re.sub(r"\s+", " ", read(cell).text).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>.*?</tr>", table)
    ]
    assert rows[1:] == [
        ["inside: the marked region (mask | rim)", "71", "62", "0", "0", "3 % (1 % to 20 %)"],
        ["air <b> (not organ & 1 < 2)", "120", "0", "0", "13", "61.2 % (50 % to 70 %)"],
        ["void", "0", "100", "20", "13", "none"],
    ]


def test_nothing_is_fetched_and_nothing_runs(rendered: Path) -> None:
    html = (rendered / "report.html").read_text()
    loads = [
        value
        for _, attributes in read(html).tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "poster")
    ]
    assert loads and all(value and value.startswith(("data:image/", "#")) for value in loads)
    assert not any(tag in ("script", "iframe", "object", "embed", "form", "link") for tag, _ in read(html).tags)
    assert not any(name.startswith("on") for _, attributes in read(html).tags for name in attributes)
    assert "default-src 'none'" in html and not re.search(r"url\(|@import", html)


def test_every_picture_has_a_text_alternative(rendered: Path) -> None:
    pictures = [attributes for tag, attributes in read((rendered / "report.html").read_text()).tags if tag == "img"]
    assert len(pictures) > 30
    assert all((attributes.get("alt") or "").strip() for attributes in pictures)


def test_ids_are_unique_and_links_lead_somewhere(rendered: Path) -> None:
    tags = read((rendered / "report.html").read_text()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(attributes["href"])[1:] for tag, attributes in tags if tag == "a"} <= set(ids)


def test_text_of_the_audit_file_stays_text(rendered: Path) -> None:
    html = (rendered / "report.html").read_text()
    assert "<script" not in html and "&lt;script&gt;" in html and "<b>Zürich" not in html


def test_every_finding_with_its_reason_and_every_verdict_is_shown(rendered: Path) -> None:
    text = read((rendered / "report.html").read_text()).text
    for item in json.loads((rendered / "findings.json").read_text())["findings"]:
        assert item["id"] in text and item["claim"] in text and item["reason"] in text
    assert all(words.SYMBOLS[verdict] in text and words.WORDS[verdict] in text for verdict in VERDICTS)


@pytest.mark.parametrize(
    "text",
    [
        "62 empty mask",
        "2/255",
        "1, 2, 4 or 8 of 255 grey levels",
        "Kantonsspital Beispiel & Söhne",
        "too few to say: 3 of at least 12 samples",
        "the attack broke off: chunk 3 failed twice",
        "biharmonic",
        "This check made no finding",
        "NISTAML.022",
        "the file is missing",
        "points outside the evidence folder",
        "auditor verify OUT",
        "under 30",
        "worst, the median and the best",
        "A security finding, never by itself evidence of a shortcut.",
        "4/255 [3/255, 4/255]",
        "44 of 64, up to 16/255",
        "at least 16/255: 44 of 64 samples were not flipped up to 16/255",
        "By sex",
        "7 samples have no value in this column",
        "Correct predictions under attack, by race, at 2 of 255 grey levels",
        "Sensitivity: the share of its samples that are recognised",
        "Tests, robustness: Permutation of the groups p ",
        "(whether male and female differ by the same odds in every class); Log-rank p ",
        "labels of held-out units exchanged, 2000 times; p = ",
        "judged on female",
        "a table of all pairs would not fit the page",
        "11 groups below these",
        "Intersections (exploratory)",
        "7 samples lack a value in one of the columns",
        "Compared with outside, value by value: inside the expert's mask 6.3",
        (
            "At the budget of the verdict this search also flips samples that the attack at that budget missed: 1"
            " outside the expert's mask"
        ),
    ],
)
def test_what_the_reader_must_find(rendered: Path, text: str) -> None:
    assert text in read((rendered / "report.html").read_text()).text


def test_an_empty_audit_is_rendered_without_a_pass(tmp_path: Path) -> None:
    (tmp_path / "findings.json").write_text('{"audit": {}, "findings": []}')
    text = read(html_of(tmp_path)).text
    assert text.count("Not measured: no check in this audit answers this question.") == 4
    assert "✓\xa0Pass" not in text.replace("✓\xa0Pass: the whole", "")


@pytest.mark.parametrize("data", CONFUSED)
def test_partial_audits_are_rendered(tmp_path: Path, data: dict[str, Any]) -> None:
    (tmp_path / "findings.json").write_text(json.dumps(data))
    assert "Full ledger" in html_of(tmp_path)


@pytest.mark.slow
def test_privacy_none_shows_no_sample(full: Path, tmp_path: Path) -> None:
    audit, findings = load(full)
    shown, hidden = (
        page(full, {**audit, "report": {"privacy": privacy}}, findings) for privacy in ("thumbnails", "none")
    )
    assert "Original of sample" in shown
    assert "Original of sample" not in hidden and "privacy: none" in hidden and "data:image/png" not in hidden


def test_unsafe_characters_are_replaced(bare: Path) -> None:
    data = json.loads((bare / "findings.json").read_text())
    data["audit"]["title"] = "a\x00b\ud800c\u202ed"
    (bare / "findings.json").write_text(json.dumps(data))
    render(bare, pdf=False)
    assert "a\ufffdb\ufffdc\ufffdd" in (bare / "report.html").read_text()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"audit": {}}', '{"audit": {}, "findings": [{"id": "x"}]}', '{"audit": [], "findings": []}']
)
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "findings.json").write_text(content)
    with pytest.raises(AuditorError, match=r"findings\.json: expected an object"):
        render(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["findings.json"]


def test_findings_of_an_earlier_version_are_refused_in_one_sentence(bare: Path) -> None:
    data = json.loads((bare / "findings.json").read_text())
    data["findings"][0]["details"] = {"zone": "outside"}
    (bare / "findings.json").write_text(json.dumps(data))
    with pytest.raises(
        AuditorError, match=r"the field 'details' is of another version\); run `auditor judge` first\.$"
    ):
        render(bare, pdf=False)


def test_a_display_of_another_version_is_refused_in_one_sentence(bare: Path) -> None:
    data = json.loads((bare / "findings.json").read_text())
    data["findings"][0]["displays"] = [{"kind": "hologram"}]
    (bare / "findings.json").write_text(json.dumps(data))
    with pytest.raises(AuditorError, match=r"display 0: [^\n]*hologram[^\n]*run `auditor judge` first\.$"):
        render(bare, pdf=False)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditorError, match="found no file"):
        render(tmp_path)


def test_an_unknown_verdict_is_refused(bare: Path) -> None:
    (bare / "findings.json").write_text((bare / "findings.json").read_text().replace('"inconclusive"', '"maybe"'))
    with pytest.raises(AuditorError, match="'maybe'"):
        render(bare)


@pytest.mark.slow
def test_rendering_needs_no_torch(bare: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\nfrom pathlib import Path\nfrom auditor.report.render import"
        " render\nrender(Path(sys.argv[1]), pdf=False)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(bare)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (bare / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("apart", "said"), [("pass", "It tells them apart"), ("inconclusive", "It is not shown to")])
def test_the_first_page_says_where_a_model_may_know_nothing(full: Path, apart: str, said: str) -> None:
    audit, findings = load(full)
    sure = [replace(one, verdict="pass") if one.check == "preflight" else one for one in findings]
    unsure = {"preflight/accuracy": "fail", "preflight/discrimination": apart}
    doubtful = [replace(one, verdict=unsure.get(one.id, one.verdict)) for one in sure]
    plain, noted = (page(full, audit, some) for some in (sure, doubtful))
    assert "does the model know the classes?" not in plain
    assert "does the model know the classes?" in noted and said in noted
