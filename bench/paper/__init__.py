"""`python run.py bench paper`: the paper's claims put to the test in the toy model's world."""
