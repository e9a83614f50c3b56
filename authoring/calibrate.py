"""Measure the order of the published network's 51 coefficients on a clip, and write the table that the nodes pick up.

python run.py calibrate CLIP [--named FILE] [--models DIR] [--output FILE]

CLIP is a video of one face that shows many expressions, each side on its own. Its named coefficients come from face_landmarker.task
(MediaPipe), or from FILE: the Live Link Face CSV, ARKit JSON or saved track that belongs to the clip.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..face_tools import track_file, video
from ..face_tools.calibrate import recover_order, require_sure
from ..face_tools.coefficients import ORDER_FILE, to_network_order
from ..face_tools.editing.timeline import rows_at
from ..face_tools.recordings.arkit_json import read_arkit_json
from ..face_tools.recordings.livelink import read_live_link
from ..face_tools.track import FaceTrack, TrackError
from ..face_tools.trackers import mediapipe_tasks, onnx_source
from ..face_tools.trackers.faces import ModelFiles, Source
from ..face_tools.trackers.tracking import track_faces
from ..host import installation


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py calibrate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--named", type=Path, help="CSV, JSON or .npz with the clip's named coefficients")
    parser.add_argument("--models", type=Path, help="folder with the face models (default: models/face_tools of ComfyUI)")
    parser.add_argument("--output", type=Path, help=f"the table (default: {ORDER_FILE} beside the models)")
    options = parser.parse_args(argv)
    folder = options.models or _default_folder()
    try:
        recovered = calibrate(options.clip, options.named, ModelFiles((str(folder),)))
        print(recovered.table())
        require_sure(recovered)
    except (TrackError, video.VideoError) as error:
        print(f"No table was written. {error}")
        return 1
    output = options.output or folder / ORDER_FILE
    recovered.order.save(output)
    print(f"{int(recovered.sure.sum())} of 51 places are sure. Written: {output}")
    return 0


def calibrate(clip: Path, named_file: Path | None, models: ModelFiles):
    """Track the clip with the published networks, take its named coefficients, and match them. Returns `Recovered`."""
    fps = video.probe(clip).fps
    if reason := onnx_source.missing(models):
        raise TrackError(reason)
    with onnx_source.open_source(models) as source:
        network = _track(clip, source, fps)
        raw = to_network_order(network.coefficients, source.order)
    named = read_named(named_file, fps) if named_file else _named_by_mediapipe(clip, models, fps)
    count = min(len(network), int(len(named) * fps / named.fps))
    named = rows_at(named, [k * named.fps / fps for k in range(count)])
    both = network.valid[:count] & named.valid
    return recover_order(raw[:count][both], named.coefficients[both], clip.name)


def read_named(path: Path, fps: float) -> FaceTrack:
    """A recording or a saved track with coefficients."""
    if path.suffix == ".npz":
        track = track_file.load(path)
        if track.coefficients is None:
            raise TrackError(f"{path} holds no coefficients.")
        return track
    return (read_arkit_json(path) if path.suffix == ".json" else read_live_link(path)).to_track(fps)


def _named_by_mediapipe(clip: Path, models: ModelFiles, fps: float) -> FaceTrack:
    if reason := mediapipe_tasks.missing(models):
        raise TrackError(f"{reason} Or give the clip's named coefficients with --named.")
    if notice := mediapipe_tasks.consent():
        print(notice)
    with mediapipe_tasks.open_source(models) as source:
        return _track(clip, source, fps)


def _track(clip: Path, source: Source, fps: float) -> FaceTrack:
    return track_faces(video.frames(clip), source, fps, on_miss="interpolate")


def _default_folder() -> Path:
    comfy = installation.find()
    if comfy is None:
        raise SystemExit("There is no ComfyUI here; name the folder of the face models with --models.")
    return comfy / "models" / "face_tools"
