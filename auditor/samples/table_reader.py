"""A table file of whatever program -> its cells as texts: the one reader of manifests and tables."""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from auditor.core.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})*")
_KINDS = ".csv, .tsv, .xlsx or .parquet"


class TextTable(NamedTuple):
    """A table as texts."""

    frame: DataFrame
    """Every cell as text; an empty or missing one is ''."""
    notes: tuple[str, ...]
    """What was taken for granted in reading it."""


def read_table(file: Path, what: str = "a manifest") -> TextTable:
    """Return a CSV or TSV file (both also packed, as .csv.gz), an Excel workbook's first sheet or a Parquet file.

    Cells may be separated by commas, semicolons, tabs or bars: the header says which. A text that is not UTF-8 is read
    as Windows-1252. Where commas do not separate, they are decimal commas in columns of numbers (DataError: the file is
    missing or of another kind, or a row has more cells than the header).
    """
    import pandas

    try:
        if file.suffix.lower() == ".parquet":
            frame = pandas.read_parquet(file)
            return TextTable(frame.astype(object).where(frame.notna(), "").map(str), ())
        if file.suffix.lower() == ".xlsx":
            return TextTable(_excel(file), ())
        return _text(file)
    except FileNotFoundError:
        raise DataError(f"{file}: expected {what} ({_KINDS}), got: no such file.") from None
    except pandas.errors.ParserWarning:
        raise DataError(f"{file}: expected as many cells in every row as the header has names, got more.") from None
    except (OSError, ValueError, zlib.error, pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{file}: expected {what} ({_KINDS}), got: {reason}.") from None


def _excel(file: Path) -> DataFrame:
    import pandas

    try:
        return pandas.read_excel(file, dtype=str, keep_default_na=False, engine="openpyxl").fillna("")
    except ImportError:
        raise DataError(
            f"{file}: to read Excel workbooks, run pip install 'auditor[tabular]', or save the sheet as CSV."
        ) from None


def _text(file: Path) -> TextTable:
    import pandas

    content = file.read_bytes()
    content = gzip.decompress(content) if file.suffix.lower() == ".gz" else content
    notes: tuple[str, ...] = ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        notes += (f"{file.name} is not written in UTF-8 and was read as Windows-1252",)
    if "\0" in text:
        raise ValueError("bytes that are no text")
    separator = _separator(file, text)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        frame = pandas.read_csv(
            io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False
        ).fillna("")
    if separator != "," and ".tsv" not in file.name.lower():
        notes += (f"the cells of {file.name} are separated by {_SEPARATORS[separator]}",)
    if separator != ",":
        changed = [str(name) for name in frame.columns if _with_decimal_commas(frame, name)]
        if changed:
            notes += (f"decimal commas were read as points in {', '.join(changed)}",)
    return TextTable(frame, notes)


def _separator(file: Path, text: str) -> str:
    """Return what separates the names of the header: the most frequent of the known ones outside quotes."""
    if ".tsv" in [ending.lower() for ending in file.suffixes[-2:]]:
        return "\t"
    header = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(_SEPARATORS, key=header.count)


def _with_decimal_commas(frame: DataFrame, name: str) -> bool:
    """Put points in the place of decimal commas in a column of numbers and return whether there were any; where every
    comma may as well part thousands, the column stays as it is.
    """
    filled = [text.strip() for text in frame[name] if text.strip()]
    if not any("," in text for text in filled) or not all(_DECIMAL_COMMA.fullmatch(text) for text in filled):
        return False
    if all(_THOUSANDS.fullmatch(text) for text in filled):
        return False
    frame[name] = frame[name].str.replace(",", ".")
    return True
