"""A torchvision that can be imported, also where its compiled part does not fit the torch that is installed."""

from __future__ import annotations

import sys
from typing import Any

_kept: list[Any] = []
"""torch forgets what a Library defined when the Library goes."""


def ensure_torchvision() -> None:
    """Make `import torchvision` work; call it before timm or onnx2torch is imported.

    A CPU build of torch beside a CUDA build of torchvision fails with "operator torchvision::nms does not exist".
    Declaring
    the two operators is enough for everything that Auditor needs of it; on a healthy machine nothing happens.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torch

        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _kept.append(library)
        import torchvision  # noqa: F401
