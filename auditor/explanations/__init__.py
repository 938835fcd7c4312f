"""Attribution maps: function (classifier, x (n, *shape), target (n,), *, settings) -> maps (n, *shape), by Captum."""

from collections.abc import Callable

from torch import Tensor

from auditor.registry import Registry

explanations: Registry[Callable[..., Tensor]] = Registry("explanation", __name__)
