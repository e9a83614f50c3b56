"""Time per step of the Portrait Video Sampler without previews and with each of ComfyUI's previewers.

python run.py bench previews [--frames 12] [--size 256] [--steps 2] [--rounds 2]

Times are processor seconds, which other programs do not change; on a GPU, seconds of the clock. The UNet is a
random one of SD1.5's layout with 320 channels at all levels: the real one costs three to ten times as much,
while previews cost the same. Only the second stage is measured: each of its windows of six frames sends a
preview, and so does the end of every step.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ...host.installation import enter, find
from ...testing import clip_graph
from ..options import bench_parser

LENGTH, OVERLAP = 6, 2
MODES = ("none", "latent2rgb", "TAESD")


def main(argv: list[str]) -> int:
    """Print for each previewer the seconds per step and the increase over a run without previews."""
    parser = bench_parser("previews", __doc__)
    for name, default in (("frames", 12), ("size", 256), ("steps", 2), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="sk-portrait-") as folder:
        enter(find(), folder)
        models = clip_graph.write_models(Path(folder) / "models")
        run = Run(models, options.frames, options.size // 8, options.steps)
        run.seconds("none")  # loads everything
        taken = {mode: [] for mode in MODES}
        for _ in range(options.rounds):
            for mode in MODES:
                taken[mode].append(run.seconds(mode))
    least = {mode: min(seconds) for mode, seconds in taken.items()}
    for mode, seconds in least.items():
        print(f"{mode:11} {seconds:7.3f} s per step, {100 * (seconds / least['none'] - 1):+.2f} %")
    return 0


class Run:
    """One clip that is sampled repeatedly."""

    def __init__(self, models: Path, frames: int, cells: int, steps: int):
        import comfy.samplers
        import comfy.sd
        import torch
        from comfy.taesd.taesd import TAESD

        from ...nodes.folders import register
        from ...nodes.hellomeme.motion import LoadMotion

        register()
        path = models / "checkpoints" / clip_graph.checkpoint.CHECKPOINT
        self.model = comfy.sd.load_checkpoint_guess_config(str(path), output_vae=False, output_clip=False)[0]
        self.motion = LoadMotion.execute(clip_graph.MOTION)[0]
        prompt = [[torch.zeros(1, 77, 768), {}]]
        self.guider = comfy.samplers.CFGGuider(self.model)
        self.guider.set_conds(prompt, prompt)
        self.guider.set_cfg(2.0)
        sampling = self.model.get_model_object("model_sampling")
        self.sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", steps)
        self.clip, self.steps = torch.zeros(frames, 4, cells, cells), steps
        self.taesd = TAESD(None, None, latent_channels=4).to(self.model.load_device)

    def seconds(self, mode: str) -> float:
        """Return the seconds per step."""
        import comfy.samplers
        import latent_preview
        import torch
        from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

        from ...nodes.hellomeme.two_stage import PAPER, TwoStageSampler

        factors = self.model.model.latent_format.latent_rgb_factors
        previewers = {
            "none": None,
            "latent2rgb": latent_preview.Latent2RGBPreviewer(factors),
            "TAESD": latent_preview.TAESDPreviewerImpl(self.taesd),
        }
        latent_preview.get_previewer = lambda *_: previewers[mode]
        clock = time.perf_counter if torch.cuda.is_available() else time.process_time
        begun = clock()
        TwoStageSampler.execute(
            Noise_RandomNoise(1), self.guider, comfy.samplers.sampler_object("euler"), self.sigmas, {"samples": self.clip},
            self.motion, stage1={"samples": self.clip}, stage1_steps=1, window_length=LENGTH, overlap=OVERLAP, method=PAPER,
        )  # fmt: skip
        return (clock() - begun) / self.steps
