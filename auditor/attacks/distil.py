"""A small network trained on what another classifier answers, so that there is something to differentiate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from auditor.attacks.problem import Problem
from auditor.models.classifier import Classifier, TorchClassifier

QUERIES = 12
"""Points per input whose answers are learned: the input, and allowed points around it."""
STEPS, BATCH, WIDTH = 200, 32, 32


def distil(problem: Problem) -> Classifier:
    """Return a student of the problem's classifier, trained on its answers to the inputs and to random allowed points
    around them.

    Where the classifier tells scores, the student learns its probabilities, else its labels. It starts from one fixed
    seed and learns
    from all inputs of the call, so that a sample's outcome depends on the others of its call.
    """
    x, answers = _lesson(problem)
    soft = "scores" in problem.meter.classifier.offers
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(0)
        student = network(x, answers.shape[1])
        optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)
        for _ in range(STEPS):
            rows = torch.randint(len(x), (min(BATCH, len(x)),), device=x.device)
            said = student(x[rows])
            loss = (
                kl_div(log_softmax(said, 1), softmax(answers[rows], 1), reduction="batchmean")
                if soft
                else cross_entropy(said, answers[rows].argmax(1))
            )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    student.eval().requires_grad_(False)
    taught = problem.meter.classifier
    return TorchClassifier(
        student,
        classes=taught.classes,
        low=taught.low,
        high=taught.high,
        name=f"student of {taught.name}",
        device=x.device,
    )


def _lesson(problem: Problem) -> tuple[Tensor, Tensor]:
    every = torch.arange(len(problem.x), device=problem.x.device)
    points = [problem.x, *(problem.random_points(every) for _ in range(QUERIES - 1))]
    return torch.cat(points), torch.cat([problem.meter.logits(one, every) for one in points])


def network(x: Tensor, classes: int) -> nn.Module:
    """Return a small untrained network for inputs shaped as x (n, *shape): convolutions for images (n, c, h, w), else
    two hidden layers.
    """
    if x.ndim != 4:
        values = x[0].numel()
        layers: list[nn.Module] = [
            nn.Flatten(),
            nn.Linear(values, 4 * WIDTH),
            nn.ReLU(),
            nn.Linear(4 * WIDTH, 4 * WIDTH),
            nn.ReLU(),
        ]
        return nn.Sequential(*layers, nn.Linear(4 * WIDTH, classes)).to(x)
    layers = []
    channels, side = x.shape[1], min(x.shape[2:])
    width = WIDTH // 2
    while side > 7:
        layers += [nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU()]
        channels, width, side = width, min(2 * width, 4 * WIDTH), -(-side // 2)
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(min(4, side)), nn.Flatten(), nn.Linear(channels * min(4, side) ** 2, classes)
    ).to(x)
