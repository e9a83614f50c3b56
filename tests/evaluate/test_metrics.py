"""The metrics equal the libraries' own calls on the same arrays, with random weights."""

import numpy as np
import pytest
import torch

pytest.importorskip("torchmetrics", reason='needs the "evaluate" extra')

from sk_portrait.drawn_heads import Identity, clip, draw
from sk_portrait.evaluate import metrics
from sk_portrait.evaluate.weights import NEEDED

FRAMES = 12


@pytest.fixture(scope="module")
def clips():
    """Two people in one motion, (12, 96, 96, 3) uint8 each."""
    return [np.stack([draw(Identity.of(seed), state, 96) for state in clip(3, FRAMES)]) for seed in (1, 4)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with random weights under the official names."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "checkpoints").mkdir()
    torch.manual_seed(0)
    return folder


def saved(module: torch.nn.Module, metric: str, folder) -> None:
    torch.save(module.state_dict(), NEEDED[metric].path(folder))


def pictures(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2)


def test_lpips_is_that_of_torchmetrics(clips, weights):
    from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity
    from torchvision.models import alexnet

    saved(alexnet(weights=None), "LPIPS", weights)
    networks = metrics.Networks(weights, ["LPIPS"])
    ours = networks.lpips_distances(*clips)
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(weights))
    a, b = (pictures(side) / 255 for side in clips)
    theirs = learned_perceptual_image_patch_similarity(a, b, net_type="alex", normalize=True)
    torch.hub.set_dir(before)
    assert len(ours) == FRAMES and np.mean(ours) == pytest.approx(float(theirs), rel=1e-5)
    assert networks.lpips_distances(clips[0], clips[0]) == pytest.approx([0] * FRAMES)


def test_fid_is_that_of_torchmetrics(clips, weights, monkeypatch):
    pytest.importorskip("torch_fidelity", reason='needs the "evaluate" extra')
    from torch_fidelity import feature_extractor_inceptionv3 as inception
    from torchmetrics.image.fid import FrechetInceptionDistance

    with monkeypatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(inception.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        saved(inception.FeatureExtractorInceptionV3("made", ["64"]), "FID", weights)
    monkeypatch.setitem(metrics.FEATURES, "FID", 64)  # 2048 numbers would take minutes
    networks = metrics.Networks(weights, ["FID"])
    # A resumed run has the features of each clip in parts.
    parts = [[networks.fid_features(part) for part in (side[:5], side[5:])] for side in clips]
    path = str(NEEDED["FID"].path(weights))
    theirs = FrechetInceptionDistance(feature=64, feature_extractor_weights_path=path)
    for side, real in zip(clips, (True, False)):
        theirs.update(pictures(side), real=real)
    ours = metrics.fid(*map(np.concatenate, parts))
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-3, abs=1e-5)


def test_fvd_is_that_of_cd_fvd(clips, weights):
    library = pytest.importorskip("cdfvd.fvd", reason='needs the "evaluate" extra')
    from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d

    saved(InceptionI3d(400, in_channels=3), "FVD", weights)
    networks = metrics.Networks(weights, ["FVD"])
    real, fake = (np.stack([side, side[::-1], side[:, :, ::-1]]) for side in clips)
    features = [[networks.fvd_features(one) for one in many] for many in (real, fake)]
    ours = metrics.fvd(*map(np.concatenate, features))
    path = str(NEEDED["FVD"].path(weights))
    theirs = library.cdfvd("i3d", ckpt_path=path, device="cpu").compute_fvd(real, fake)
    assert ours == pytest.approx(float(theirs), rel=1e-3, abs=1e-6)


def test_the_frames_of_fvd_are_random_but_the_same_at_each_run():
    firsts = {metrics.consecutive(200, name) for name in "abcdefgh"}
    assert len(firsts) > 4 and max(firsts) <= 175
    assert metrics.consecutive(200, "a") == metrics.consecutive(200, "a")
    assert metrics.consecutive(10, "a") == 0


def test_weights_are_fetched_only_when_allowed(tmp_path):
    missing = NEEDED["LPIPS"].missing(tmp_path, download=False)
    assert "alexnet-owt-7be5be79.pth" in missing and "https://download.pytorch.org" in missing
    assert NEEDED["LPIPS"].missing(tmp_path, download=True) is None
