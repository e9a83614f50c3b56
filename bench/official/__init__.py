"""Compares time and memory with a copy of the official pack."""
