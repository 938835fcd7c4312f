"""Weights as data: read without running code, checked against the module, frozen."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.models.classifier import check_names
from auditor.models.first_look import first_line

HALF = (torch.float16, torch.bfloat16)
COUNTER = "num_batches_tracked"
"""End of a key that old files lack and only training reads."""


def locate(path: str, base: Path) -> Path:
    """Return the file of a path that is relative to the audit file's folder (ClassifierError: there is none)."""
    file = base / path
    if file.is_file():
        return file
    got = "a folder" if file.is_dir() else "nothing there"
    beside = [other.name for other in file.parent.iterdir() if other.is_file()][:1000] if file.parent.is_dir() else []
    hint = nearest(file.name, beside) if beside and got == "nothing there" else ""
    raise ClassifierError(
        f"{file}: expected a model or weights file, got {got};"
        f" {hint if 'did you' in hint else 'paths are relative to the audit file'}"
    )


def file_digest(file: Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ClassifierError(f"{file}: expected a readable file, got: {error.strerror}.") from None


def read_checkpoint(file: Path) -> Mapping[Any, Any]:
    """Return what a .safetensors, .pt or .pth file holds by key: tensors, or nests of them beside other values.

    Nothing in the file is run: a pickle that holds more than tensors and plain containers is refused (ClassifierError).
    """
    loaded = _safetensors(file) if file.suffix.lower() == ".safetensors" else _unpickled(file)
    if not isinstance(loaded, Mapping):
        raise ClassifierError(
            f"{file}: expected a state dict (name -> tensor), alone or inside a dict, got a {type(loaded).__name__}."
        )
    if not loaded:
        raise ClassifierError(f"{file}: expected weights by name, got none.")
    return loaded


def _safetensors(file: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return dict(safetensors.torch.load_file(file))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ClassifierError(f"{file}: expected a whole .safetensors file, got: {first_line(error)}") from None


def _unpickled(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" not in str(error) and "global" not in str(error).lower():
            raise ClassifierError(
                f"{file}: expected weights saved by torch.save, got a file that is damaged or of another kind."
            ) from None
        raise ClassifierError(
            f"{file}: expected weights as plain tensors, got a pickle that wants to run code; save the state dict"
            " alone, best as .safetensors."
        ) from None
    except Exception as error:  # torch raises almost anything for a damaged file
        raise ClassifierError(f"{file}: expected weights saved by torch.save, got: {first_line(error)}") from None


def fit(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> tuple[str, ...]:
    """Load weights into a module, all or nothing, half precision widened to float32, and return notes on them
    (ClassifierError: the first key that is missing, unexpected, of another shape or not finite).
    """
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in wanted]
    if missing:
        got = f", first unexpected key '{unexpected[0]}'" if unexpected else ""
        counts = f"{len(missing)} missing, {len(unexpected)} unexpected"
        raise ClassifierError(
            f"{where}: the weights do not fit, first missing key '{missing[0]}'{got} ({counts}); check the model's name"
            " and settings."
        )
    if unexpected:
        raise ClassifierError(
            f"{where}: the weights do not fit, first unexpected key '{unexpected[0]}' ({len(unexpected)} in all); check"
            " the model's name and settings."
        )
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            shapes = f"expected shape {tuple(wanted[key].shape)}, got {tuple(value.shape)}"
            raise ClassifierError(
                f"{where}: the weights do not fit, key '{key}': {shapes}; check input.channels and settings."
            )
        _finite(value, key, where)
    module.load_state_dict(
        {key: value.float() if value.dtype in HALF else value for key, value in state.items()}, False
    )
    return _stored(state.values())


def _stored(values: Iterable[Any]) -> tuple[str, ...]:
    """Return a note on the half precisions among some tensors; none where there are none."""
    kinds = {str(one.dtype).removeprefix("torch.") for one in values if isinstance(one, Tensor) and one.dtype in HALF}
    return (f"weights are stored as {' and '.join(sorted(kinds))} and used as float32",) if kinds else ()


def freeze(module: nn.Module, *, where: str) -> tuple[str, ...]:
    """Put a module in evaluation mode without parameter gradients, in float32, and return notes on it (ClassifierError:
    NaN in its weights).
    """
    for part in module.modules():
        part.training = False  # an exported program refuses eval()
    stored = _stored(module.state_dict().values())
    if stored:
        module.float()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for key, value in module.state_dict().items():
        if isinstance(value, Tensor):
            _finite(value, key, where)
    return stored


def _finite(value: Tensor, key: str, where: str) -> None:
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        kind = "NaN" if bool(torch.isnan(value).any()) else "infinity"
        raise ClassifierError(f"{where}: expected finite weights, got {kind} in '{key}'.")


def class_names(classes: Sequence[str] | None, width: int, *, where: str) -> tuple[str, ...]:
    """Return the names of the classes, '0', '1', ... where none are given (ClassifierError: their number differs from
    the weights').
    """
    if classes is None:
        return tuple(str(number) for number in range(width))
    names = check_names(classes, where=where)
    if len(names) != width:
        raise ClassifierError(
            f"{where}: the audit file names {len(names)} classes ({', '.join(names)}), the weights have {width}."
        )
    return names
