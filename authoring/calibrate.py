"""Measure on a clip what the official networks leave open, and write it where the nodes read it.

python run.py calibrate CLIP [--named FILE] [--models DIR] [--output FILE]

The order of the 51 coefficients: CLIP is a video of one face that shows many expressions, each side on its
own. The named coefficients of the clip come from face_landmarker.task (MediaPipe), or from FILE: the Live
Link Face CSV, ARKit JSON or saved track that belongs to the clip.

The zero of the head pose: the angle between MediaPipe's head and that of the networks, for each MediaPipe
tracker that can run here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import CommandError
from ..face_tools import track_file, video
from ..face_tools.calibrate import Recovered, recover_order, require_sure, tilt_between
from ..face_tools.coefficients import ORDER_FILE, to_network_order
from ..face_tools.editing.timeline import rows_at
from ..face_tools.recordings.arkit_json import read_arkit_json
from ..face_tools.recordings.livelink import read_live_link
from ..face_tools.track import FaceTrack
from ..face_tools.track_errors import NoCoefficientsError, TrackError
from ..face_tools.trackers import host_landmarks, mediapipe_mesh, mediapipe_tasks, onnx_source, sources
from ..face_tools.trackers.faces import ModelFiles, Source
from ..face_tools.trackers.straight_look import CALIBRATION, save
from ..face_tools.trackers.tracking import track_faces
from ..host import installation


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py calibrate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--named", type=Path, help="CSV, JSON or .npz with the clip's named coefficients")
    parser.add_argument(
        "--models", type=Path, help="folder with the face models (default: models/face_tools of ComfyUI)"
    )
    parser.add_argument("--output", type=Path, help=f"the order (default: {ORDER_FILE} beside the models)")
    options = parser.parse_args(argv)
    folder = options.models or _default_folder()
    models = ModelFiles((str(folder),))
    try:
        network, raw = by_networks(options.clip, models)
    except (TrackError, video.VideoError) as error:
        print(f"Nothing was written. {error}")
        return 1
    calibrate_head_pose(options.clip, network, models, folder / CALIBRATION)
    output = options.output or folder / ORDER_FILE
    return calibrate_order(options.clip, options.named, network, raw, models, output)


def by_networks(clip: Path, models: ModelFiles) -> tuple[FaceTrack, np.ndarray]:
    """Return the clip's track by the official networks, and the
    coefficients (F, 51) as the networks return them.
    """
    if reason := onnx_source.missing(models):
        raise TrackError(reason)
    with onnx_source.open_source(models) as source:
        network = _track(clip, source)
        return network, to_network_order(network.coefficients, source.order)


def calibrate_order(
    clip: Path, named_file: Path | None, network: FaceTrack, raw: np.ndarray, models: ModelFiles, output: Path
) -> int:
    """Write the order of the coefficients, or print why it could not be found. Returns the exit code."""
    try:
        recovered = order_of(clip, named_file, network, raw, models)
        print(recovered.table())
        require_sure(recovered)
    except (TrackError, video.VideoError) as error:
        print(f"No order was written. {error}")
        return 1
    recovered.order.save(output)
    print(f"{int(recovered.sure.sum())} of 51 places are sure. Written: {output}")
    return 0


def order_of(
    clip: Path, named_file: Path | None, network: FaceTrack, raw: np.ndarray, models: ModelFiles
) -> Recovered:
    """Match the networks' raw coefficients with the named coefficients of the same clip."""
    fps = network.fps
    named = read_named(named_file, fps) if named_file else _named_by_mediapipe(clip, models)
    count = min(len(network), int(len(named) * fps / named.fps))
    named = rows_at(named, [k * named.fps / fps for k in range(count)])
    both = network.valid[:count] & named.valid
    return recover_order(raw[:count][both], named.coefficients[both], clip.name)


def calibrate_head_pose(clip: Path, network: FaceTrack, models: ModelFiles, output: Path) -> None:
    """Write, for each MediaPipe tracker, the pitch that it measures where the networks measure none."""
    degrees = {}
    for module in (mediapipe_tasks, mediapipe_mesh):
        try:
            pitch, yaw, roll = tilt_between(network, _by_mediapipe(module, clip, models))
        except TrackError as error:
            print(f"The head pose of {module.NAME} was not calibrated. {error}")
            continue
        print(f"{module.NAME}: tilted by {pitch:+.1f} degrees of pitch, {yaw:+.1f} yaw, {roll:+.1f} roll")
        degrees[module.NAME] = pitch
    if mediapipe_tasks.NAME in degrees:
        degrees[host_landmarks.NAME] = degrees[mediapipe_tasks.NAME]
    if degrees:
        save(degrees, f"measured on {clip.name}, {len(network)} frames", output)
        print(f"Written: {output}")


def read_named(path: Path, fps: float) -> FaceTrack:
    """Return the track of a recording, or a saved track that has coefficients."""
    if path.suffix == ".npz":
        track = track_file.load(path)
        if track.coefficients is None:
            raise NoCoefficientsError(f"{path} holds no coefficients.", str(path))
        return track
    return (read_arkit_json(path) if path.suffix == ".json" else read_live_link(path)).to_track(fps)


def _named_by_mediapipe(clip: Path, models: ModelFiles) -> FaceTrack:
    if reason := mediapipe_tasks.missing(models):
        raise TrackError(f"{reason} Or give the clip's named coefficients with --named.")
    return _by_mediapipe(mediapipe_tasks, clip, models)


def _by_mediapipe(module, clip: Path, models: ModelFiles) -> FaceTrack:
    """Return the clip's track by one of MediaPipe's trackers. Raises TrackError if it cannot run here."""
    if reason := module.missing(models):
        raise TrackError(reason)
    if notice := sources.consent(module.NAME):
        print(notice)
    with module.open_source(models) as source:
        return _track(clip, source)


def _track(clip: Path, source: Source) -> FaceTrack:
    return track_faces(video.frames(clip), source, video.probe(clip).fps, on_miss="interpolate")


def _default_folder() -> Path:
    comfy = installation.find()
    if comfy is None:
        raise CommandError("There is no ComfyUI here; name the folder of the face models with --models.")
    return comfy / "models" / "face_tools"
