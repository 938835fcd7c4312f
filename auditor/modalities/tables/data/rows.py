"""Rows of a table from a CSV, TSV or Parquet file: columns inferred and declared, rules counted on the data first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError, nearest
from auditor.core.records import digest
from auditor.modalities.tables.data.columns import canonical_label, make_column
from auditor.modalities.tables.data.declared import CellValue, ColumnSpec, RuleSpec, declared_text
from auditor.modalities.tables.data.labels import favourable_class, label_codes
from auditor.modalities.tables.data.lint import notes_of
from auditor.modalities.tables.data.table_file import TableFile
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import ROLES, Table
from auditor.samples import data
from auditor.samples.manifest import spellings
from auditor.samples.samples import Loaded, Samples


@data.register("table", modality="table")
def table_rows(
    base: Path,
    classes: tuple[str, ...],
    takes: tuple[str, ...] | None,
    *,
    table: str,
    label: str,
    favourable: CellValue | None = None,
    id: str | None = None,
    unit: str | None = None,
    groups: list[str] = [],  # noqa: B006
    where: dict[str, list[CellValue] | CellValue] = {},  # noqa: B006
    drop: list[str] = [],  # noqa: B006
    missing: list[CellValue] = [],  # noqa: B006
    columns: dict[str, ColumnSpec] = {},  # noqa: B006
    rules: list[RuleSpec] = [],  # noqa: B006
) -> Samples:
    """Rows of a table (CSV, also packed, TSV, Parquet), as the classifier sees them before any encoding.

    The file is read once, as text: only an empty cell and the words in `missing` are missing. What every column is is
    inferred from the
    whole file, limits and supported levels from the rows kept. One number a cell stays in memory.

    Parameters
    ----------
    base
        Folder that `table` is relative to.
    classes
        Names of the classifier's classes.
    takes
        Columns that the classifier takes, in its order; None: all that are not label, id, unit, in `where` or dropped.
    table
        The file.
    label
        Column with the true class.
    id
        Column with a name for each row; its number in the file, from 1, when not given.
    unit
        Column that says which rows belong together, such as those of one person.
    favourable
        The class that people want; the last one when not given.
    groups
        Columns by which rows are compared, also such as the classifier does not take.
    where
        Column -> values to keep, compared as text.
    drop
        Columns that the classifier is not given.
    missing
        Further words that stand for a missing cell, such as '?'.
    columns
        Column -> what it is and what may be written to it; what is not declared is inferred.
    rules
        What must hold within every row.
    """
    file = TableFile(base / table, [declared_text(word) for word in missing])
    rows = _kept(file, where)
    names = _names(file, takes, {label, *(name for name in (id, unit) if name), *where}, drop=drop)
    _refuse_unknown(file, columns, names)
    whole = {name: file.cells(name, "which the classifier takes" if takes else "model") for name in names}
    made = [make_column(name, whole[name], rows, spec=columns.get(name, ColumnSpec())) for name in names]
    codes = np.stack([one for _, one in made], 1)
    shown = Table(tuple(column for column, _ in made), _rules(rules), favourable_class(favourable, classes))
    kept = Rules(shown)
    y, by_place = label_codes(file.cells(label, "label").at(rows), classes, file.path, rows=rows)
    ids = _ids(file, id, rows)
    units = file.cells(unit, "unit").at(rows).listed() if unit else ids
    attributes = {name: file.cells(name, "groups").at(rows).listed() for name in groups}
    inferred = [name for name in names if columns.get(name, ColumnSpec()).type is None]
    notes = notes_of(
        kept, codes, whole, inferred=inferred, favourable=favourable is None, classes=classes, by_place=by_place
    )
    codes.setflags(write=False)
    relevant, regions = shown.zone("relevant"), _regions(shown)
    declared = any(spec.role for spec in columns.values())
    content = [list(ids), list(y), list(units), {name: list(values) for name, values in attributes.items()}]
    return Samples(
        ids=ids,
        y=y,
        units=tuple(one or name for one, name in zip(units, ids, strict=True)),
        groups=attributes,
        shape=(len(shown),),
        low=0.0,
        high=1.0,
        levels=None,
        mask_share=(float(relevant.mean()) if declared else None,) * len(ids),
        digest=digest([digest(codes.tobytes()), shown.digest, *content]),
        loader=lambda position: Loaded(codes[position], relevant, regions),
        modality="table",
        notes=(*file.notes, *spellings(attributes), *notes),
        regions={name: (float(zone.mean()),) * len(ids) for name, zone in regions.items()},
        schema=shown,
    )


def _regions(shown: Table) -> dict[str, NDArray[np.bool_]]:
    """Return the columns of each role that some column has, beside the relevant ones, as a zone (columns,)."""
    roles = [role for role in ROLES if role != "relevant" and any(column.role == role for column in shown.columns)]
    return {str(role): shown.zone(role) for role in roles}


def _kept(file: TableFile, where: Mapping[str, list[CellValue] | CellValue]) -> NDArray[np.int64]:
    """Return the positions of the rows that `where` keeps (DataError: none)."""
    rows = np.arange(len(file))
    for name, values in where.items():
        cells = file.cells(name, "where")
        wanted = {declared_text(value) for value in (values if isinstance(values, list) else [values])}
        alike = {canonical_label(value) for value in wanted}
        good = np.array([*(text in wanted or canonical_label(text) in alike for text in cells.texts), "" in wanted])
        before, rows = rows, rows[good[cells.places[rows]]]
        if not len(rows):
            seen = sorted({cells.texts[place] for place in cells.places[before] if place >= 0})
            raise DataError(
                f"{file.path}: no row is left by where: {name} in [{', '.join(sorted(wanted))}]; that column has"
                f" {', '.join(seen[:12])}{', ...' if len(seen) > 12 else ''}."
            )
    return rows


def _names(file: TableFile, takes: tuple[str, ...] | None, never: set[str], *, drop: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the classifier is given, in its order (DataError)."""
    unknown = next((name for name in drop if name not in file.names), None)
    if unknown is not None:
        raise DataError(f"{file.path}: expected a column in `drop`, got '{unknown}'; {nearest(unknown, file.names)}")
    if takes is None:
        names = tuple(name for name in file.names if name not in never and name not in drop)
        if not names:
            raise DataError(
                f"{file.path}: expected a column for the model beside label, id, unit, `where` and `drop`, got none."
            )
        return names
    lost = next((name for name in takes if name in drop), None)
    if lost is not None:
        raise DataError(
            f"'data.drop': expected columns that the classifier does not take, got '{lost}'; it takes"
            f" {', '.join(takes)}."
        )
    return takes


def _refuse_unknown(file: TableFile, columns: Mapping[str, ColumnSpec], names: Sequence[str]) -> None:
    for name in columns:
        if name not in file.names:
            raise DataError(f"'data.columns': expected a column of {file.path}, got '{name}'; {nearest(name, names)}")
        if name not in names:
            raise DataError(
                f"'data.columns': expected a column that the classifier takes, got '{name}'; it takes"
                f" {', '.join(names)}."
            )


def _rules(specs: Sequence[RuleSpec]) -> tuple[Any, ...]:
    name, count = Counter(spec.id for spec in specs).most_common(1)[0] if specs else ("", 1)
    if count > 1:
        raise DataError(f"'data.rules': expected every rule to have an id of its own, got '{name}' {count} times.")
    return tuple(spec.rule() for spec in specs)


def _ids(file: TableFile, id: str | None, rows: NDArray[np.int64]) -> tuple[str, ...]:
    if id is None:
        return tuple(str(row + 1) for row in rows.tolist())
    ids = file.cells(id, "id").at(rows).listed()
    name, count = Counter(ids).most_common(1)[0]
    if count > 1 or "" in ids:
        got = "an empty cell" if "" in ids else f"'{name}' {count} times"
        raise DataError(f"{file.path}: expected every row to have an id of its own in '{id}', got {got}.")
    return ids
