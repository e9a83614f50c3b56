"""Trains the toy model on synthetic heads."""
