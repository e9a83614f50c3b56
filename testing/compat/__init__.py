"""A tiny SD1.5 clip in ComfyUI under Apply, and what other nodes, systems and packs put on it. Needs ComfyUI."""
