"""Cases that compare HelloMeme with the official outputs, shared
by tests/parity and `bench gpu`: CASES, OUTPUTS and their marks.
"""
