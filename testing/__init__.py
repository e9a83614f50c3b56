"""Fixtures of tests, benches and demo: tiny models, weights, reference tensors, videos, stand-in files."""
