"""Binds patches to the hooks of ComfyUI and diffusers; the only package that knows their block numbers."""
