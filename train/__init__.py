"""The trainer of HelloMeme's networks (paper, sections 3.6 and 4.1) and of the toy model.

Developer and training extras only.
"""
