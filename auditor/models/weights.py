"""Weights as data: read without running code, checked against the module, frozen."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.models.first_look import first_line

HALF = (torch.float16, torch.bfloat16)
NESTS = ("state_dict", "model")
"""Keys under which training scripts save the weights beside the optimiser's state."""


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


def read_weights(file: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors of a .safetensors, .pt or .pth file by key, half precision widened to float32, and notes on
    them.

    Nothing in the file is run: a pickle that holds more than tensors and plain containers is refused (ClassifierError).
    """
    state = _safetensors(file) if file.suffix.lower() == ".safetensors" else _tensors(file, _unpickled(file))
    if not state:
        raise ClassifierError(f"{file}: expected weights by name, got none.")
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    kinds = sorted({str(value.dtype).removeprefix("torch.") for value in state.values() if value.dtype in HALF})
    state = {key: value.float() if value.dtype in HALF else value for key, value in state.items()}
    for key, value in state.items():
        _finite(value, key, str(file))
    return state, (f"weights are stored as {' and '.join(kinds)} and used as float32",) if kinds else ()


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


def _tensors(file: Path, loaded: Any) -> dict[str, Tensor]:
    for nest in NESTS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(nest), Mapping):
            loaded = loaded[nest]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ClassifierError(
            f"{file}: expected a state dict (name -> tensor), alone or under {' or '.join(NESTS)}, got"
            f" {_described(loaded)}."
        )
    return {str(key): value for key, value in loaded.items()}


def _described(loaded: Any) -> str:
    return (
        f"a dict with keys {sorted(map(str, loaded))[:5]}"
        if isinstance(loaded, Mapping)
        else f"a {type(loaded).__name__}"
    )


def fit(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Load weights into a module, all or nothing (ClassifierError: the first key that is missing, unexpected or of
    another shape).
    """
    wanted = module.state_dict()
    # old files lack these counters, which only training reads
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
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
    module.load_state_dict(dict(state), strict=False)


def freeze(module: nn.Module, *, where: str) -> tuple[str, ...]:
    """Put a module in evaluation mode without parameter gradients, in float32, and return notes on it (ClassifierError:
    NaN in its weights).
    """
    for part in module.modules():
        part.training = False  # an exported program refuses eval()
    kinds = sorted(
        {
            str(value.dtype).removeprefix("torch.")
            for value in module.state_dict().values()
            if isinstance(value, Tensor) and value.dtype in HALF
        }
    )
    if kinds:
        module.float()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for key, value in module.state_dict().items():
        if isinstance(value, Tensor):
            _finite(value, key, where)
    return (f"weights are stored as {' and '.join(kinds)} and used as float32",) if kinds else ()


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
    if len(set(classes)) != len(classes):
        raise ClassifierError(f"{where}: expected different class names, got {list(classes)}.")
    if len(classes) != width:
        raise ClassifierError(
            f"{where}: the audit file names {len(classes)} classes ({', '.join(classes)}), the weights have {width}."
        )
    return tuple(classes)
