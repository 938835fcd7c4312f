"""Attribution maps: function (classifier, x (n, *shape), target (n,), *, settings) -> maps (n, *shape), by Captum where
it has the method.

Explanations of tables are also given `_background` (b, columns), rows whose cells stand for what is not known, and
`_seeds`, one per row.
"""

from collections.abc import Callable

from torch import Tensor

from auditor.core.registry import Registry

explanations: Registry[Callable[..., Tensor]] = Registry("explanation", __name__)
"""Explanations by name; the fact `modality` says what data they explain."""
