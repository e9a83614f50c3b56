"""A stand-in for a ComfyUI server on a real port.

Its latents hold their frame numbers, and it can simulate faults.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager

import torch
from aiohttp import web
from safetensors.torch import save

from sk_portrait.farm import server_graphs as graphs
from sk_portrait.farm.store import as_latent
from sk_portrait.unet.clip.parts import Part

CLIP = 60
MODELS, INPUTS = {"sd15.safetensors": "aaaa"}, {"faces/portrait.png": "bbbb"}


class StandIn:
    """fault: "" or the fault of its parts; with "tires" the server hangs after the first part."""

    def __init__(
        self,
        fault: str = "",
        clip: int = CLIP,
        models: Mapping = MODELS,
        inputs: Mapping = INPUTS,
        pack: bool = True,
    ):
        self.fault, self.clip, self.pack = fault, clip, pack
        self.models, self.inputs = dict(models), dict(inputs)
        self.prompts: dict[str, dict] = {}  # id -> entry in the history
        self.files: dict[str, bytes] = {}
        self.parts: list[Part] = []
        self.cancelled: set[str] = set()

    @asynccontextmanager
    async def running(self):
        """Context manager: run the server; returns host:port."""
        app = web.Application()
        routes = {
            "/prompt": self.prompt,
            "/upload/image": self.upload,
            "/queue": self.delete,
            "/interrupt": self.interrupt,
        }
        routes |= {"/sk_portrait/digests": self.file_hashes} if self.pack else {}
        app.add_routes([web.post(path, answer) for path, answer in routes.items()])
        app.add_routes([web.get("/history/{id}", self.history), web.get("/view", self.view)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def file_hashes(self, request):
        return web.json_response({"models": self.models, "inputs": self.inputs})

    async def upload(self, request):
        form = await request.post()
        name = f"{form['subfolder']}/{form['image'].filename}"
        self.files[name] = form["image"].file.read()
        self.inputs[name] = INPUTS.get(name, "new")
        return web.json_response({})

    async def prompt(self, request):
        graph = (await request.json())["prompt"]
        number = str(len(self.prompts))
        asked = graph[graphs.PART]["inputs"]
        outputs = {graphs.PART: {"clip_frames": [self.clip]}}
        if graphs.VIDEO in graph:
            part = Part.of(self.clip, asked["first"], asked["count"], asked["margin"])
            self.parts.append(part)
            outputs |= self.sampled(number, part)
            if self.fault == "refuses":
                return web.json_response({"error": {"message": "no"}, "node_errors": {}}, status=400)
        self.prompts[number] = {"status": {"status_str": "success", "messages": []}, "outputs": outputs}
        if graphs.VIDEO in graph and self.fault == "fails":
            error = {"node_type": "KSampler", "node_id": "7", "exception_message": "No space left on device"}
            self.prompts[number]["status"] = {"status_str": "error", "messages": [["execution_error", error]]}
        if graphs.VIDEO in graph and (self.fault == "hangs" or self.fault == "tires" and len(self.parts) > 1):
            self.prompts[number] = None
        return web.json_response({"prompt_id": number})

    def sampled(self, number: str, part: Part) -> dict:
        """Write latents of the part's frames to files, and return their names."""
        frames = torch.tensor(part.frames, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 4, 2, 2)
        wrong = {"one too few": frames[1:], "nan": frames / 0 * 0}
        for end in (graphs.VIDEO, graphs.FIRST):
            self.files[f"{number} {end}"] = save(as_latent(wrong.get(self.fault, frames)))
        places = {
            end: {"filename": f"{number} {end}", "subfolder": "", "type": "output"}
            for end in (graphs.VIDEO, graphs.FIRST)
        }
        return (
            {}
            if self.fault == "says nothing"
            else {end: {"latents": [place]} for end, place in places.items()}
        )

    async def history(self, request):
        number = request.match_info["id"]
        if self.fault == "no json":
            return web.Response(body=b"<html>")
        if self.fault == "odd":
            return web.json_response([])
        if self.fault == "slow" and graphs.VIDEO in self.prompts[number]["outputs"]:
            await asyncio.sleep(2)
        record = self.prompts[number]
        return web.json_response({number: record} if record else {})

    async def view(self, request):
        body = self.files.get(request.query["filename"], request.query["filename"].encode())
        return web.Response(body=b"garbage" if self.fault == "garbage" else body)

    async def delete(self, request):
        self.cancelled |= set((await request.json())["delete"])
        return web.Response()

    async def interrupt(self, request):
        self.cancelled.add((await request.json())["prompt_id"])
        return web.Response()


def graph() -> dict:
    """Return the graph of a clip with one model file and one picture."""
    nodes = {
        "sd15": ("CheckpointLoaderSimple", {"ckpt_name": "sd15.safetensors"}),
        "picture": ("LoadImage", {"image": "faces/portrait.png"}),
        "latent": ("EmptyLatentImage", {"batch_size": CLIP}),
        "clip": (
            "SKPortraitTwoStageSampler",
            {"latent_image": ["latent", 0], "guider": ["sd15", 0], "stage1": ["picture", 0]},
        ),
    }
    return json.loads(
        json.dumps({name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()})
    )
