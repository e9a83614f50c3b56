"""Sample one clip on many machines:

python run.py farm WORKFLOW [--workers N] [--address CLUSTER] [--output DIR]

WORKFLOW is a saved workflow, or a graph in API format, with one Two-Stage Sampler. Without a cluster, Ray is started on this machine.
What is finished is kept in the output folder: the same command again computes what is missing.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from ..demo import host, workflow
from ..demo.environment import ROOT
from . import crew, graph
from .prepare import Prepared
from .session import GraphError, Session
from .store import Store

log = logging.getLogger(__package__)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", type=Path)
    parser.add_argument("--workers", type=int, help="workers at most (default: one for each GPU, else one for each machine)")
    parser.add_argument("--address", help="of a Ray cluster: ray://HEAD:10001, HEAD:6379, or auto")
    parser.add_argument("--base-directory", type=Path, help="of ComfyUI: models, input, custom_nodes, ... (default: its own folder)")
    parser.add_argument("--output", type=Path, default=ROOT / "output" / "farm", help="default: %(default)s")
    parser.add_argument("--patience", type=float, default=crew.PATIENCE, help="seconds that an answer may take (default: %(default).0f)")
    options = parser.parse_args(argv)
    try:
        return run(options)
    except (crew.FarmError, GraphError, ValueError) as error:
        print(f"farm: {error}", file=sys.stderr)
    except OSError as error:
        print(f"farm: {error}. What is finished is kept.", file=sys.stderr)
    return 1


def run(options: argparse.Namespace) -> int:
    """The workflow on a crew of Ray workers."""
    comfy = host.find()
    if comfy is None:
        raise ValueError("The farm runs ComfyUI on every worker, and there is none on this machine: set COMFYUI_PATH.")
    base = (options.base_directory or comfy).absolute()
    ray = crew.begin(options.address, options.workers)
    try:
        recruits = crew.Recruits(ray, crew.Place() if options.address else crew.Place(comfy, base), options.workers)
        session = Session(comfy, base)
        prompt = read(options.workflow, session)
        print("Encoding", flush=True)
        job = Prepared(session, prompt)
        folder = options.output / job.digest
        store = Store(folder)
        noted(folder / "farm.log")
        workers = recruits.crew(job.task, job.given, options.patience)
        print(f"{len(workers.workers)} workers; what is finished is kept in {folder}", flush=True)
        with Bar(job.steps) as bar:
            stages = job.sample(workers, store, bar)
        deliver(job, folder, workers, stages)
    finally:
        ray.shutdown()
    return 0


def deliver(job, folder: Path, workers: crew.Crew, stages: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The latents as a file, and what the workflow makes of them."""
    from safetensors.torch import save_file

    from . import video

    for name, latents in zip(("video", "stage1"), stages, strict=True):
        save_file({"latent_tensor": latents, "latent_format_version_0": torch.tensor([])}, folder / f"{name}.latent")
    print(f"Latents: {folder / 'video.latent'}", flush=True)
    if job.decoder:
        with tqdm(total=job.frames, unit="frame", desc="Decoding") as bar:
            path = video.write(folder / "video.mp4", workers, stages[0], job.decoder, *job.sound_and_speed(), bar.update)
        print(f"Video: {path}", flush=True)
    else:
        print("Running what comes after the sampler on this machine", flush=True)
        job.finish(stages)


class Bar:
    """One progress bar over the steps of all runs."""

    def __init__(self, steps: int):
        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        self.bar, self.done = tqdm(total=steps, desc="Sampling", bar_format=layout), 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def step(self, *_) -> None:
        """The host's sampler callback."""
        self.tick()

    def tick(self, steps: int = 1) -> None:
        self.done += steps
        self._show(self.done)

    def part(self, done: int, of: int) -> None:
        """So many windows of the step in work are finished."""
        self.bar.set_postfix_str(f"window {done} of {of}", refresh=False)
        self._show(min(self.done + done / of, self.bar.total))

    def _show(self, position: float) -> None:
        self.bar.n = max(self.bar.n, position)  # some samplers call the network twice a step
        self.bar.refresh()


def noted(path: Path) -> None:
    """One log: what the farm says, on the terminal and in a file."""
    log.handlers = [logging.StreamHandler(), logging.FileHandler(path)]
    for handler in log.handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))


def read(path: Path, session: Session) -> graph.Graph:
    """A graph in API format, from either kind of file. Raises ValueError where it is neither."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}.") from None
    if isinstance(saved, dict) and "nodes" in saved:
        kinds = {node["type"] for node in workflow.flat(saved)["nodes"]} - workflow.NOTES
        return workflow.to_api(saved, session.info(kinds))
    if isinstance(saved, dict) and all(isinstance(node, dict) and "class_type" in node for node in saved.values()):
        return saved
    raise ValueError(f"{path} is neither a saved workflow nor a graph in API format.")
