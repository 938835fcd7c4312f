"""File -> Samples: one file per modality.

A source is a function (base, classes, shape, *, **its own settings) -> Samples; one of tables is given the classifier's
columns in the place of a shape.
"""

from collections.abc import Callable

from auditor.core.registry import Registry
from auditor.samples.samples import Samples

data: Registry[Callable[..., Samples]] = Registry("data source", __name__, folder="data")
