"""Drawn heads whose truth is known: who they are, how they are held and what they do, drawn and told exactly.

`Identity.of(seed)` is a person; `State` is how a head is held and what it does (rotation, translation and the 51 ARKit coefficients of
a FaceTrack, gaze among them); `clip(seed, frames, fps)` is a motion, one state per frame; `draw(identity, state, size)` is the
picture, (size, size, 3) uint8 RGB; `truth(identity, states, size, fps)` the FaceTrack of what was drawn, `states_of(track)` the way
back from any track; `masks(identity, state, size)` marks eyes and mouth, (size, size) float32 0..1.
"""

from .draw import draw
from .head import State
from .identity import Identity
from .motion import clip
from .truth import masks, states_of, truth

__all__ = ["Identity", "State", "clip", "draw", "masks", "states_of", "truth"]
