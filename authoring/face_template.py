"""Derive the head template of `face_tools/trackers/template.py` (33 points) and the mesh of the drawn heads
from freely usable pictures.

`python run.py pictures face_template CLIP [MESH.npy]` runs the FaceMesh of mediapipe 0.10.21 on every tenth
frame of a video of one person and on scikit-image's astronaut, and prints the table. If a file name is given,
it also writes all 478 points, symmetrised.

Method: generalised Procrustes (similarity) of the 3D landmarks and their mirror images, both persons with
equal weight. Axes: x along the eyes by symmetry, y along forehead (10) to chin (152), z to the viewer. Scale:
outer eye corners 8.89 cm apart. Origin: centroid of the 33 points.
"""

from __future__ import annotations

import numpy as np

MIDLINE = (4, 6, 10)
PAIRS = (
    (33, 263), (54, 284), (67, 297), (117, 346), (119, 348), (121, 350), (127, 356), (129, 358),
    (132, 361), (133, 362), (136, 365), (143, 372), (147, 376), (198, 420), (205, 425),
)  # fmt: skip
POINTS = (*MIDLINE, *(left for left, _ in PAIRS), *(right for _, right in PAIRS))
FOREHEAD, CHIN = 10, 152
EYE_SPAN_CM = 8.89


def _mirror(shape: np.ndarray) -> np.ndarray:
    """Return the mirrored shape (34, 3): POINTS and the chin."""
    middle, pairs = len(MIDLINE), len(PAIRS)
    order = [
        *range(middle),
        *range(middle + pairs, middle + 2 * pairs),
        *range(middle, middle + pairs),
        middle + 2 * pairs,
    ]
    return shape[order] * [-1.0, 1.0, 1.0]


def derive(people: list[np.ndarray], rounds: int = 20) -> np.ndarray:
    """Return the template (33, 3) in centimetres.

    people: for each person, landmarks (N, 478, 3) with x right, y down, z away from the viewer
    """
    from sk_portrait.face_tools.geometry import similarity

    shapes = []
    for landmarks in people:
        solid = landmarks[:, [*POINTS, CHIN]] * [1.0, -1.0, -1.0]
        shapes.append(np.concatenate([solid, [_mirror(s) for s in solid]]))
    mean = shapes[0][0]
    for _ in range(rounds):
        fitted = []
        for person in shapes:
            moves = [similarity(shape, mean, np.ones(len(mean))) for shape in person]
            fitted.append(np.mean([k * shape @ r.T + t for shape, (k, r, t) in zip(person, moves)], 0))
        mean = np.mean(fitted, 0)
    mean = mean - mean[:-1].mean(0)
    x = mean[POINTS.index(263)] - mean[POINTS.index(33)]
    y = mean[POINTS.index(FOREHEAD)] - mean[-1]
    x = x / np.linalg.norm(x)
    y = y - x * (x @ y)
    y = y / np.linalg.norm(y)
    mean = mean[:-1] @ np.stack([x, y, np.cross(x, y)]).T
    mean = (mean + _mirror(np.vstack([mean, mean[:1]]))[:-1]) / 2
    return mean * EYE_SPAN_CM / (mean[POINTS.index(263), 0] - mean[POINTS.index(33), 0])


def whole(people: list[np.ndarray]) -> np.ndarray:
    """Return all mesh points (478, 3) in centimetres in the template's
    frame, symmetrised, both persons with equal weight.
    """
    from scipy.optimize import linear_sum_assignment

    from sk_portrait.face_tools.geometry import similarity
    from sk_portrait.face_tools.trackers.head_pose import _WEIGHTS
    from sk_portrait.face_tools.trackers.template import RIGID_CM, RIGID_POINTS

    means = []
    for landmarks in people:
        solid = landmarks * [1.0, -1.0, -1.0]
        moves = [similarity(shape[list(RIGID_POINTS)], RIGID_CM, _WEIGHTS) for shape in solid]
        means.append(np.mean([k * shape @ r.T + t for shape, (k, r, t) in zip(solid, moves)], 0))
    mean = np.mean(means, 0)
    mirrored = mean * [-1.0, 1.0, 1.0]
    _, partner = linear_sum_assignment(((mean[:, None] - mirrored) ** 2).sum(-1))
    return (mean + mirrored[partner]) / 2


def main(argv: list[str]) -> int:
    from skimage.data import astronaut

    from sk_portrait.face_tools import video
    from sk_portrait.face_tools.trackers import mediapipe_mesh
    from sk_portrait.face_tools.trackers.faces import ModelFiles

    with mediapipe_mesh.open_source(ModelFiles()) as source:
        clip = [frame for k, frame in enumerate(video.frames(argv[0])) if k % 10 == 0]
        people = [
            [faces[0].landmarks for faces in source.track(frames) if faces]
            for frames in ([astronaut()], clip)
        ]
    people = [np.array(person) for person in people]
    for point, (x, y, z) in zip(POINTS, derive(people)):
        print(f"    {point}: ({x:.3f}, {y:.3f}, {z:.3f}),")
    if argv[1:]:
        np.save(argv[1], whole(people).astype(np.float32))
    return 0
