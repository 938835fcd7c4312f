"""The HTML report -> a tagged A4 PDF, the same bytes for the same HTML."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from PIL import ImageFile

from auditor.core.errors import PdfError

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = (
    ("Report Sans", "DejaVuSans.ttf", "normal", "normal"),
    ("Report Sans", "DejaVuSans-Bold.ttf", "bold", "normal"),
    ("Report Sans", "DejaVuSans-Oblique.ttf", "normal", "italic"),
    ("Report Sans", "DejaVuSans-BoldOblique.ttf", "bold", "italic"),
    ("Report Mono", "DejaVuSansMono.ttf", "normal", "normal"),
)
_MISSING = (
    "report.pdf was not written because Pango could not be loaded ({error}); report.html was. "
    "Install it (Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0; "
    "Fedora: dnf install pango; macOS: brew install pango) and render again."
)


def to_pdf(html: str) -> bytes:
    """Return the PDF of a self-contained HTML page; no address but data and the built-in fonts is read (PdfError
    without Pango).
    """
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration
    except OSError as error:
        raise PdfError(_MISSING.format(error=str(error).partition("\n")[0])) from None
    finally:
        # WeasyPrint switches it on for the whole process: the next audit would take half an image for a whole one
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    fetcher, fonts = _fetcher(), FontConfiguration()
    sheet = weasyprint.CSS(string=_faces(), url_fetcher=fetcher, font_config=fonts)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher, base_url=None)
    identifier = hashlib.sha256(html.encode()).digest()[:16]
    with _undated():
        content = document.write_pdf(
            stylesheets=[sheet], font_config=fonts, pdf_variant="pdf/ua-1", pdf_identifier=identifier
        )
    return bytes(content)


@contextmanager
def _undated() -> Iterator[None]:
    """Keep the time of day out of embedded fonts: without HarfBuzz-Subset they are cut by fontTools, which writes it
    down unless this is set.
    """
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = before or "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]


def _faces() -> str:
    return "".join(
        f'@font-face {{font-family: "{family}"; src: url("{(FONTS / name).as_uri()}"); font-weight: {weight};'
        f" font-style: {slant}}}\n"
        for family, name, weight, slant in FACES
    )


def _fetcher() -> Any:
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class Closed(URLFetcher):  # type: ignore[misc]
        """Reads data addresses and the built-in fonts; any other address stops the rendering."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.startswith(("data:", FONTS.as_uri())):
                raise FatalURLFetchingError(f"the report may not read {url[:80]}")
            return super().fetch(url, headers)

    return Closed(allowed_protocols=("data", "file"), allow_redirects=False, fail_on_errors=True)
