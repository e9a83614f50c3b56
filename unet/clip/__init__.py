"""Frames of a clip: which row is which frame, windows, key frames, parts, and the state of one sampling run."""
