"""Measures the quality of results: toy model on synthetic heads, styles, skipped steps."""
