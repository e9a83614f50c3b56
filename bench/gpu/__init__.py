"""`python run.py bench gpu`: all that only a GPU can show, in one run of sections in order of importance."""
