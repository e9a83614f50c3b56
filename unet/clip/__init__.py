"""Frames of a clip: the frame of each batch item, windows, key frames, parts, and the sampling run."""
