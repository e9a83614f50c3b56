"""`python run.py evaluate`: folders of clips become a table, a file and a page; what is missing is told."""

import json

import numpy as np
import pytest

from sk_portrait.evaluate import command, pairing
from sk_portrait.face_tools import video_file
from sk_portrait.testing.talking_head import talking_head

FPS, FRAMES = 15.0, 24
NO_MESH = "the built-in FaceMesh needs mediapipe 0.10.21"


# Which files belong together


def touched(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_files_of_one_name_belong_together(tmp_path):
    results = touched(tmp_path / "results", "a.mp4", "b.webm", "notes.txt")
    truth = touched(tmp_path / "truth", "a.mov")
    (job,), left_out = pairing.jobs(results, truth, None, None)
    assert (job.name, job.truth.name, job.driver, job.asked.name) == ("a", "a.mov", None, "a.mov")
    assert left_out == ["b.webm: no truth and no driver has this name."]


def test_a_cross_reenactment_names_its_portrait_and_its_driver(tmp_path):
    results = touched(tmp_path / "results", "ann__walk.mp4")
    drivers, portraits = touched(tmp_path / "drivers", "walk.mp4"), touched(tmp_path / "portraits", "ann.png")
    (job,), _ = pairing.jobs(results, None, drivers, portraits)
    assert (job.truth, job.driver.name, job.portrait.name) == (None, "walk.mp4", "ann.png")


def test_folders_that_do_not_fit_are_told(tmp_path, capsys):
    results, truth = touched(tmp_path / "results", "a.mp4"), touched(tmp_path / "truth", "b.mp4")
    with pytest.raises(pairing.PairingError, match="truth or a driver of the same name"):
        pairing.jobs(results, truth, None, None)
    assert command.main([str(tmp_path / "none"), "--truth", str(truth)]) == 2
    assert "There is no folder" in capsys.readouterr().out


# A whole run


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two results with their truth, one of them a frame late, and one file that is no video."""
    pytest.importorskip("mediapipe.python.solutions.face_mesh", reason=NO_MESH)
    root = tmp_path_factory.mktemp("evaluate")
    frames = list(talking_head()[::2][:FRAMES])
    for folder, late in (("truth", 0), ("results", 1)):
        (root / folder).mkdir()
        video_file.write(str(root / folder / "same.mp4"), frames, FPS)
        video_file.write(str(root / folder / "late.mp4"), [*frames[:1] * late, *frames[: FRAMES - late]], FPS)
        (root / folder / "broken.mp4").write_bytes(b"no video")
    return root


def evaluate(root, *more) -> int:
    words = "results --truth truth --output out --weights weights --models models".split()
    paths = [word if word.startswith("--") else str(root / word) for word in words]
    return command.main([*paths, "--tracker", "mediapipe-mesh", "--device", "cpu", *more])


@pytest.fixture(scope="module")
def finished(folders):
    return evaluate(folders), json.loads((folders / "out" / "evaluation.json").read_text())


def test_a_broken_clip_does_not_end_the_run(finished):
    code, content = finished
    by_name = {record["clip"]: record for record in content["clips"]}
    assert code == 1 and "VideoError" in by_name["broken"]["error"]
    assert set(by_name) == {"broken", "late", "same"}


def test_the_figures_move_the_right_way(finished):
    figures = {record["clip"]: record.get("figures") for record in finished[1]["clips"]}
    same, late = figures["same"], figures["late"]
    assert same["pose_distance"] == same["apd"] == same["face_exp"] == 0 and same["face_det"] == 1
    assert same["psnr"] == 100 and same["ssim"] == pytest.approx(1)
    assert late["late"] == 1 and late["pose_distance"] > 0.1 and late["psnr"] < 35
    assert late["apd"] == pytest.approx(np.radians(late["pose_distance"]))


def test_missing_weights_are_named_with_their_page(finished):
    notes = " ".join(finished[1]["notes"])
    for name in ("FID", "FVD", "LPIPS"):
        assert f"{name} was omitted" in notes
    assert "w600k_r50.onnx" in notes and "https://github.com/deepinsight/insightface" in notes
    assert not {"FID", "FVD"} & finished[1].keys() and "lpips" not in finished[1]["mean"]


def test_the_page_shows_the_worst_clip_first(folders, finished):
    page = (folders / "out" / "index.html").read_text()
    assert page.index("<h3>broken") < page.index("<h3>late") < page.index("<h3>same")
    assert 'src="clips/late.sheet.jpg"' in page
    assert (folders / "out" / "clips" / "late.sheet.jpg").stat().st_size > 9999
    assert "PSNR" in (folders / "out" / "table.txt").read_text()


def test_a_second_run_measures_only_what_is_not_finished(folders, finished, capsys):
    evaluate(folders)
    told = capsys.readouterr().out
    assert told.count("kept from an earlier run") == 2 and "2 of 3 clips measured" in told
    evaluate(folders, "--frames", "20")
    assert "kept from an earlier run" not in capsys.readouterr().out
