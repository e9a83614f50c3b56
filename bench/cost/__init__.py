"""Measures time, memory and arithmetic."""
