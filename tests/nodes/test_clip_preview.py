"""The picture that shows a clip while it is sampled."""

import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.comfy

SIDE = 8  # latent pixels


class Previewer:
    """As ComfyUI's: one latent -> a picture, `scale` times as large, whose grey level is the latent's mean."""

    def __init__(self, scale: int = 1):
        self.scale, self.seen = scale, []

    def decode_latent_to_preview_image(self, kind, x0):
        self.seen.append(tuple(x0.shape))
        height, width = (self.scale * side for side in x0.shape[-2:])
        return kind, Image.new("RGB", (width, height), (round(float(x0.mean())),) * 3), 512


def latents(levels) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.float32)[:, None, None, None].expand(-1, 4, SIDE, SIDE)


def cells(picture: Image.Image, columns: int) -> list[int]:
    """The grey levels of the cells, row by row."""
    side = picture.width // columns
    rows = picture.height // side
    return [
        picture.getpixel((side // 2 + side * x, side // 2 + side * y))[0]
        for y in range(rows)
        for x in range(columns)
    ]


@pytest.fixture
def sheet(comfy):
    from sk_portrait.nodes.hellomeme.clip_preview import ContactSheet

    return ContactSheet


def test_nine_frames_spread_over_the_clip_fill_up_window_by_window(sheet):
    shown = sheet(Previewer(), range(17))
    _, first, _ = shown.update(range(8), latents([10 + k for k in range(8)]))
    assert cells(first, 3) == [10, 12, 14, 16, 0, 0, 0, 0, 0]
    _, both, _ = shown.update(range(6, 17), latents([100 + k for k in range(6, 17)]))
    assert cells(both, 3) == [10, 12, 14, 16, 108, 110, 112, 114, 116]
    assert cells(first, 3)[3] == 16  # what was handed out does not change


def test_each_cell_is_decoded_once_per_step(sheet):
    previewer = Previewer()
    shown = sheet(previewer, range(9))
    for window in (range(6), range(3, 9), range(9)):
        shown.update(window, latents([10] * len(window)))
    assert len(previewer.seen) == 9
    shown.next_step()
    _, picture, _ = shown.update(range(9), latents(list(range(20, 29))))
    assert cells(picture, 3) == list(range(20, 29)) and len(previewer.seen) == 18


def test_key_frames_that_are_far_apart_each_have_a_cell(sheet):
    _, picture, _ = sheet(Previewer(), (0, 11, 22, 33)).update((0, 11, 22, 33), latents([1, 2, 3, 4]))
    assert cells(picture, 2) == [1, 2, 3, 4]


def test_a_window_between_the_shown_frames_takes_the_nearest_cell(sheet):
    previewer = Previewer()
    _, picture, _ = sheet(previewer, range(801)).update([190, 195, 199], latents([1, 2, 3]))
    assert cells(picture, 3) == [0, 0, 2, 0, 0, 0, 0, 0, 0] and len(previewer.seen) == 1


def test_no_frame_is_decoded_larger_than_it_is_shown(sheet):
    """A decoder that magnifies by 64 gives 512 px for a cell of 170: only the first latent is decoded whole."""
    previewer = Previewer(64)
    _, picture, longest = sheet(previewer, range(9)).update(range(9), latents([7] * 9))
    assert previewer.seen == [(1, 4, 8, 8)] + 8 * [(1, 4, 2, 2)]
    assert max(picture.size) <= longest and cells(picture, 3) == [7] * 9


def test_a_previewer_that_shows_frames_in_its_own_way_is_left_to_it(sheet):
    class Own(Previewer):
        def decode_latent_to_preview_image(self, kind, x0):
            super().decode_latent_to_preview_image(kind, x0)

    own = Own()
    assert sheet(own, range(3)).update(range(3), latents([1, 2, 3])) is None and len(own.seen) == 3
