"""ControlNetSK, FaceID (SK) and SK text attention on the real ComfyUI; tests/compat: exactness, tests/parity: formulas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sk_portrait.errors import FrameCountError, MissingFileError, MissingInputError, SizeError
from sk_portrait.face_tools.track_errors import NoFaceError
from sk_portrait.sk_attention.appendix import metadata
from sk_portrait.sk_attention.appendix.cross import FaceIDAdapter, TextAdapter
from sk_portrait.sk_attention.appendix.files import load_cross
from sk_portrait.sk_attention.published_files import CheckpointError
from sk_portrait.testing import appendix
from sk_portrait.testing.compare import relative_error
from sk_portrait.testing.golden import Golden
from sk_portrait.testing.raised import raises
from sk_portrait.testing.split_sampling import split_errors
from sk_portrait.testing.tiny_models import normal
from sk_portrait.testing.tracks import track_of

SMALL, FRAMES = 8, 3  # latent pixels of a side
SAMPLED = 1e-5  # rounding after several steps: an added zero still changes how later products are blocked
GOLDEN = Golden()


@pytest.fixture(scope="module")
def host(comfy):
    from sk_portrait.nodes.appendix.control import ApplyControlNetSK
    from sk_portrait.nodes.appendix.face_id import ApplyFaceID
    from sk_portrait.nodes.appendix.networks import CrossNetwork
    from sk_portrait.nodes.appendix.text import replace_text
    from sk_portrait.nodes.weights import patcher_of
    from sk_portrait.testing.tiny_motion import MovingHost

    class AppendixHost(MovingHost):
        def __init__(self):
            super().__init__()
            self.control = self.managed(
                replace(appendix.control_adapter(GOLDEN, self.operations), condition="canny")
            )
            self.face_id = self.network(appendix.face_id_adapter(GOLDEN, self.operations))
            self.text = self.network(appendix.text_adapter(GOLDEN, self.operations))
            self.plain = self.sample(self.model, cells=SMALL)

        def network(self, module):
            return CrossNetwork(module, patcher_of(module), "own.safetensors")

        def controlled(
            self, strength=1.0, latents=None, model=None, start=0.0, end=1.0, adapter=None, mask=None
        ):
            """latents: of the condition pictures."""
            latents = normal("condition", 1, 4, SMALL, SMALL) if latents is None else latents
            vae = SimpleNamespace(encode=lambda pictures: latents)
            pictures = torch.zeros(len(latents), 8 * SMALL, 8 * SMALL, 3)
            wires = (model or self.model, adapter or self.control, vae, pictures)
            return ApplyControlNetSK.execute(*wires, strength, start, end, mask)[0]

        def identified(
            self, strength=1.0, people=None, model=None, start=0.0, end=1.0, network=None, **wires
        ):
            people = appendix.embeddings(1) if people is None else people
            inputs = (model or self.model, network or self.face_id, people)
            return ApplyFaceID.execute(*inputs, strength, start, end, **wires)[0]

        def replaced(self, strength=1.0, network=None):
            model = self.model.clone()
            replace_text(model, network or self.text, strength)
            return model

        def drawn(self, model):
            return self.sample(model, cells=SMALL)

    return AppendixHost()


@pytest.mark.parametrize("inputs", [{"strength": 0.0}, {"start": 0.6, "end": 0.4}], ids=str)
@pytest.mark.parametrize("node", ["controlled", "identified"])
def test_strength_0_is_the_models_own_result_bit_identically(host, node, inputs):
    assert torch.equal(host.drawn(getattr(host, node)(**inputs)), host.plain)


def test_strength_0_in_every_frame_too(host):
    assert torch.equal(host.drawn(host.identified(strengths=[0.0] * FRAMES)), host.plain)


def test_new_networks_add_nothing(host):
    """Zero-initialised: FaceID is the identity; an SK text attention of zeros adds no text."""
    face_id = appendix.face_id_adapter(GOLDEN, host.operations)
    face_id.silence()
    assert relative_error(host.drawn(host.identified(network=host.network(face_id))), host.plain) < 1e-6
    control = appendix.control_adapter(GOLDEN, host.operations)
    for module in control.module.sites.values():
        torch.nn.init.zeros_(module.proj.weight)
        torch.nn.init.zeros_(module.proj.bias)
    adapter = host.managed(replace(control, condition="canny"))
    assert relative_error(host.drawn(host.controlled(adapter=adapter)), host.plain) < SAMPLED


@pytest.mark.parametrize("node", ["controlled", "identified", "replaced"])
def test_each_acts_and_leaves_the_model_that_came_in_as_it_was(host, node):
    assert relative_error(host.drawn(getattr(host, node)()), host.plain) > 1e-2
    assert torch.equal(host.drawn(host.model), host.plain)


def test_one_picture_is_the_same_picture_in_every_frame(host):
    picture = normal("condition", 1, 4, SMALL, SMALL)
    every = host.drawn(host.controlled(latents=picture.expand(FRAMES, -1, -1, -1)))
    assert relative_error(every, host.drawn(host.controlled(latents=picture))) < 1e-5


def test_one_person_is_the_same_person_in_every_frame(host):
    person = appendix.embeddings(1)
    every = host.drawn(host.identified(people=person.expand(FRAMES, -1)))
    assert relative_error(every, host.drawn(host.identified(people=person))) < 1e-5


@pytest.mark.parametrize("node", ["controlled", "identified"])
def test_a_white_mask_is_none_and_a_black_one_is_the_model(host, node):
    wear, size = getattr(host, node), (1, 8 * SMALL, 8 * SMALL)
    white, black = (host.drawn(wear(mask=mask)) for mask in (torch.ones(size), torch.zeros(size)))
    assert relative_error(white, host.drawn(wear())) < 1e-5
    assert relative_error(black, host.plain) < 1e-5


def test_two_conditions_act_together_in_either_order_and_beside_a_portrait(host):
    one, other = normal("one", 1, 4, SMALL, SMALL), normal("other", 1, 4, SMALL, SMALL)
    portrait = host.apply(host.reference("v2", SMALL))
    both = host.controlled(latents=other, model=host.controlled(latents=one, model=portrait))
    swapped = host.controlled(latents=one, model=host.controlled(latents=other, model=portrait))
    got = host.drawn(both)
    assert relative_error(host.drawn(swapped), got) < 1e-5
    assert relative_error(host.drawn(host.controlled(latents=one, model=portrait)), got) > 1e-3


@pytest.mark.parametrize("node", ["controlled", "identified"])
def test_two_samplers_with_half_of_the_steps_each_are_one_with_all_of_them(host, node):
    errors = split_errors(getattr(host, node)(start=0.3, end=0.7), normal("noise", FRAMES, 4, SMALL, SMALL))
    assert max(errors.values()) < 1e-5, errors


def test_an_embedding_is_read_from_pictures_saved_and_read_again(host, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    import folder_paths

    from sk_portrait.nodes.appendix.face_id import ARCFACE, FaceEmbedding
    from sk_portrait.testing.stand_ins import onnx_faces

    (tmp_path / "insightface").mkdir()
    onnx_faces.embedding(tmp_path / "insightface" / "w600k_r50.onnx")
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    pictures, track = torch.rand(FRAMES, 480, 640, 3), track_of(FRAMES)
    one, path = FaceEmbedding.execute(ARCFACE, False, "person", pictures, track).args
    every, unsaved = FaceEmbedding.execute(ARCFACE, True, "", pictures, track).args
    assert one.shape == (1, 512) and every.shape == (FRAMES, 512) and unsaved == ""
    assert torch.allclose(every.norm(dim=1), torch.ones(FRAMES))
    again = FaceEmbedding.execute(f"{Path(path).name} [output]", False, "").args[0]
    assert torch.allclose(again, one)


def test_a_saved_embedding_needs_neither_pictures_nor_a_track(comfy):
    from sk_portrait.nodes.appendix.face_id import ARCFACE, FaceEmbedding

    needed = FaceEmbedding.check_lazy_status
    assert needed("person.npy", per_frame=False, images=None, track=None) == []
    assert needed(ARCFACE, per_frame=False, images=None, track=None) == ["images", "track"]
    assert needed(ARCFACE, per_frame=False) == [], "what is not connected cannot be computed"


class TestBadInput:
    def test_pictures_of_another_number(self, host):
        with raises(FrameCountError, what="condition", frames=2, expected=3):
            host.drawn(host.controlled(latents=normal("two", 2, 4, SMALL, SMALL)))

    def test_a_picture_of_another_shape(self, host):
        with pytest.raises(
            SizeError, match="The condition was made for .*give the picture the size that is sampled"
        ):
            host.drawn(host.controlled(latents=normal("tall", 1, 4, 2 * SMALL, SMALL)))

    def test_embeddings_of_another_number(self, host):
        with raises(FrameCountError, what="list of face embeddings", frames=2, expected=3):
            host.drawn(host.identified(people=appendix.embeddings(2)))

    def test_an_adapter_in_the_wrong_node(self, host):
        with pytest.raises(CheckpointError, match="v1 reference adapter, and this node takes a ControlNetSK"):
            host.controlled(adapter=host.adapter("v1"))
        with pytest.raises(
            CheckpointError, match="ControlNetSK .canny., and this node takes a reference adapter"
        ):
            host.adapter = lambda version: host.control
            try:
                host.reference("v1", SMALL)
            finally:
                del host.adapter

    def test_a_network_of_another_width(self, host):
        narrow = dict.fromkeys(appendix.BLOCK_WIDTHS, 16)
        network = host.network(FaceIDAdapter(narrow, 512, 8, 5))
        with pytest.raises(CheckpointError, match="it has 16 channels and the MODEL has 32"):
            host.identified(network=network)

    def test_pictures_without_a_face_and_without_a_network(self, host, monkeypatch):
        from sk_portrait.nodes.appendix import face_id

        track, images = track_of(FRAMES), torch.zeros(FRAMES, 480, 640, 3)
        monkeypatch.setattr(face_id, "embedder", lambda: None)
        with pytest.raises(MissingFileError, match="No w600k_r50.onnx or glintr100.onnx was found"):
            face_id.by_arcface(images, track, False)
        monkeypatch.setattr(face_id, "embedder", lambda: object())
        with pytest.raises(NoFaceError, match="holds no frame with a detected face"):
            face_id.by_arcface(images, track.replace(valid=np.zeros(FRAMES, bool)), False)
        with pytest.raises(MissingInputError, match="no images or no track to read"):
            face_id.by_arcface(images, None, False)

    def test_an_embedding_of_another_length(self, host, tmp_path):
        from sk_portrait.nodes.appendix.face_id import EmbeddingFileError, saved

        np.save(tmp_path / "short.npy", np.zeros(128, np.float32))
        with pytest.raises(
            EmbeddingFileError, match=r"short.npy holds an array of shape \(128,\), and .* is \(512,\)"
        ):
            saved(str(tmp_path / "short.npy"))
        (tmp_path / "page.npy").write_text("<html>")
        with pytest.raises(EmbeddingFileError, match="page.npy cannot be read as an array"):
            saved(str(tmp_path / "page.npy"))


class TestFiles:
    @pytest.mark.parametrize("make", [appendix.face_id_adapter, appendix.text_adapter])
    def test_a_file_round_trips(self, make):
        network = make(GOLDEN)
        again = load_cross(type(network), network.state_dict(), "own.safetensors")
        for (name, one), other in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
            assert torch.equal(one, other), name

    def test_wrong_files_are_named(self):
        face_id = appendix.face_id_adapter(GOLDEN).state_dict()
        with pytest.raises(
            CheckpointError, match="lora.bin is no IPAdapterSK FaceID file: .* no public weights"
        ):
            load_cross(FaceIDAdapter, {"lora.up": torch.zeros(1)}, "lora.bin")
        with pytest.raises(CheckpointError, match="is no SK text attention file"):
            load_cross(TextAdapter, face_id, "face.safetensors")
        del face_id["face_id_sk.input_1.norm1.bias"]
        with pytest.raises(
            CheckpointError, match="1 of its .* tensors are missing: 'face_id_sk.input_1.norm1.bias'"
        ):
            load_cross(FaceIDAdapter, face_id, "face.safetensors")

    def test_load_portrait_adapter_tells_a_controlnet_sk_by_its_metadata(self, host, tmp_path, monkeypatch):
        from sk_portrait.nodes.hellomeme import load, networks

        state = appendix.control_adapter(GOLDEN).module.state_dict()
        for name, about in (("edges", metadata.of_control("canny")), ("portrait", {})):
            save_file(
                {key: value.contiguous() for key, value in state.items()},
                tmp_path / f"{name}.safetensors",
                about,
            )
        monkeypatch.setattr(networks, "locate", lambda name: str(tmp_path / name))
        adapter, name = load.LoadAdapter.execute("edges.safetensors").args
        assert name == "ControlNetSK (canny)" and adapter.loaded.condition == "canny"
        assert load.LoadAdapter.execute("portrait.safetensors").args[1] == "v1 reference adapter"
        assert (
            relative_error(host.drawn(host.controlled(adapter=adapter)), host.drawn(host.controlled())) < 1e-3
        )
