"""`python run.py evaluate`: the papers' metrics over folders of clips."""
