"""Which files a server tells other machines about."""

import hashlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy


def write(path: Path, content: bytes) -> str:
    """-> its SHA-256"""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_inputs_are_told_and_nothing_beside_them(comfy):
    import folder_paths

    from sk_portrait.nodes import file_hashes

    folder = Path(folder_paths.get_input_directory())
    told = write(folder / "faces" / "told.png", b"picture")
    write(folder.parent / "secret.txt", b"secret")
    told_names = ["faces/told.png", "faces/told.png [input]", r"faces\told.png"]
    outside = ["../secret.txt", r"..\secret.txt", str(folder.parent / "secret.txt")]
    others = [*outside, "faces", "a prompt " * 99, ""]
    assert file_hashes.inputs([*told_names, *others]) == dict.fromkeys(told_names, told)


def test_a_model_is_found_by_the_name_that_the_lists_show(comfy):
    import folder_paths

    from sk_portrait.nodes import file_hashes, folders

    folders.register()
    folder = Path(folder_paths.get_folder_paths(folders.NETWORKS)[0])
    told = write(folder / "digested_part" / "diffusion_pytorch_model.safetensors", b"weights")
    found = ["digested_part.safetensors", r"digested_part\diffusion_pytorch_model.safetensors"]
    assert file_hashes.models([*found, "digested_absent.safetensors", "a prompt"]) == {
        **dict.fromkeys(found, told), "digested_absent.safetensors": None,
    }  # fmt: skip
