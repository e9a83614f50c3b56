"""Training of the networks of the paper's appendix A: ControlNetSK, IPAdapterSK FaceID, SK cross-attention as the text attention."""
