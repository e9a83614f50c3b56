"""The Expression Editor as a node: what it returns, and what it says."""

import numpy as np
import pytest
import torch

from sk_portrait.drawn_heads import Identity, State, draw, truth
from sk_portrait.face_tools.editing import poses

SIZE = 256
REST = dict.fromkeys(poses.NAMES, 0.0)


@pytest.fixture
def edit(comfy, monkeypatch, tmp_path):
    """Runs the node on a synthetic head turned by so many degrees; also returns portrait and notices."""
    import folder_paths

    from sk_portrait.nodes.face import expression

    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))

    def run(turned=0.0, key_poses="", **sliders):
        who, state, said = Identity.of(5), State.named((0.0, turned, 0.0)), []
        monkeypatch.setattr(expression, "notice", lambda node, text: said.append(text))
        noise = np.random.default_rng(0).uniform(-0.4, 0.4, (SIZE, SIZE, 3)) / 255  # no 8-bit picture
        picture = np.clip(draw(who, state, SIZE) / 255 + noise, 0, 1).astype(np.float32)
        portrait = torch.from_numpy(picture)[None]
        output = expression.ExpressionEditor.execute(
            portrait, truth(who, [state], SIZE), key_poses, False, 10.0, **(REST | sliders)
        )
        return (*output.args, portrait, said)

    return run


def test_sliders_at_zero_return_the_portrait_itself(edit):
    track, preview, portrait, said = edit()
    assert torch.equal(preview, portrait) and said == []
    assert np.allclose(track.landmarks, truth(Identity.of(5), [State()], SIZE).landmarks, atol=0.05)
    _, clip, portrait, _ = edit(key_poses="0: smile=0\n0.4: smile=1")
    assert torch.equal(clip[0], portrait[0]) and not torch.equal(clip[-1], portrait[0])


def test_a_head_turned_already_is_turned_back_but_hardly_further_and_the_node_says_so(edit):
    track, _, _, said = edit(turned=25.0, yaw=30.0)
    assert np.degrees(track.rotation[0, 1]) == pytest.approx(poses.FARTHEST[1], abs=0.1)
    assert len(said) == 1 and "+30 was limited to +15" in said[0]
    track, _, _, said = edit(turned=25.0, yaw=-30.0)
    assert np.degrees(track.rotation[0, 1]) == pytest.approx(-5, abs=0.1) and said == []
