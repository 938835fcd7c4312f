"""What a spreadsheet would run is written so that it only shows."""

import pytest

from auditor.engine.export import harmless


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("-1.5", "-1.5"),
        ("+2", "+2"),
        ("plain", "plain"),
        ("a=b", "a=b"),
        ("", ""),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_formulas_are_texts(cell: object, written: object) -> None:
    assert harmless(cell) == written
