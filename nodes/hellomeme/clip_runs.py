"""Sampling runs over frames of one clip.

Each uses ComfyUI's own sampling, with any GUIDER, SAMPLER and SIGMAS.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence

import comfy.model_management
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ...sk_attention.motion import KeyFrames
from ...unet.clip.frames import COND, UNCOND
from ...unet.clip.windows import Plan
from ...unet.hosts import comfy_hooks as unet_comfy
from ...unet.patches import Capture, WeightedPatch
from ..windows import see_in_windows
from . import attach
from .clip_preview import ContactSheet
from .networks import Network, load_plain


def steps_of(sigmas: Tensor) -> int:
    """Number of steps of a SIGMAS; 0 at denoise 0."""
    return max(len(sigmas) - 1, 0)


class Progress:
    """Progress bar over the steps of several runs, with previews of the clip's current state."""

    def __init__(self, total: int, model):
        self.bar = comfy.utils.ProgressBar(total)
        self.previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        self.frames: Sequence[int] = ()
        self.sheet: ContactSheet | None = None

    def begin(self, plan: Plan) -> None:
        """Start a run with this plan; previews show some of the frames that it computes."""
        self.frames = plan.frames
        shown = [frame for frame in plan.frames if frame in plan.seen]
        self.sheet = ContactSheet(self.previewer, shown) if self.previewer else None

    def step(self, step: int, x0: Tensor, x: Tensor, steps: int) -> None:
        """Callback for ComfyUI's samplers: advance by one step. Raises if the user pressed Cancel."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        preview = None
        if self.sheet:
            if step + 1 == steps:
                # The windows showed the cond prediction alone; the end of the last step shows the result.
                self.sheet.next_step()
            preview = self.sheet.update(self.frames, x0)
            self.sheet.next_step()
        self.bar.update_absolute(self.bar.current + 1, preview=preview)

    def window(self, frames: Sequence[int], x0: Tensor) -> None:
        """Show the result x0 (m, 4, h, w) of one of several windows of a step."""
        preview = self.sheet and self.sheet.update(frames, x0)
        if preview:
            self.bar.update_absolute(self.bar.current, preview=preview)

    def tick(self) -> None:
        """Advance by one step without a preview."""
        self.bar.update(1)


class Clip:
    """A clip that is sampled in several runs.

    latent:  (n, 4, h, w), one per frame
    mask:    the latent's noise mask (1 or n, ...), or None
    motions: motion networks for the runs with motion
    smooth:  True = cross-fade overlapping windows, False = average them
    exact:   start from noise x sigma, as the official code does; ComfyUI starts from noise x sqrt(1 +
      sigma^2) at full noise
    """

    def __init__(
        self,
        guider,
        sampler,
        seed: int,
        latent: Tensor,
        mask: Tensor | None,
        motions: Sequence[Network],
        smooth: bool,
        exact: bool,
        progress: Progress,
    ):
        self.guider, self.sampler, self.seed = guider, sampler, seed
        self.latent, self.mask, self.motions = latent, mask, motions
        self.smooth, self.exact, self.progress = smooth, exact, progress

    def __len__(self) -> int:
        return len(self.latent)

    def run(
        self,
        frames: Sequence[int],
        windows: tuple[range, ...],
        noise: Tensor,
        sigmas: Tensor,
        start: Tensor | None = None,
        moves: bool = True,
        key_frames: KeyFrames | None = None,
        wanted: Collection[int] | None = None,
    ) -> Tensor:
        """Denoise one latent per frame in `frames` -> (len(frames), 4, h, w).

        noise, start: (len(frames), 4, h, w); start: None = the clip's own latents
        windows:      positions in `frames` that are denoised together
        moves:        whether the motion networks act
        wanted:       frames to compute, None = all; windows without such a frame are skipped. The sampler
          still processes all of `frames`, so one that draws noise draws the same noise per frame as for the
          whole clip
        """
        start = self.latent[list(frames)] if start is None else start
        if not steps_of(sigmas):
            return start
        plan = Plan.of(windows, self.smooth, frames, len(self))
        model = self._model_for(
            plan if wanted is None else plan.for_frames(wanted), sigmas, moves, key_frames
        )
        return (
            self.guided(model)
            .sample(
                noise * self._start_factor(sigmas),
                start,
                self.sampler,
                sigmas,
                denoise_mask=self._mask_of(frames),
                callback=self.progress.step,
                disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
                seed=self.seed,
            )
            .to(self.latent)
        )

    def moving(self, moves: bool, key_frames: KeyFrames | None):
        """Return a clone of the MODEL, with the motion networks if `moves` is true."""
        model = self.guider.model_patcher.clone()
        if moves:
            for motion in self.motions:
                attach.motion(model, motion, key_frames=key_frames)
        return model

    def guided(self, model):
        """Return a copy of the guider for another MODEL."""
        guider = copy.copy(self.guider)
        guider.model_patcher, guider.model_options = model, model.model_options
        return guider

    def _model_for(self, plan: Plan, sigmas: Tensor, moves: bool, key_frames: KeyFrames | None):
        """Return the MODEL of a run: a clone with motion and windows. Starts its progress."""
        self.progress.begin(plan)
        model = self.moving(moves, key_frames)
        see_in_windows(model, lambda n, step: plan, max(map(len, plan.windows)), self.progress.window)
        return model

    def look(self, latents: Mapping[int, Tensor], sites: Collection[str]) -> KeyFrames:
        """Capture the features of finished frames in the plain UNet: frame -> side -> block boundary ->
        features, on the offload device.

        The uncond features come from an empty latent under the negative prompt and are shared by all frames
        with the same prompt. Frames are processed one at a time, because other batch sizes change the last
        bits, and a resumed run must get the same features.
        """
        plain = load_plain(self.guider.model_patcher)
        keep = comfy.model_management.unet_offload_device()

        def see(latent: Tensor, side: int, text: Tensor) -> dict[str, Tensor]:
            comfy.model_management.throw_exception_if_processing_interrupted()
            capture = Capture(sites)
            unet_comfy.plain_pass(
                plain.model, latent.to(plain.load_device), text[None], [WeightedPatch(capture)], side
            )
            return {boundary: feature[0].to(keep) for boundary, feature in capture.features.items()}

        positive, negative = self._texts("positive"), self._texts("negative")
        empty: dict[int, dict[str, Tensor]] = {}  # key: number of the negative prompt
        key_frames = {}
        for frame, latent in latents.items():
            seen = {
                COND: see(plain.model.process_latent_in(latent[None]), COND, positive[frame % len(positive)])
            }
            if len(negative):
                prompt = frame % len(negative)
                if prompt not in empty:
                    empty[prompt] = see(torch.zeros_like(self.latent[:1]), UNCOND, negative[prompt])
                seen[UNCOND] = empty[prompt]
            key_frames[frame] = seen
            self.progress.tick()
        return key_frames

    def _texts(self, name: str) -> Sequence[Tensor]:
        """Embeddings (t, D) of the first entry of a conditioning: one for all frames or one per frame;
        empty if there is no entry.
        """
        entries = self.guider.original_conds.get(name)
        return entries[0].get("cross_attn", ()) if entries else ()

    def _start_factor(self, sigmas: Tensor) -> float:
        sigma = float(sigmas[0])
        sigma_max = float(self.guider.model_patcher.get_model_object("model_sampling").sigma_max)
        at_full_noise = sigma > sigma_max or math.isclose(
            sigma, sigma_max, rel_tol=1e-5
        )  # the condition that ComfyUI uses
        return sigma / math.sqrt(1 + sigma**2) if self.exact and at_full_noise else 1.0

    def _mask_of(self, frames: Sequence[int]) -> Tensor | None:
        mask = self.mask
        return mask if mask is None or len(mask) == 1 else mask[[frame % len(mask) for frame in frames]]
