"""How tables are drawn in the report."""

from auditor.modalities.tables.report import figures, views
from auditor.modalities.tables.report.gallery import row_case as make_case

__all__ = ["HELPERS", "make_case"]

HELPERS = {"table_figures": figures, "table_views": views}
