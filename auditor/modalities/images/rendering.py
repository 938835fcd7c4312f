"""How images are drawn in the report."""

from auditor.modalities.images.report import maps
from auditor.modalities.images.report.gallery import image_case as make_case

__all__ = ["HELPERS", "make_case"]

HELPERS = {"maps": maps}
