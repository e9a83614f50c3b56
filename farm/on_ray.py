"""Runs a workflow on workers that Ray starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..host import installation
from . import video, worker_pool
from .failures import FarmError
from .graph import read
from .prepare import Prepared
from .progress import Steps, noted
from .session import Session
from .store import Store, write_stages


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises SKPortraitError and OSError with the message to print."""
    comfy = installation.find()
    if comfy is None:
        raise FarmError(
            "The farm runs ComfyUI on every worker, and there is none on this machine: set COMFYUI_PATH."
        )
    base = (options.base_directory or comfy).absolute()
    ray = worker_pool.begin(options.address, options.workers)
    try:
        pending = worker_pool.PendingWorkers(
            ray, worker_pool.Place() if options.address else worker_pool.Place(comfy, base), options.workers
        )
        session = Session(comfy, base)
        prompt = read(options.workflow, session.info)
        print("Encoding", flush=True)
        job = Prepared(session, prompt, options.frames)
        folder = options.output / job.digest
        store = Store(folder)
        noted(folder / "farm.log")
        workers = pending.pool(job.task, job.given, options.patience)
        print(f"{len(workers.workers)} workers; what is finished is kept in {folder}", flush=True)
        with Steps(job.steps) as bar:
            stages = job.sample(workers, store, bar)
        deliver(job, folder, workers, stages)
    finally:
        ray.shutdown()


def deliver(job: Prepared, folder: Path, workers: worker_pool.WorkerPool, stages) -> None:
    """Write the latents to a file, and produce the outputs of the workflow."""
    print(f"Latents: {write_stages(folder, stages)}", flush=True)
    if job.decoder:
        with tqdm(total=len(job.frames), unit="frame", desc="Decoding") as bar:
            path = video.write(
                folder / "video.mp4", workers, stages[0], job.decoder, *job.sound_and_speed(), bar.update
            )
        print(f"Video: {path}", flush=True)
    else:
        print("Running what comes after the sampler on this machine", flush=True)
        job.finish(stages)
