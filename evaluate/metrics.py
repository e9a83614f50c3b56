"""FID, FVD and LPIPS by the libraries that define them: torchmetrics with torch-fidelity, and cd-fvd.

Features are computed once per clip, so that a run can be resumed. The
distances are computed from all features at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .weights import NEEDED, hub

FVD_FRAMES = 25  # consecutive frames per clip (HelloMeme, Table 1)
FEATURES = {"FID": 2048, "FVD": 400}


class Networks:
    """The networks of the metrics in `names`, loaded from a folder at first use.

    Their libraries download missing files.
    """

    def __init__(self, folder: Path, names: Sequence[str], device: str = "cpu"):
        self.folder, self.names, self.device = folder, tuple(names), device

    @cached_property
    def inception(self) -> nn.Module:
        from torchmetrics.image.fid import NoTrainInceptionV3

        with hub(self.folder):
            return NoTrainInceptionV3("inception-v3-compat", [str(FEATURES["FID"])]).to(self.device)

    @cached_property
    def lpips(self) -> nn.Module:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        with hub(self.folder):
            return LearnedPerceptualImagePatchSimilarity("alex", normalize=True).to(self.device)

    @cached_property
    def i3d(self) -> nn.Module:
        from cdfvd.third_party.i3d.utils import load_i3d_model

        path = NEEDED["FVD"].path(self.folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        return load_i3d_model(torch.device(self.device), str(path))

    @torch.no_grad()
    def fid_features(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Return (N, 2048) float32 features of N frames (H, W, 3) uint8
        of one size: Inception v3 as in torch-fidelity.
        """
        return self.inception(_pictures(frames).to(self.device)).cpu().numpy()

    @torch.no_grad()
    def lpips_distances(self, a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> list[float]:
        """LPIPS (Zhang et al. 2018, AlexNet) of each pair of frames, 0 = equal, about 1 = unrelated."""
        pairs = zip(_pictures(a), _pictures(b))
        return [float(self.lpips(*(side[None].to(self.device) / 255 for side in pair))) for pair in pairs]

    @torch.no_grad()
    def fvd_features(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Return (1, 400) float32 features of the frames of one
        clip: I3D trained on Kinetics-400, as in cd-fvd.
        """
        from cdfvd.third_party.i3d.utils import preprocess_i3d

        return self.i3d(preprocess_i3d(np.stack(frames)[None]).to(self.device)).cpu().numpy()


class Passed(nn.Module):
    """Returns features that were computed before, for a metric that requires a network."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def fid(real: np.ndarray, fake: np.ndarray) -> float:
    """Fréchet Inception distance (Heusel et al.

    2017), >= 0, of features (N, 2048) and (M, 2048), by torchmetrics.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=Passed(real.shape[1]))
    for features, is_real in ((real, True), (fake, False)):
        metric.update(torch.from_numpy(features), real=is_real)
    return float(metric.compute())


def fvd(real: np.ndarray, fake: np.ndarray) -> float:
    """Fréchet video distance (Unterthiner et al.

    2018), >= 0, of features (N, 400), one per clip, by cd-fvd.
    """
    from cdfvd.fvd import cdfvd
    from cdfvd.utils.metric_utils import FeatureStats

    both = []
    for features in (fake, real):
        stats = FeatureStats(capture_mean_cov=True)
        stats.append(features)
        both.append(stats)
    return float(cdfvd.compute_fvd_from_stats(None, *both))


def consecutive(count: int, name: str, frames: int = FVD_FRAMES) -> int:
    """First of `frames` consecutive frames in a clip of `count` frames: random, but the same in each run."""
    room = count - frames
    return int(np.random.default_rng(list(name.encode())).integers(room + 1)) if room > 0 else 0


def _pictures(frames: Sequence[np.ndarray]) -> Tensor:
    """Convert frames to (N, 3, H, W) uint8."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()
