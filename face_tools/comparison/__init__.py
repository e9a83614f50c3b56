"""Compare a performance with the track that drove it. Needs NumPy and OpenCV only."""
