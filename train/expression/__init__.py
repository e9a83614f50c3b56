"""Trains the table of Approximate Expression: landmarks to the coefficients of the real Face Landmarker."""
