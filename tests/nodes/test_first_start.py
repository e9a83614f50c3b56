"""What the first start leaves behind: a warning for a folder that ComfyUI does not serve, examples, never in place of a file."""

import pytest

from sk_portrait.drawn_heads import examples

pytestmark = pytest.mark.comfy


@pytest.mark.parametrize("folder", ["sk-portrait", "ComfyUI-SKPortrait", "sk_portrait.old"])
def test_a_usual_folder_is_not_warned_about(comfy, folder):
    from sk_portrait.nodes.first_start import unserved

    assert unserved(folder) is None


@pytest.mark.parametrize("folder", ["sk-portrait (1)", "sk portrait", "sk-portrait[main]"])
def test_a_folder_that_comfyui_does_not_serve_is_named_with_the_fix(comfy, folder):
    from sk_portrait.nodes.first_start import unserved

    assert folder in unserved(folder) and '"sk-portrait"' in unserved(folder)


def test_a_file_of_the_artists_is_never_replaced(comfy, tmp_path):
    from sk_portrait.nodes.first_start import copy_examples

    mine, *_ = examples.files()
    (tmp_path / mine.name).write_bytes(b"mine")
    copy_examples(tmp_path)
    assert (tmp_path / mine.name).read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in examples.files()}
