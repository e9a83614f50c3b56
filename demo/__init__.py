"""The demo behind `run.py demo`, its toy model and its pages."""
