"""What ComfyUI tells the front end about the pack."""

import pytest

from sk_portrait.authoring.appendix_blueprints import UNPUBLISHED
from sk_portrait.authoring.recipes import SOURCES
from sk_portrait.host import workflow

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def nodes(server):
    return {name: info for name, info in server.object_info().items() if name.startswith("SKPortrait")}


def test_the_main_path_is_there(nodes):
    path = "LoadAdapter LoadDriveEncoder TrackFace CropPortrait DrawHeadPose FacePatches EncodeReference EncodeDrive Apply SharedNoise"
    assert {f"SKPortrait{name}" for name in path.split()} <= set(nodes)


def test_every_node_says_what_it_does_and_lies_in_our_menu(nodes):
    assert [name for name, info in nodes.items() if not info["description"]] == []
    assert [name for name, info in nodes.items() if not info["category"].startswith("SK Portrait")] == []


def test_every_input_and_output_has_a_tooltip(nodes):
    bare = []
    for name, info in nodes.items():
        for kind in ("required", "optional"):
            for key, spec in info["input"].get(kind, {}).items():
                if len(spec) < 2 or not spec[1].get("tooltip"):
                    bare.append(f"{name}.{key}")
        tooltips = info.get("output_tooltips") or [None] * len(info["output"])
        bare += [
            f"{name} -> {output}"
            for output, tip in zip(info["output_name"], tooltips, strict=True)
            if not tip
        ]
    assert bare == []


def test_a_missing_model_file_is_refused_with_file_folder_and_page(server):
    from sk_portrait.host.server import RunError

    graph = {
        "1": {"class_type": "SKPortraitLoadAdapter", "inputs": {"file": "hm2_absent.safetensors"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }
    with pytest.raises(RunError, match=r"hm2_absent\.safetensors.*sk_portrait.*huggingface\.co/songkey"):
        server.run(graph)


@pytest.mark.parametrize("name", ["hm2_reference.safetensors", "hm2_reference.bin"])
def test_a_broken_model_file_says_so_and_where_to_get_it(server, name):
    from sk_portrait.host.server import RunError

    folder = server.base / "models" / "sk_portrait" / "broken"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"<html>not found</html>")
    graph = {
        "1": {"class_type": "SKPortraitLoadAdapter", "inputs": {"file": f"broken/{name}"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }
    with pytest.raises(
        RunError,
        match=r"22 bytes\) cannot be read.*Delete it and download it again: https://huggingface\.co/songkey",
    ):
        server.run(graph)


def test_shipped_workflows_name_their_downloads():
    for name in workflow.names(workflow.TEMPLATES):
        template = workflow.read(name, workflow.TEMPLATES)
        entries = workflow.models(template)
        values = {
            value
            for node in workflow.nodes_within(template)
            for value in node.get("widgets_values") or ()
            if isinstance(value, str)
        }
        files = {value for value in values if value.endswith((".safetensors", ".ckpt", ".bin", ".pt"))}
        assert (files or name == "try_it") and files <= {name for _, name in entries}, name
        published = {url for (_, name), url in entries.items() if name not in UNPUBLISHED}
        assert all(
            url.startswith(("https://huggingface.co/", "https://github.com/csxmli2016/w-plus-adapter/"))
            for url in published
        )
        assert all(url.startswith(SOURCES) for url in set(entries.values()) - published)


def test_the_host_offers_the_workflows_as_templates(server):
    offered = server.get("/workflow_templates")["sk-portrait"]
    assert set(offered) == set(workflow.names(workflow.TEMPLATES))


def test_the_host_offers_the_blueprints(server):
    import urllib.error

    try:
        offered = server.get("/global_subgraphs").values()
    except urllib.error.HTTPError:
        pytest.skip("this ComfyUI lists no blueprints of packs (0.29 does)")
    ours = {entry["name"] for entry in offered if entry["info"]["node_pack"].endswith("sk-portrait")}
    assert ours == set(workflow.names(workflow.BLUEPRINTS))
