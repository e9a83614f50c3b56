"""A clip on two real ComfyUI servers, by the command: what one of them gives, whatever happens to the other. Tiny models."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sk_portrait.farm import command, parts
from sk_portrait.host import installation
from sk_portrait.host.environment import ROOT
from sk_portrait.host.server import Server
from sk_portrait.testing.farm import graphs

pytestmark = pytest.mark.comfy

FRAMES = 48
SEAM = 0.02  # of the largest number, in two steps of tiny models; a clip of another seed differs by 1


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two servers with the tiny nodes, and a folder in which each process counts its windows."""
    bases = [graphs.base(tmp_path_factory.mktemp(name)) for name in ("first", "second")]
    comfy = installation.find()
    with Server(comfy, bases[0]) as first, Server(comfy, bases[1]) as second:
        yield first, second


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Parts for a short clip."""
    monkeypatch.setattr(parts, "LONG", 16)


@pytest.fixture
def marks(tmp_path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def farmed(two, out: Path, graph: dict, *options: str) -> dict:
    """Latents that the command writes."""
    saved = out.with_suffix(".json")
    saved.write_text(json.dumps(graph))
    addresses = ",".join(server.url.removeprefix("http://") for server in two)
    assert command.main([str(saved), "--servers", addresses, "--output", str(out), *options]) == 0
    return {
        name: load_file(next(out.glob(f"*/{name}.latent")))["latent_tensor"] for name in ("video", "stage1")
    }


def alone(server: Server, graph: dict) -> dict:
    """The same of one prompt on one server."""
    both = graph | {
        "save stage1": {
            "class_type": "SaveLatent",
            "inputs": {"samples": ["clip", 1], "filename_prefix": "alone"},
        }
    }
    outputs = server.run(both)
    saved = {"video": "save", "stage1": "save stage1"}
    return {
        name: load_file(server.path(outputs[node]["latents"][0]))["latent_tensor"]
        for name, node in saved.items()
    }


def difference(latents, expected) -> float:
    assert latents.shape == expected.shape
    return float((latents - expected).abs().max() / expected.abs().max())


def windows(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.mark.parametrize("kind", ["v2", "v5"])
def test_two_servers_make_the_clip_of_one(two, tmp_path, marks, kind, capfd):
    """The first stage and the key frames to the last digits; the video but for a seam that is measured, and both have worked."""
    graph = graphs.clip(kind, FRAMES, steps=2, mark=str(marks))
    clip = farmed(two, tmp_path / "out", graph)
    assert {path.name for path in marks.iterdir()} == {str(server.process.pid) for server in two}
    expected = alone(two[0], graph)
    assert difference(clip["stage1"], expected["stage1"]) <= 1e-5
    assert difference(clip["video"], expected["video"]) <= SEAM
    assert "Parts differ most in frame" in capfd.readouterr().out
    (saved,) = (tmp_path / "out").glob("*/farmed_*.latent")  # what follows the sampler ran on a server
    assert (load_file(saved)["latent_tensor"] == clip["video"]).all()
    done = windows(marks)
    some = farmed(two, tmp_path / "out", graph, "--frames", "16:31")
    assert (some["video"] == clip["video"][16:32]).all() and windows(
        marks
    ) == done  # of the parts that were there


def test_after_an_interrupt_the_servers_are_idle_and_the_same_command_goes_on(two, tmp_path, marks):
    saved, out = tmp_path / "clip.json", tmp_path / "out"
    graph = graphs.clip("v2", FRAMES, mark=str(marks), slow=0.2)
    saved.write_text(json.dumps(graph))
    script = "import sys; from sk_portrait.farm import command, parts; parts.LONG = 16; sys.exit(command.main(sys.argv[1:]))"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; run.load_pack(); {script}"
    addresses = ",".join(server.url for server in two)
    command_line = [sys.executable, "-c", code, str(saved), "--servers", addresses, "--output", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(
        command_line, preexec_fn=graphs.heed_interrupts, start_new_session=True, **quiet
    )
    while running.poll() is None and not list(out.glob("*/part.*.npz")):
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in running.communicate(timeout=60)[1]
    for server in two:
        queue = server.get("/queue")
        assert queue["queue_pending"] == [] and len(queue["queue_running"]) <= 1
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*/part.*.npz")}
    clip = farmed(two, out, graph)
    assert kept and {path: path.stat().st_mtime_ns for path in kept} == kept
    assert difference(clip["video"], alone(two[0], graph)["video"]) <= SEAM


def test_a_server_with_another_model_file_is_refused_by_its_name(two, tmp_path, caplog):
    first, second = two
    graphs.model(second.base, b"another file")
    farmed(two, tmp_path / "out", graphs.clip("v2", 24))
    graphs.model(second.base, b"the same on all machines")
    assert (
        f"On {second.url.removeprefix('http://')} the model {graphs.MOTION_FILE} is another file"
        in caplog.text
    )


def test_what_a_killed_server_had_is_given_to_another(two, tmp_path, marks, caplog):
    """And a third one was never there."""
    first, second = two
    graph = graphs.clip("v2", FRAMES, mark=str(marks), slow=0.1)

    def strike():
        while not (marks / str(second.process.pid)).exists():
            time.sleep(0.05)
        second.process.kill()

    striking = threading.Thread(target=strike, daemon=True)
    striking.start()
    saved = tmp_path / "clip.json"
    saved.write_text(json.dumps(graph))
    addresses = f"127.0.0.1:9,{first.url},{second.url}"
    assert command.main([str(saved), "--servers", addresses, "--output", str(tmp_path / "out")]) == 0
    striking.join()
    (video,) = (tmp_path / "out").glob("*/video.latent")
    assert difference(load_file(video)["latent_tensor"], alone(first, graph)["video"]) <= SEAM
    assert "127.0.0.1:9 does not answer" in caplog.text and f"{second.url} does not answer" in caplog.text
