"""Where the templates are: packed into the wheel, or at the root of the checkout."""

from __future__ import annotations

from pathlib import Path

import auditor.report
from auditor.core.errors import AuditorError

PACKAGE = Path(auditor.report.__file__).parent.parent


def templates_dir(package: Path = PACKAGE) -> Path:
    """Return the folder of templates that belongs to a package folder (AuditorError where there is none)."""
    places = (package / "_templates", package.parent / "templates")
    for place in places:
        if (place / "report.html").is_file():
            return place
    raise AuditorError(
        f"report templates: expected them in {places[0]} or {places[1]}, found none; install the package again."
    )


def section_files(folder: Path, own: str = "") -> list[Path]:
    """Return the templates of the report's sections, in the order of their file names.

    Those in the modality's `own` folder stand in the place of the shared ones of the same name.
    """
    mine = sorted((folder / own).glob("[0-9]*.html")) if own else []
    found = {file.name: file for file in [*sorted((folder / "sections").glob("*.html")), *mine]}
    return [found[name] for name in sorted(found)]
