"""Synthetic heads with known identity, pose, expression and landmarks.

`Identity.of(seed)` is a person. `State` is the pose and expression of a head (rotation, translation and the
51 ARKit coefficients of a FaceTrack, including gaze). `clip(seed, frames, fps)` returns a motion, one state
per frame. `draw(identity, state, size)` draws (size, size, 3) uint8 RGB. `truth(identity, states, size, fps)`
returns the FaceTrack of what was drawn, `states_of(track)` converts any track to states.
`masks(identity, state, size)` marks eyes and mouth, (size, size) float32 0..1.
"""

from .draw import draw
from .head import State
from .identity import Identity
from .motion import clip
from .truth import masks, states_of, truth

__all__ = ["Identity", "State", "clip", "draw", "masks", "states_of", "truth"]
