"""`python run.py bench gpu`: everything that only a GPU can show, in one run, section by section in the order of importance."""
