"""`train expression`: the real blendshape network as a teacher, and a table trained from two clips."""

import numpy as np
import pytest

from sk_portrait import material
from sk_portrait.face_tools import video_file
from sk_portrait.face_tools.editing.expression_table import ExpressionTable
from sk_portrait.face_tools.trackers import mediapipe_mesh, mediapipe_tasks, sources
from sk_portrait.face_tools.trackers.faces import ModelFiles
from sk_portrait.testing.real_faces import landmarker_models, or_skip, photograph
from sk_portrait.testing.talking_head import talking_head
from sk_portrait.train import command
from sk_portrait.train.expression import errors, regressor
from sk_portrait.train.expression.pairs import Pairs
from sk_portrait.train.expression.teacher import teacher

FRAMES = 12

ABSENT = mediapipe_mesh.missing(ModelFiles())
needs_mesh = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))


@needs_mesh
def test_the_teacher_is_the_network_inside_the_face_landmarker():
    with sources.open_source(mediapipe_tasks.NAME, landmarker_models()) as tracker:
        faces = [faces[0] for faces in tracker.track(talking_head()[:FRAMES])]
    with teacher(or_skip(material.face_landmarker)) as teach:
        answers = teach(np.array([face.landmarks for face in faces]))
    np.testing.assert_allclose(answers, [face.coefficients for face in faces], atol=1e-3)


@needs_mesh
def test_two_clips_make_a_table_and_say_how_far_it_is_off(tmp_path, capsys):
    clips = tmp_path / "clips"
    clips.mkdir()
    stills = [photograph("man_speaking")[:1000:2, :1000:2]] * 2
    for name, frames in (("talker", talking_head()[:FRAMES]), ("still", stills)):
        video_file.write(str(clips / f"{name}.mp4"), map(np.ascontiguousarray, frames), 25.0)
    task = or_skip(material.face_landmarker)
    options = ["--task", str(task), "--heads", "300", "--epochs", "1", "--out", str(tmp_path / "out")]
    assert command.main(["expression", "--clips", str(clips), *options]) == 0
    table = ExpressionTable.load(tmp_path / "out" / "expression.npz")
    answers = table(np.random.default_rng(0).normal(size=(3, 478, 3)).astype(np.float32))
    assert answers.shape == (3, 51) and 0 <= answers.min() and answers.max() <= 1
    written = (tmp_path / "out" / "expression.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in written for name in regressor.NAMES)
    assert f"talker.mp4: {FRAMES} frames" in capsys.readouterr().out


@needs_mesh
def test_a_folder_without_clips_is_named(tmp_path, capsys):
    task = or_skip(material.face_landmarker)
    arguments = ["--clips", str(tmp_path), "--task", str(task), "--out", str(tmp_path)]
    assert command.main(["expression", *arguments]) == 1
    assert f"{tmp_path} has clips (.mp4, .mov, .mkv, .webm, .avi) of 0 people" in capsys.readouterr().out


def test_numbered_clips_of_one_person_are_left_out_together():
    one, two = (Pairs(name, *[np.zeros((1, 478, 3))] * 2, np.zeros((1, 51))) for name in ("ann1", "ann2"))
    assert one.person == two.person == "ann"


def test_a_correlation_is_given_only_where_the_face_moves():
    truth = np.zeros((10, 51))
    truth[:, 0] = np.linspace(0, 1, 10)
    moved = errors.correlations([0.5 * truth + 0.1], [truth])
    assert moved[0, 0] == pytest.approx(1) and np.isnan(moved[0, 1:]).all()
    assert errors.correlations([0 * truth], [truth])[0, 0] == 0
