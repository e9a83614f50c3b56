"""Developer tools behind `run.py`: the environment, the host, its server, synthetic weights, and the demo."""
