"""Compares a result with its driving track. Needs NumPy and OpenCV only."""
