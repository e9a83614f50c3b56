"""`python run.py train world --out FOLDER`: trains the toy model from scratch, stage by stage.

First come drawings, autoencoder, latents and the drive encoder's warm-up. A feature network follows, for the
losses of the next two stages. Base, reference adapter and drive encoder are trained jointly, and then the decoder
once more, on their samples. The last stages are AnimateDiff's modules, and SK motion between key frames, each
with all other networks frozen. Every stage can be resumed, and a finished one is skipped. Seeds are fixed, so
without `minutes` the resulting files are repeatable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...face_tools.atomic_write import whole
from ...face_tools.coefficients import to_network_order
from .. import motions
from ..curve import curve
from ..data import Clips, ShardWriter
from ..loop import Settings, described, fit
from ..portraits import Pairs
from . import definition
from .autoencoder import TinyAutoencoder
from .feature_network import FeatureNetwork, Lessons
from .footage import CLIPS, PAIRS, RELAXED, SIZE, STAND_INS, Footage
from .heads import Heads
from .picture_loss import PictureLoss
from .reconstruct import Reconstructions
from .sampled import Decodings, sample
from .warm_up import WarmUp

RESTING = 8  # people per person with a neutral face
AUTOENCODER, FEATURES, RECORD = "autoencoder.safetensors", "features.safetensors", "world.json"
# Stage, as named in folders and in world.json -> task, as named in the logs, and field of the Plan.
TASKS = {
    "autoencoder": (Reconstructions.name, "autoencoder"),
    "rehearsal": (WarmUp.name, "warm_up"),
    "features": (Lessons.name, "features"),
    "joint": (Pairs.name, "joint"),
    "decoder": (Decodings.name, "decoder"),
    "motion": (motions.Neighbours.name, "motion"),
    "key_frames": (motions.Neighbours.name, "key_frames"),
}


@dataclass(frozen=True)
class Plan:
    """The amount of training: people in pairs and in clips, and the settings of each stage."""

    people: int
    clips: int
    autoencoder: Settings
    warm_up: Settings
    features: Settings
    joint: Settings
    decoder: Settings
    motion: Settings
    key_frames: Settings


def latents(
    folder: Path,
    footage: Footage,
    files: Sequence[Path],
    autoencoder: TinyAutoencoder,
    tell: Callable[[str], None],
) -> Clips:
    """Encode the drawings as training data: the pictures of one person are one clip."""
    weights = autoencoder.taesd_encoder.parameters()
    digest = f"{sum(float(p.detach().double().abs().sum()) for p in weights):.6g}"
    with ShardWriter(folder, SIZE, digest) as shards:
        known = shards.names
        for path in files:
            if f"{path.stem}/0" in known:
                continue
            drawn = dict(np.load(path))
            drawn["coefficients"] = to_network_order(drawn["coefficients"])
            pictures = torch.from_numpy(drawn.pop("pictures")).movedim(-1, 1)
            with torch.no_grad():
                codes = torch.cat(
                    [autoencoder.encode(part.float() / 255).cpu() for part in pictures.split(50)]
                ).half()
            for k in range(len(codes) // footage.frames):
                rows = slice(k * footage.frames, (k + 1) * footage.frames)
                clip = {name: torch.from_numpy(value[rows]) for name, value in drawn.items()}
                shards.add(f"{path.stem}/{k}", clip | {"latents": codes[rows]})
            tell(f"latents   {path.stem}")
    return Clips(folder)


def build(out: Path, plan: Plan, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Train the toy model in `out`; return its narrow files."""
    files = PAIRS.drawn(out / PAIRS.name, plan.people, tell)
    small = _autoencoder(out, plan, files)
    options = {"target": "v", "decode": lambda z: small.decode(z).to(z) * 2 - 1}

    torch.manual_seed(plan.joint.seed)
    unet, (adapter, drive, temporal) = definition.unet(), definition.parts()
    networks = {definition.repository(part): part.build(definition.sizes(part)) for part in (adapter, drive)}
    written = [out / definition.BASE, *(out / definition.file_of(part) for part in (adapter, drive))]
    if all(path.exists() for path in written):
        base = definition.read(written[0])
        definition.load_base(unet, base)
        small.taesd_decoder.load_state_dict(definition.narrow_autoencoder(base).taesd_decoder.state_dict())
        for path, network in zip(written[1:], networks.values()):
            network.load_state_dict(definition.read(path))
    else:
        _warm_up(out, plan, small, networks[definition.repository(drive)], tell)
        _joint(out, plan, files, small, unet, networks, options, tell)
        for path, state in zip(
            written,
            [definition.narrow_base(unet, small), *(network.state_dict() for network in networks.values())],
        ):
            _save(path, _half(state))

    files = CLIPS.drawn(out / CLIPS.name, plan.clips, tell)
    moving, acting = latents(out / "moving", CLIPS, files, small, tell), []
    for name, part in (("motion", temporal), ("key_frames", definition.key_frames())):
        settings = getattr(plan, name)
        torch.manual_seed(settings.seed)
        built = motions.network(part, {}, definition.sizes)
        task = motions.Neighbours(
            moving, unet, networks, {definition.repository(part): built}, None, acting, **options
        )
        fit(task, settings, out / name, {"clips": plan.clips})
        written.append(_save(out / definition.file_of(part), _half(built.state_dict())))
        acting.append(built)
    record = {"people": plan.people, "clips": plan.clips}
    for name, (task, stage) in TASKS.items():
        record[name] = described(getattr(plan, stage)) | {"loss": curve(out / name / task)}
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return written


def _warm_up(
    out: Path, plan: Plan, small: TinyAutoencoder, drive: nn.Module, tell: Callable[[str], None]
) -> None:
    """Train the drive encoder on one plain person in the states of the drawings."""
    states = STAND_INS.drawn(out / STAND_INS.name, plan.people, tell)
    acted = latents(out / "acted", STAND_INS, states, small, tell)
    fit(WarmUp(acted, drive), plan.warm_up, out / "rehearsal", {"people": plan.people})


def _joint(
    out: Path,
    plan: Plan,
    files: Sequence[Path],
    small: TinyAutoencoder,
    unet: nn.Module,
    networks: Mapping[str, nn.Module],
    options: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Train base, reference adapter and drive encoder on the drawings and on faces at rest, then the decoder."""
    shown = [*files, *RELAXED.drawn(out / RELAXED.name, plan.people // RESTING, tell)]
    clips = latents(out / "latents", PAIRS, shown, small, tell)
    compare = PictureLoss(_features(out, plan, files))
    pairs = Heads(
        clips,
        unet,
        networks,
        None,
        live=True,
        files=shown,
        decoder=small.taesd_decoder,
        compare=compare,
        **options,
    )
    fit(pairs, plan.joint, out / "joint", {"people": plan.people})
    made = sample(out / "sampled", files, pairs, tell)
    fit(Decodings(small, files, made, compare), plan.decoder, out / "decoder", {"people": plan.people})


def _features(out: Path, plan: Plan, files: Sequence[Path]) -> FeatureNetwork:
    torch.manual_seed(plan.features.seed)
    features = FeatureNetwork()
    if not (out / FEATURES).exists():
        fit(Lessons(features, files), plan.features, out / "features", {"people": plan.people})
        _save(out / FEATURES, features.state_dict())
    features.load_state_dict(load_file(out / FEATURES))
    return features.requires_grad_(False)


def _autoencoder(out: Path, plan: Plan, files: Sequence[Path]) -> TinyAutoencoder:
    torch.manual_seed(plan.autoencoder.seed)
    small = TinyAutoencoder.small()
    if not (out / AUTOENCODER).exists():
        fit(Reconstructions(small, files), plan.autoencoder, out / "autoencoder", {"people": plan.people})
        _save(out / AUTOENCODER, small.state_dict())
    small.load_state_dict(load_file(out / AUTOENCODER))
    return small.eval()


def _half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert to float16, as shipped."""
    return {key: value.half() for key, value in state.items()}


def _save(path: Path, state: Mapping[str, Tensor]) -> Path:
    with whole(path) as part:
        save_file({key: value.contiguous() for key, value in state.items()}, part)
    return path
