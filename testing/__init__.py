"""Fixtures shared by tests, benches and the demo: tiny models, deterministic
weights, reference tensors, videos, stand-in files.
"""
