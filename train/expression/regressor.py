"""Fits the table of Approximate Expression, and measures it on people outside the training data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...face_tools.coefficients import ARKIT_51
from ...face_tools.editing.expression_table import ExpressionTable, features
from .pairs import Pairs, upright
from .synthetic import Heads
from .teacher import POINTS

# The Face Landmarker itself never moves these.
SILENT = (
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "jawForward", "jawLeft", "mouthClose",
    "mouthFrownLeft", "mouthFrownRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
NAMES = tuple(name for name in ARKIT_51 if name not in SILENT)
COLUMNS = [ARKIT_51.index(name) for name in NAMES]
HIDDEN, BATCH, RATE, DECAY, NOISE = 128, 256, 2e-3, 1e-4, 0.02
REAL, ENOUGH = 6.0, 150  # weight of a real frame; frames above which a clip's weight no longer grows
SEED = 0


@dataclass(frozen=True)
class Samples:
    """x: (N, 2P) features; y: (N, 41) coefficients in the order of NAMES; weight: (N,)."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def mean_face(clips: Sequence[Pairs]) -> np.ndarray:
    """(P,) complex: points of the average person, looking straight ahead, of unit size around 0."""
    heads = np.mean([upright(pairs.mesh)[0].mean(0) for pairs in clips], axis=0)[list(POINTS)]
    face = heads[:, 0] + 1j * heads[:, 1]
    face -= face.mean()
    return (face / np.sqrt((np.abs(face) ** 2).mean())).astype(np.complex64)


def samples(clips: Sequence[Pairs], heads: Heads, shape: np.ndarray) -> Samples:
    """Collect real frames by both trackers, and the synthetic heads made only of these people."""
    people = {pairs.person for pairs in clips}
    usable = np.isin(heads.people, list(people)).all(1)
    parts = [(heads.landmarks[usable], heads.coefficients[usable], 1.0)]
    for pairs in clips:
        weight = REAL * min(1.0, ENOUGH / len(pairs))
        parts += [(pairs.mesh, pairs.coefficients, weight), (pairs.task, pairs.coefficients, weight / 2)]
    return Samples(
        np.concatenate([features(landmarks, np.array(POINTS), shape) for landmarks, _, _ in parts]),
        np.concatenate([coefficients[:, COLUMNS] for _, coefficients, _ in parts]).astype(np.float32),
        np.concatenate([np.full(len(landmarks), weight, np.float32) for landmarks, _, weight in parts]),
    )


def fit(data: Samples, shape: np.ndarray, epochs: int) -> ExpressionTable:
    """Train the network on `data`: weighted squared error, AdamW, noise on the landmarks."""
    torch.manual_seed(SEED)
    x, y, weight = (torch.from_numpy(part) for part in (data.x, data.y, data.weight))
    middle, scale = x.mean(0), x.std(0).mean()
    net = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, len(NAMES)), nn.Sigmoid())
    with torch.no_grad():
        net[2].bias.copy_(torch.logit(y.mean(0).clamp(0.002, 0.9)))
    size = min(BATCH, len(x))
    steps = epochs * (len(x) // size)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for rows in _batches(len(x), size, epochs):
        batch = (x[rows] - middle) / scale
        error = (net(batch + NOISE * torch.randn_like(batch)) - y[rows]) ** 2
        optimizer.zero_grad()
        (error.sum(1) * weight[rows]).mean().backward()
        optimizer.step()
        schedule.step()
    return _table(net, middle, scale, shape)


def _batches(count: int, size: int, epochs: int) -> Iterator[Tensor]:
    """Yield indices of full batches, in a new order in every epoch."""
    for _ in range(epochs):
        order = torch.randperm(count)
        yield from order[: count // size * size].split(size)


def _table(net: nn.Sequential, middle: Tensor, scale: Tensor, shape: np.ndarray) -> ExpressionTable:
    """Return the network as a table, with the mean and scale of its input folded into the first layer."""
    hidden = (net[0].weight / scale).detach()
    parts = hidden.T, net[0].bias - hidden @ middle, net[2].weight.T, net[2].bias
    weights = (part.detach().numpy() for part in parts)
    return ExpressionTable(np.array(POINTS, np.int16), shape, np.array(NAMES), *weights)


def leave_one_out(
    clips: Sequence[Pairs], heads: Heads, epochs: int, tell: Callable[[str], None]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return {clip: two arrays (F, 51)}: estimates by a network trained without the person.

    The first array is estimated from the mesh's landmarks, the second from the Face Landmarker's.
    """
    answers = {}
    for person in dict.fromkeys(pairs.person for pairs in clips if len(pairs) > 1):
        others = [pairs for pairs in clips if pairs.person != person]
        shape = mean_face(others)
        table = fit(samples(others, heads, shape), shape, epochs)
        for pairs in clips:
            if pairs.person == person:
                answers[pairs.name] = table(pairs.mesh), table(pairs.task)
        tell(f"left out {person}")
    return answers
