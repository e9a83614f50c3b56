"""`python run.py evaluate`: the protocol of the papers over folders of clips."""
