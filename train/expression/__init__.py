"""Trains the table of Approximate Expression: from
landmarks to the coefficients of the real Face Landmarker.
"""
