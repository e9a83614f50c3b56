"""Measurements of the pack: `python run.py bench NAME`. Each module has `main(argv) -> int`."""
