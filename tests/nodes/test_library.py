"""Official files are found under the names of their pages, whatever a download called them, and lists hold what fits."""

import shutil

import pytest

from sk_portrait.testing.stand_ins import networks

NAMELESS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def files(comfy, tmp_path_factory):
    """One small file of every repository that the tests name, written once."""
    folder = tmp_path_factory.mktemp("published")

    def file(repository: str):
        path = folder / f"{repository}.safetensors"
        if not path.exists():
            networks.write(path, repository)
        return path

    return file


@pytest.fixture
def library(comfy, tmp_path, monkeypatch):
    """The library over an empty models/sk_portrait."""
    import folder_paths

    from sk_portrait.nodes import folders
    from sk_portrait.nodes.hellomeme import library

    known = set(folders.EXTENSIONS[folders.NETWORKS])
    monkeypatch.setitem(folder_paths.folder_names_and_paths, folders.NETWORKS, ([str(tmp_path)], known))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return library


def put(files, folder, repository: str, place: str) -> str:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(files(repository), path)
    return str(path)


def test_a_folder_a_repository_is_listed_by_the_name_of_the_page(library, files, tmp_path):
    path = put(files, tmp_path, "hm2_reference", f"hm2_reference/{NAMELESS}")
    assert library.options("reference adapter") == ["hm2_reference.safetensors"]
    assert library.locate("hm2_reference.safetensors") == path


@pytest.mark.parametrize(
    "name", [r"downloads\v2\hm2_reference.safetensors", "downloads/v2/hm2_reference.safetensors"]
)
def test_a_name_that_another_system_saved_is_found(library, files, tmp_path, name):
    path = put(files, tmp_path, "hm2_reference", "downloads/v2/hm2_reference.safetensors")
    assert library.locate(name) == path


def test_a_file_with_a_backslash_in_its_name_keeps_it(library, files, tmp_path):
    path = put(files, tmp_path, "hm2_reference", r"mine\hm2_reference.safetensors")
    put(files, tmp_path, "hm2_reference", "mine/hm2_reference.safetensors")
    assert library.locate(r"mine\hm2_reference.safetensors") == path


def test_what_a_browser_saved_side_by_side_is_told_apart_by_the_headers(library, files, tmp_path):
    saved = {
        "hm5_reference": NAMELESS,
        "hm5_control_base": "diffusion_pytorch_model (1).safetensors",
        "hm5_motion": "model (2).safetensors",
    }
    for repository, place in saved.items():
        path = put(files, tmp_path, repository, place)
        assert library.locate(f"{repository}.safetensors") == path


def test_a_named_file_is_not_taken_for_another_version_with_the_same_tensors(library, files, tmp_path):
    put(files, tmp_path, "hm5b_reference", "hm5b_reference.safetensors")
    path = put(files, tmp_path, "hm5c_reference", NAMELESS)
    assert library.locate("hm5c_reference.safetensors") == path
    assert library.locate("hm5b_reference.safetensors").endswith("hm5b_reference.safetensors")


def test_lists_hold_what_a_loader_can_take_and_begin_with_todays_version(library, files, tmp_path):
    for repository in (
        "hm2_reference",
        "hm5_reference",
        "hm5_control_base",
        "hm5_control_proj",
        "hm5_motion",
    ):
        put(files, tmp_path, repository, f"{repository}/{NAMELESS}")
    assert library.options("reference adapter") == ["hm5_reference.safetensors", "hm2_reference.safetensors"]
    assert library.options("drive encoder") == ["hm5_control_base.safetensors"]
    assert library.options("SK motion", "AnimateDiff") == ["hm5_motion.safetensors"]
    from sk_portrait.nodes.hellomeme.load import first_projection

    assert first_projection() == "hm5_control_proj.safetensors"


def test_a_file_without_a_readable_header_stays_in_the_lists(library, tmp_path):
    (tmp_path / "hm2_reference.safetensors").write_bytes(b"<html>not found</html>")
    (tmp_path / "hm2_control.bin").write_bytes(b"")
    assert library.options("reference adapter") == ["hm2_reference.safetensors", "hm2_control.bin"]
    (tmp_path / "another_pack.bin").write_bytes(b"")
    assert library.options("drive encoder")[-1] == "another_pack.bin"


def test_a_missing_file_is_named_with_its_page(library):
    assert "https://huggingface.co/songkey/hm3_motion" in library.unknown("hm3_motion.safetensors")
