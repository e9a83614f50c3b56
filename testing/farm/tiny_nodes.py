"""A custom node pack for the farm's tests: the tiny MODEL, its drive and its motions as nodes.

It is copied into a base directory.
"""

import importlib.util
import os
import sys
import time
from pathlib import Path

if "sk_portrait" not in sys.modules:  # a worker has imported it already
    spec = importlib.util.spec_from_file_location("sk_portrait_run", Path("@ROOT@") / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    run.load_pack()


def _host():
    from sk_portrait.testing.tiny_motion import MovingHost

    return MovingHost()


class TinyDrive:
    RETURN_TYPES, FUNCTION = ("SK_DRIVE",), "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"frames": ("INT", {}), "cells": ("INT", {})}}

    def make(self, frames, cells):
        from sk_portrait.testing.tiny_models import drive

        return (drive(frames, cells=cells),)


class TinyGuider:
    """The tiny MODEL with a drive.

    mark: folder in which each process counts its computed windows, as the size of a file in bytes; slow:
    additional seconds per window
    """

    RETURN_TYPES, FUNCTION = ("GUIDER", "SIGMAS"), "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "drive": ("SK_DRIVE",),
                "steps": ("INT", {}),
                "slow": ("FLOAT", {}),
                "mark": ("STRING", {}),
            }
        }

    def make(self, drive, steps, slow, mark):
        host = _host()
        model = host.apply(drive=drive)

        def count(executor, *args, **kwargs):
            time.sleep(slow)
            if mark:
                with open(Path(mark, str(os.getpid())), "ab") as file:
                    file.write(b".")
            return executor(*args, **kwargs)

        model.add_wrapper_with_key("calc_cond_batch", "tiny", count)
        return host.guider(model), host.sigmas(steps)


class TinyMotion:
    """The tiny motions. file: name in a folder of models, as for a loader; it is not read."""

    RETURN_TYPES, FUNCTION = ("SK_MOTION",), "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"kind": ("STRING", {}), "file": ("STRING", {})}}

    def make(self, kind, file):
        return (_host().motion(kind),)


class TinyVAE:
    RETURN_TYPES, FUNCTION = ("VAE",), "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        return (self,)

    def decode(self, latent):
        """Convert (F, 4, h, w) to pictures (F, 8h, 8w, 3)."""
        return latent[:, :3].sigmoid().repeat_interleave(8, 2).repeat_interleave(8, 3).movedim(1, -1)


NODE_CLASS_MAPPINGS = {
    "TinyVAE": TinyVAE,
    "TinyDrive": TinyDrive,
    "TinyGuider": TinyGuider,
    "TinyMotion": TinyMotion,
}
