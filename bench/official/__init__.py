"""Time and memory against a copy of the official pack."""
