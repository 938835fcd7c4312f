"""report.pdf: tagged, titled, complete, and the same bytes every time."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
import pypdf
import pytest
from PIL import ImageFile

from auditor.core.errors import AuditorError
from auditor.report.pdf import to_pdf
from auditor.report.render import render

SHORT = '<html lang="en"><head><title>Short</title></head><body><main><p>A page.</p></main></body></html>'

HEADINGS = (
    "The answer on one page",
    "What was tested and what was not",
    "Data and groups",
    "Before the audit: preflight",
    "Question 1",
    "Question 2",
    "Question 3",
    "Question 4",
    "Further checks",
    "Case gallery",
    "Method cards",
    "How to reproduce",
    "Full ledger",
    "Glossary",
)


@dataclass(frozen=True)
class Sheet:
    """A page of the PDF: its words, where each run of them starts, and its width."""

    text: str
    places: list[float]
    width: float


@pytest.fixture(scope="module")
def sheets(rendered: Path) -> list[Sheet]:
    """Return the pages of the report; reading them takes pypdf ten seconds."""
    found = []
    for sheet in pypdf.PdfReader(rendered / "report.pdf").pages:
        places: list[float] = []
        text = sheet.extract_text(
            visitor_text=lambda text, cm, tm, font, size, into=places: (
                into.append(tm[4] * cm[0] + cm[4]) if text.strip() else None
            )
        )
        # pypdf leaves the upper byte of some two-byte characters standing as NUL.
        found.append(Sheet(" ".join(text.replace("\0", "").split()), places, float(sheet.mediabox.width)))
    return found


@pytest.fixture(scope="module")
def texts(sheets: list[Sheet]) -> list[str]:
    return [sheet.text for sheet in sheets]


def titles(bookmarks: Sequence[Any]) -> Iterator[str]:
    """Yield the titles of a PDF's bookmarks, at every depth; the text of a page may break words at ligatures."""
    for one in bookmarks:
        if isinstance(one, list):
            yield from titles(one)
        else:
            yield str(one.title)


def test_every_section_is_there_and_no_page_is_empty(rendered: Path, texts: list[str]) -> None:
    assert len(texts) > 3
    found = " ".join(titles(pypdf.PdfReader(rendered / "report.pdf").outline))
    assert [heading for heading in HEADINGS if heading not in found] == []
    assert all(len(text) > 120 for text in texts)


def test_the_answer_fits_the_second_page(texts: list[str]) -> None:
    assert (
        "The answer on one page" in texts[1]
        and "verdict of a question is the worst" in texts[1]
        and "Threat model" in texts[2]
    )


def test_pages_are_numbered(texts: list[str]) -> None:
    assert all(f"page {number} of {len(texts)}" in text for number, text in enumerate(texts, start=1))


def test_it_is_tagged_titled_and_has_bookmarks(rendered: Path) -> None:
    with pikepdf.open(rendered / "report.pdf") as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "en"
        assert "Glioma slice classifier" in str(pdf.docinfo["/Title"])
        with pdf.open_outline() as outline:
            assert any("Question 4" in item.title for item in outline.root)
        with pdf.open_metadata() as metadata:
            assert metadata.get("pdfuaid:part") == "1"


def test_every_picture_of_the_page_is_in_it_with_its_text(rendered: Path) -> None:
    html = (rendered / "report.html").read_text()
    with pikepdf.open(rendered / "report.pdf") as pdf:
        alternatives = [
            item
            for item in pdf.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure" and "/Alt" in item
        ]
    assert len(alternatives) == len(re.findall("<img ", html))


def test_nothing_reaches_over_the_edge(sheets: list[Sheet]) -> None:
    """A word that starts right of the page's text would be cut off in print."""
    assert all(max(sheet.places) < sheet.width - 40 for sheet in sheets)


@pytest.mark.slow
def test_twice_is_byte_equal(bare: Path) -> None:
    data = json.loads((bare / "findings.json").read_text())
    data["findings"] = data["findings"][:3]
    (bare / "findings.json").write_text(json.dumps(data))
    render(bare)
    first = (bare / "report.pdf").read_bytes()
    render(bare)
    assert (bare / "report.pdf").read_bytes() == first


def test_without_pango_the_html_is_written_and_the_cure_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *rest, **more)

    (bare / "report.pdf").write_text("of an earlier run")
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(AuditorError, match="apt-get install libpango"):
        render(bare)
    assert sorted(path.name for path in bare.iterdir()) == ["findings.json", "junit.xml", "report.html"]


@pytest.mark.slow
def test_no_other_address_is_read() -> None:
    from weasyprint.urls import FatalURLFetchingError

    with pytest.raises(FatalURLFetchingError):
        to_pdf(SHORT.replace("</main>", '<img src="file:///etc/hostname" alt="x"></main>'))


@pytest.mark.slow
def test_truncated_images_are_still_refused_after_a_rendering() -> None:
    assert to_pdf(SHORT).startswith(b"%PDF")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
