"""`python run.py bench paper`: tests the paper's claims with the toy model."""
