"""Appendix A of the paper: ControlNetSK, IPAdapterSK FaceID, and SK cross-attention as the text attention.

The authors announced code and weights and released neither. Where the paper is
silent, the decision is stated beside the code.
"""
