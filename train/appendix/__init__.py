"""Trains the networks of the paper's appendix A: ControlNetSK, IPAdapterSK FaceID,
and SK cross-attention as the text attention.
"""
