"""What a classifier is to Auditor, and counted, micro-batched access to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.core.records import digest
from auditor.models.precision import Precision, arithmetic
from auditor.models.preprocessing import Preprocess, averaged, said, straight_through

_T = TypeVar("_T")
Box = float | Tensor
EVERYTHING = frozenset({"labels", "scores", "gradient"})


@runtime_checkable
class Classifier(Protocol):
    """A trained classifier; its preprocessing is inside, so that x is in the input's own units."""

    name: str
    digest: str
    """SHA-256 of what was loaded."""
    classes: tuple[str, ...]
    modality: str
    """Whose data alone it takes, such as 'table'; empty where it takes any tensor of its input's shape."""
    offers: frozenset[str]
    """What it can answer: some of 'labels', 'scores', 'gradient'."""
    input_shape: tuple[int, ...] | None
    """Shape without the batch axis; None when it is free."""
    low: Box
    high: Box
    device: torch.device
    notes: tuple[str, ...]
    """What a reader of the report must know about how it was loaded."""

    def logits(self, x: Tensor) -> Tensor:
        """Return the scores (n, classes) of inputs x (n, *shape), differentiable in x where 'gradient' is offered."""
        ...


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode and restore every submodule's own flag, not only the outer one."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


class TorchClassifier:
    """A torch module as a classifier.

    Parameters
    ----------
    module
        Takes x (n, *shape), after (x - mean) / std where these are given, and returns logits (n, classes).
    mean, std
        One number per channel (axis 1), in the input's own units.
    preprocess
        What the deployed system does to x before all that, exactly; gradients pass straight through it.
    draws
        How many evaluations of a random module are averaged in one answer.
    read
        function (what the module returns) -> logits (n, classes), where it does not return logits.
    """

    modality = ""
    precision: Precision = "float32"
    search: TorchClassifier | None = None
    """What attacks search on, where that is not this classifier itself (auditor.models.search_twin)."""

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: Sequence[str],
        low: Box = 0.0,
        high: Box = 1.0,
        name: str = "",
        digest: str = "",
        input_shape: tuple[int, ...] | None = None,
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
        device: str | torch.device = "cpu",
        notes: Sequence[str] = (),
        preprocess: Preprocess | None = None,
        draws: int = 1,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.module = module.to(self.device)
        self._parts = tuple(self.module.modules())
        self.classes, self.low, self.high = check_names(classes, where=name or type(module).__name__), low, high
        self.read = read
        self.name, self.input_shape, self.notes = (
            name or type(module).__name__,
            input_shape,
            (*notes, *said(preprocess, draws)),
        )
        self.digest = digest or state_digest(module)
        self.preprocess, self.draws = preprocess, draws
        self.offers = EVERYTHING
        self._mean = torch.tensor(list(mean) or [0.0], device=self.device)
        self._std = torch.tensor(list(std) or [1.0], device=self.device)
        self._scaled = bool(mean or std)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (n, classes) of x (n, *shape), the mean over `draws` evaluations."""
        if self.preprocess is not None:
            x = straight_through(self.preprocess, x)
        if self._scaled:
            axes = (1, -1) + (1,) * (x.ndim - 2)
            x = (x - self._mean.to(x.dtype).view(axes)) / self._std.to(x.dtype).view(axes)
        with self._evaluating(), arithmetic(self.device, self.precision):
            return averaged(lambda: self._evaluate(x), self.draws)

    def _evaluating(self) -> AbstractContextManager[None]:
        if self._parts[0] is not self.module:
            self._parts = tuple(self.module.modules())
        return evaluating(self.module) if any(part.training for part in self._parts) else nullcontext()

    def _evaluate(self, x: Tensor) -> Tensor:
        out = self.module(x.clone())  # a module may change its input in place
        if self.read is not None and isinstance(out, Tensor):
            out = self.read(out)
        if not isinstance(out, Tensor) or out.ndim != 2 or out.shape[1] != len(self.classes):
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ClassifierError(
                f"classifier '{self.name}': expected logits of shape (n, {len(self.classes)}), one column per class in"
                f" {list(self.classes)}, got {got}."
            )
        return out if self.precision == "float32" else out.to(x.dtype)


class ScoreClassifier:
    """A function from inputs to scores as a classifier without gradients.

    Parameters
    ----------
    scores
        function (x (n, *shape) on the CPU) -> scores (n, classes)
    """

    modality = ""

    def __init__(
        self,
        scores: Callable[[Tensor], Tensor],
        *,
        classes: Sequence[str],
        name: str,
        digest: str,
        low: Box = 0.0,
        high: Box = 1.0,
        input_shape: tuple[int, ...] | None = None,
        notes: Sequence[str] = (),
        preprocess: Preprocess | None = None,
        draws: int = 1,
    ) -> None:
        self._scores = scores
        self.preprocess, self.draws = preprocess, draws
        self.classes, self.low, self.high = check_names(classes, where=name), low, high
        self.name, self.digest, self.input_shape, self.notes = (
            name,
            digest,
            input_shape,
            (*notes, *said(preprocess, draws)),
        )
        self.offers = frozenset({"labels", "scores"})
        self.device = torch.device("cpu")

    def logits(self, x: Tensor) -> Tensor:
        """Return the scores (n, classes) of x (n, *shape), without a gradient."""
        shown = x.detach().cpu().clone()  # a function may change its input in place
        shown = shown if self.preprocess is None else self.preprocess(shown)
        return averaged(lambda: self._scores(shown), self.draws).to(x)


def check_names(classes: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the names of the classes (ClassifierError: two have the same name, or one has none)."""
    names = tuple(classes)
    if len(set(names)) != len(names):
        raise ClassifierError(f"{where}: expected different class names, got {list(names)}.")
    if not all(str(name).strip() for name in names):
        raise ClassifierError(f"{where}: expected a name for every class, got {list(names)}.")
    return names


def wrap(
    module: nn.Module,
    classes: Sequence[str],
    low: Box = 0.0,
    *,
    high: Box = 1.0,
    name: str = "",
    preprocess: Preprocess | None = None,
    draws: int = 1,
) -> TorchClassifier:
    """Return a classifier from a torch module that takes raw input between low and high; the module is not changed.

    `preprocess` and `draws` are as in TorchClassifier.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    return TorchClassifier(
        module, classes=classes, low=low, high=high, name=name, device=device, preprocess=preprocess, draws=draws
    )


def state_digest(module: nn.Module) -> str:
    """Return the SHA-256 of a module's parameters and buffers, by name, type, shape and bytes."""
    parts = []
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, Tensor):
            raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            parts.append([name, str(value.dtype), list(value.shape), digest(raw)])
    return digest(parts)


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Return how far each label's logit (n,) is above the largest other one; negative where the prediction is wrong.

    >>> margin(torch.tensor([[2.0, 0.5, 1.0]]), torch.tensor([0]))
    tensor([1.])
    """
    own = logits.gather(1, y[:, None])[:, 0]
    others = logits.scatter(1, y[:, None], float("-inf"))
    return own - others.amax(1)
