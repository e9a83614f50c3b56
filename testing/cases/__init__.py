"""Comparisons with HelloMeme's outputs, for tests/parity and `bench gpu`: CASES, OUTPUTS, their marks."""
