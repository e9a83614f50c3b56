"""Synthetic files in the official formats, for machines without the real ones."""
