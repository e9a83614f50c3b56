"""A tiny SD1.5 clip in ComfyUI under Animate Portrait, combined with other nodes, systems and packs.

Needs ComfyUI.
"""
