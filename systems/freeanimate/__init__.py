"""Reference-anchored self-attention (RA-SA) and inversion-boosted attention (IBA) of FreeAnimate."""
