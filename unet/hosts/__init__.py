"""Binds patches to ComfyUI's and to diffusers' hooks; the only package that knows their block numbers."""
