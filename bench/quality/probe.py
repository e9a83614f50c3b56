"""The probe: a small network that reads head pose, expression and identity from a picture of a drawn head.

`python run.py bench probe [--people N] [--passes N]` draws its own heads, trains in a quarter of
an hour on two cores and writes bench/quality/probe.safetensors; then it prints its error on
people and motions outside the training data.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...demo.toy_model import World
from ...drawn_heads import Identity, State, clip, draw
from ...drawn_heads.attributes import COUNT
from ...face_tools.coefficients import ARKIT_51
from ...face_tools.comparison.distances import expression_distance, pose_distance
from ...face_tools.track import FaceTrack
from ...face_tools.trackers.head_pose import focal_length
from ...host.environment import CACHE
from ...train.toy.footage import PAIRS, attributes_in
from ..options import bench_parser

WEIGHTS = Path(__file__).with_name("probe.safetensors")
# Pixels per side: of all pictures, of the whole picture as the network takes it, and of the face region.
SIZE, WHOLE, FACE = 128, 64, 80
NEAR = 9.5  # centimetres from the middle of the face to the sides of the upright face region
# the coefficients that the probe reads, in the order of its weights
NAMES = (
    "eyeBlinkRight", "eyeBlinkLeft", "jawOpen", "mouthSmileRight", "mouthSmileLeft", "mouthPucker",
    "browInnerUp", "browDownRight", "browDownLeft", "browOuterUpRight", "browOuterUpLeft",
)  # fmt: skip
COLUMNS = [ARKIT_51.index(name) for name in NAMES]
# pitch, yaw, roll (radians) and position (metres) of an average head, and the
# unit of each, equivalent to a coefficient of 1
USUAL, UNITS = (0.0, 0.0, 0.0, 0.0, -0.012, -2.83), (0.25, 0.25, 0.25, 0.03, 0.03, 0.15)
HELD_OUT = 900_000  # people and motions from this seed on are in no training data
BATCH, AWRY = 32, 0.12
SOURCE = "regression probe"


def _network(size: int, widths: Sequence[int], out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c_in, c in zip((3, *widths), widths):
        layers += [nn.Conv2d(c_in, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True)]
    cells = (size >> len(widths)) ** 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(widths[-1] * cells, 192), nn.ReLU(inplace=True), nn.Linear(192, out)
    )


class Probe(nn.Module):
    """Reads pictures (B, 3, 128, 128) 0..1: pose (B, 6) as pitch yaw roll x y z in UNITS, identity (B, 39),
    eleven coefficients (B, 11).

    Pose and identity are read from the whole picture; the coefficients from the face region, turned upright
    by the pose.
    spread: (39,) the probe's own error of each identity number, the unit of distances
    """

    def __init__(self):
        super().__init__()
        self.whole = _network(WHOLE, (24, 48, 64, 96), 6 + COUNT)
        self.face = _network(FACE, (32, 48, 64, 96), len(NAMES))
        self.register_buffer("spread", torch.ones(COUNT))

    def forward(self, pictures: Tensor, pose: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """pose: (B, 6) by which the face region is cut, None = the pose that is read."""
        read, who = self.whole(F.avg_pool2d(pictures, SIZE // WHOLE) - 0.5).split([6, COUNT], 1)
        return read, who, self.face(upright(pictures, read.detach() if pose is None else pose) - 0.5)


def upright(pictures: Tensor, pose: Tensor) -> Tensor:
    """Return the upright face regions (B, 3, 80, 80) of pictures (B, 3, 128, 128) at poses (B, 6)."""
    _, _, roll, x, y, z = (pose * torch.tensor(UNITS) + torch.tensor(USUAL)).unbind(1)
    per_metre = 2 * focal_length((SIZE, SIZE)) / SIZE / -z.clamp(max=-1)  # in halves of the picture
    middle_x, middle_y, reach = per_metre * x, -per_metre * y, per_metre * NEAR / 100
    turn = torch.stack(
        [roll.cos(), roll.sin(), middle_x / reach, -roll.sin(), roll.cos(), middle_y / reach], 1
    ).view(-1, 2, 3)
    grid = F.affine_grid(turn * reach[:, None, None], [len(pictures), 3, FACE, FACE], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class Reading:
    """Values read from F pictures: degrees (F, 3), coefficients (F, 11) by
    NAMES, identity (F, 39) in units of its own error.
    """

    degrees: np.ndarray
    coefficients: np.ndarray
    who: np.ndarray


def load(path: Path = WEIGHTS) -> Probe:
    network = Probe()
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    return network.eval().requires_grad_(False)


def small(picture: np.ndarray) -> np.ndarray:
    """Return a square uint8 picture as (128, 128, 3) uint8."""
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def together(pictures: Iterable[np.ndarray]) -> Tensor:
    """Return square uint8 pictures as one tensor (B, 3, 128, 128) uint8."""
    return torch.from_numpy(np.stack([small(picture) for picture in pictures])).permute(0, 3, 1, 2)


def read(network: Probe, pictures: Iterable[np.ndarray]) -> Reading:
    """Read pictures (H, W, 3) uint8 RGB."""
    parts = zip(*(network(part.float() / 255) for part in together(pictures).split(64)))
    pose, who, coefficients = (torch.cat(part).numpy() for part in parts)
    return Reading(np.degrees(pose[:, :3] * UNITS[:3]), coefficients.clip(0, 1), who / network.spread.numpy())


def scenes(first: int, count: int, moments: int = 1) -> list[tuple[Identity, State]]:
    """Return `count` people from seed `first` on, at `moments` of their own motion, 2.5 seconds apart."""
    return [
        (Identity.of(seed), state)
        for seed in range(first, first + count)
        for state in clip(seed, moments, PAIRS.fps)
    ]


def lessons(files: Sequence[Path], world: World) -> tuple[Tensor, Tensor]:
    """Return pictures (N, 3, 128, 128) uint8 and their true values (N, 56).

    Every second picture has passed the world's autoencoder.
    """
    pictures, wanted = [], []
    for path in files:
        drawn = np.load(path)
        rows = list(drawn["pictures"])
        rows[1::2] = [
            p
            for part in range(1, len(rows), 100)
            for p in world.enlarge(world.shrink(rows[part : part + 99 : 2]))
        ]
        pictures.append(together(rows))
        who = attributes_in(path.stem, len(drawn["pictures"]))
        pose = (np.concatenate([drawn["rotation"], drawn["translation"]], 1) - USUAL) / UNITS
        wanted.append(np.concatenate([pose, who, drawn["coefficients"][:, COLUMNS]], 1))
    return torch.cat(pictures), torch.from_numpy(np.float32(np.concatenate(wanted)))


def _worn(pictures: Tensor) -> Tensor:
    """Return pictures (B, 3, H, W) with faults of generated ones: blur, noise, brightness, a small shift."""
    pictures = torch.roll(pictures, torch.randint(-1, 2, (2,)).tolist(), (2, 3))
    kind = torch.rand(())
    if kind < 0.3:
        pictures = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    elif kind < 0.5:
        pictures = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2, mode="bilinear")
    gain = 1 + 0.06 * torch.randn(len(pictures), 3, 1, 1)
    return pictures * gain + 0.02 * torch.randn_like(pictures)


def train(pictures: Tensor, wanted: Tensor, passes: int, rate: float = 4e-3, seed: int = 0) -> Probe:
    """Train a probe in `passes` rounds over `lessons`, with AdamW and a one-cycle rate.

    The last twentieth is kept for measuring the probe's own error of each identity number.
    """
    torch.manual_seed(seed)
    start, count = time.monotonic(), len(pictures) * 19 // 20
    network = Probe().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = count // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=passes * steps)
    for number in range(passes):
        total = 0.0
        for rows in torch.randperm(count)[: steps * BATCH].view(steps, BATCH):
            seen = _worn(pictures[rows].float() / 255).contiguous(memory_format=torch.channels_last)
            pose = wanted[rows, :6] + AWRY * torch.randn(BATCH, 6)  # about the error of a pose that is read
            wrong = F.smooth_l1_loss(
                torch.cat(network(seen, pose), 1), wanted[rows], beta=0.1, reduction="none"
            )
            wrong = wrong[:, : 6 + COUNT].mean() + wrong[:, 6 + COUNT :].mean()
            optimizer.zero_grad(set_to_none=True)
            wrong.backward()
            optimizer.step()
            schedule.step()
            total += wrong.item() / steps
        print(
            f"pass {number + 1} of {passes}: loss {total:.4f}, {time.monotonic() - start:.0f} s", flush=True
        )
    network.eval().requires_grad_(False)
    read_who = torch.cat([network(_worn(part.float() / 255))[1] for part in pictures[count:].split(64)])
    network.spread.copy_((read_who - wanted[count:, 6 : 6 + COUNT]).square().mean(0).sqrt())
    return network


@dataclass(frozen=True)
class Error:
    """Error of a reading: APD in degrees (mean of three angles), AED (mean of eleven coefficients)."""

    apd: float
    aed: float


def error(reading: Reading, states: Sequence[State]) -> Error:
    """Return the mean absolute difference of a reading and the true states."""
    degrees = np.degrees([s.rotation for s in states])
    coefficients = np.stack([s.coefficients[COLUMNS] for s in states])
    distances = (
        pose_distance(reading.degrees, degrees),
        expression_distance(reading.coefficients, coefficients),
    )
    return Error(*(float(distance.mean()) for distance in distances))


def track(reading: Reading, fps: float) -> FaceTrack:
    """Return a reading as a track without landmarks, for `face_tools.comparison`."""
    count = len(reading.degrees)
    coefficients = np.zeros((count, len(ARKIT_51)), np.float32)
    coefficients[:, COLUMNS] = reading.coefficients
    return FaceTrack(
        source=SOURCE,
        scheme="none",
        fps=fps,
        size=(SIZE, SIZE),
        valid=np.ones(count, bool),
        box=np.zeros((count, 4), np.float32),
        landmarks=np.zeros((count, 0, 2), np.float32),
        rotation=np.radians(reading.degrees).astype(np.float32),
        translation=np.tile(np.float32([0, 0, -1]), (count, 1)),
        coefficients=coefficients,
        notes=(f"Approximate: the regression probe reads {len(NAMES)} coefficients.",),
    )


def nearest(who: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Return the index of the nearest gallery entry for each identity (F, 39), as (F,)."""
    return ((who[:, None] - gallery) ** 2).sum(-1).argmin(1)


def likeness(who: np.ndarray, gallery: np.ndarray, people: int) -> float:
    """Return how much nearer heads are to their own portrait than to all
    others: 1 = identical, 0 = as near as to anybody.

    who (F, n): the same number of rows for each of the first `people` of the gallery, in order
    """
    owner = np.repeat(np.arange(people), len(who) // people)
    distance = np.sqrt(((who[:, None] - gallery) ** 2).sum(-1))
    return float(1 - (distance[np.arange(len(distance)), owner] / distance.mean(1)).mean())


def own_error(network: Probe, count: int = 100) -> tuple[Error, int]:
    """Return the error on `count` unseen drawn heads, and how many are found among their portraits."""
    seen = scenes(HELD_OUT, count)
    reading = read(network, [draw(who, state, 128) for who, state in seen])
    gallery = read(network, [draw(who, State(), 128) for who, _ in seen])
    return error(reading, [state for _, state in seen]), int(
        (nearest(reading.who, gallery.who) == np.arange(count)).sum()
    )


def save(network: Probe, path: Path, command: str) -> None:
    values = {
        k: v if k == "spread" else v.half()
        for k, v in network.state_dict().items()
        if v.dtype.is_floating_point
    }
    save_file({k: v.contiguous() for k, v in values.items()}, path, {"made_by": command})


def main(argv: list[str]) -> int:
    parser = bench_parser("probe", __doc__)
    parser.add_argument("--people", type=int, default=6000, help=f"to draw, {PAIRS.frames} times each")
    parser.add_argument("--passes", type=int, default=6, help="rounds over the pictures")
    parser.add_argument("--drawings", type=Path, default=CACHE / PAIRS.name, help="where they are kept")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file to write")
    options = parser.parse_args(argv)
    network = train(*lessons(PAIRS.drawn(options.drawings, options.people, print), World()), options.passes)
    save(
        network, options.out, f"python run.py bench probe --people {options.people} --passes {options.passes}"
    )
    wrong, found = own_error(load(options.out))
    print(
        f"{options.out}: APD {wrong.apd:.2f} degrees, AED {wrong.aed:.3f}, {found} of 100 people found again"
    )
    return 0
