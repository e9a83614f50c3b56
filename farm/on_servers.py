"""Runs a workflow on running ComfyUI servers."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from safetensors.torch import save
from torch import Tensor

from . import server_graphs as graphs
from .files import hash_of
from .graph import Graph, read, sampler_of
from .progress import Frames, noted
from .remote import CONNECT, Remote, Trouble, understood
from .servers import NO_PACK, Servers, Work, source_of
from .store import Store, as_latent, write_stages


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises SKPortraitError and OSError with the message to print."""
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=options.patience)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        remotes = [Remote(http, address, options.patience) for address in options.servers]
        info = await _info(remotes)
        graph = read(options.workflow, lambda kinds: info)
        sampler = sampler_of(graph)
        graphs.require_plain(graph, sampler)
        source, files = await source_of(remotes, graph)
        work = Work(
            graph,
            sampler,
            files["models"],
            files["inputs"],
            source,
            hash_of(graph, files["models"], files["inputs"]),
        )
        folder = options.output / work.digest
        store = Store(folder)
        noted(folder / "farm.log")
        print(f"{len(remotes)} servers; what is finished is kept in {folder}", flush=True)
        with Frames() as bar:
            *stages, seam = await Servers(work, remotes, store, bar, options.frames).sample()
        if seam:
            print(
                f"Parts differ most in frame {seam[0]}: by {seam[1]:.2%} of the latents' spread.", flush=True
            )
        print(f"Latents: {write_stages(folder, stages)}", flush=True)
        if following := graphs.rest(graph, sampler, info, work.digest):
            print("Running what comes after the sampler on one of them", flush=True)
            for path in await _finished(following, work.digest, stages, remotes, store):
                print(f"Result: {path}", flush=True)


async def _info(remotes: Sequence[Remote]) -> Mapping[str, dict]:
    """Return the node definitions of the first server that has SK Portrait. Raises Trouble if none has."""
    troubles = []
    for remote in remotes:
        try:
            info = await remote.object_info()
            if graphs.CLIP_PART in info:
                return info
            troubles.append(NO_PACK.format(remote.address))
        except Trouble as error:
            troubles.append(str(error))
    raise Trouble(" ".join(troubles))


async def _finished(
    following: Graph, digest: str, stages: Sequence[Tensor], remotes: Sequence[Remote], store: Store
) -> list[Path]:
    """Run the nodes after the sampler on the first server that can, and return their files.

    Raises Trouble if none can.
    """
    troubles = []
    for remote in remotes:
        try:
            for name, latents in zip(graphs.sampled_files(digest), stages, strict=True):
                await remote.put(name, save(as_latent(latents)))
            outputs = await remote.run(following)
            with understood(remote.address):
                made = [
                    file
                    for node in outputs.values()
                    for files in node.values()
                    for file in files
                    if is_file(file)
                ]
            contents = {Path(file["filename"]).name: await remote.fetch(file) for file in made}
        except Trouble as error:
            troubles.append(str(error))
            continue
        for name, content in contents.items():
            store.write(name, lambda file, content=content: file.write(content))
        return [store.folder / name for name in contents]
    raise Trouble(" ".join(troubles))


def is_file(entry: Any) -> bool:
    """Whether an entry of a node's outputs is a file on the server."""
    return isinstance(entry, dict) and {"filename", "subfolder", "type"} <= entry.keys()
