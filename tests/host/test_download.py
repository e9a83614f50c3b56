"""The front end's own "Download all" in a real browser: what it saves is found as it comes, listed and preselected."""

import os
import shutil
import time
from pathlib import Path

import pytest
from safetensors.torch import save_file

from sk_portrait.authoring import notes
from sk_portrait.host import workflow
from sk_portrait.host.browser import FrontEnd
from sk_portrait.testing import models
from sk_portrait.testing.model_hub import Hub
from sk_portrait.testing.stand_ins import networks

pytestmark = [pytest.mark.comfy, pytest.mark.browser]

TEMPLATES = ("portrait_video", "portrait_video_two_stage", "xdyna_video", "wplus_sliders")
OURS, NAMELESS = "sk_portrait", "diffusion_pytorch_model"
WIDTH = 64  # of the networks behind the downloads
PATIENCE = 60  # seconds for the browser's downloads
PRESELECTED = {
    ("SKPortraitLoadAdapter", "file"): "hm5_reference.safetensors",
    ("SKPortraitLoadDriveEncoder", "file"): "hm5_control_base.safetensors",
    ("SKPortraitLoadDriveEncoder", "projection"): "hm5_control_proj.safetensors",
    ("SKPortraitLoadMotion", "file"): "hm5_motion.safetensors",
    ("SKPortraitFaceMotion", "file"): "pd_fgc_motion.safetensors",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> dict:
    """Address -> file of what the templates load: networks of ours by their repositories, a few bytes for the others."""
    folder, files = tmp_path_factory.mktemp("published"), {}
    for (directory, name), url in workflow.models(
        *(workflow.read(template, workflow.TEMPLATES) for template in TEMPLATES)
    ).items():
        files[url] = folder / name
        if directory == OURS and NAMELESS in url:
            save_file(networks.build(name.partition(".")[0], WIDTH).state_dict(), files[url])
        else:
            files[url].write_bytes(name.encode())
    return files


@pytest.fixture
def empty_models(server, tmp_path):
    """The server's models folder without a file; what other tests put there comes back afterwards."""
    base, aside = server.base / "models", tmp_path / "models"
    base.replace(aside)
    shutil.copytree(
        aside, base, ignore=lambda folder, names: [n for n in names if (Path(folder) / n).is_file()]
    )
    touch(base)
    yield base
    shutil.rmtree(base)
    aside.replace(base)
    touch(base)


def touch(base: Path) -> None:
    """Mark all folders as changed: ComfyUI lists a folder again only if its time differs."""
    for folder in (base, *filter(Path.is_dir, base.rglob("*"))):
        os.utime(folder)


class MissingModels:
    """The front end's list of missing models."""

    def __init__(self, front: FrontEnd, template: dict):
        self.front = front
        front.load(template, "missing")
        front.page.get_by_test_id("error-overlay-see-errors").click()
        self.list = front.page.get_by_test_id("error-group-missing-model")
        self.list.wait_for()

    def names(self) -> str:
        return "".join(self.list.inner_text().split())

    def download_all(self, count: int) -> list:
        """Press the button; the files that the browser then has saved."""
        before = set(self.front.downloads.iterdir())
        self.list.get_by_test_id("missing-model-download-all").click()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            saved = [path for path in self.front.downloads.iterdir() if path not in before]
            if len(saved) == count and all(
                path.suffix != ".crdownload" and path.stat().st_size for path in saved
            ):
                return saved
            self.front.page.wait_for_timeout(200)
        raise AssertionError(
            f"{count} files were to be saved, and these were: {[path.name for path in saved]}"
        )

    def refresh(self) -> None:
        self.list.get_by_test_id("missing-model-header-refresh").click()


@pytest.mark.usefixtures("info")
def test_what_download_all_saves_is_found_as_it_comes(server, published, tmp_path, empty_models):
    base = empty_models
    if not shutil.which("openssl"):
        pytest.skip("openssl is absent, which makes the hub's certificate")
    placed, ours = [], {}
    with Hub(published, tmp_path) as hub, FrontEnd(server.url, hosts=hub.hosts) as front:
        for template in TEMPLATES:
            saved = workflow.read(template, workflow.TEMPLATES)
            wanted = {
                place: url
                for place, url in workflow.models(saved).items()
                if not (base / place[0] / place[1]).exists()
            }
            wanted = {place: url for place, url in wanted.items() if place[1] not in ours}
            offered = {place: url for place, url in wanted.items() if notes.offered(place[1], url)}
            missing = MissingModels(front, saved)
            assert all(name in missing.names() for _, name in wanted)
            folders = {url.rpartition("/")[2]: directory for (directory, _), url in offered.items()}
            for path in missing.download_all(len(offered)) if offered else ():
                directory = (
                    OURS if path.name.startswith(NAMELESS) else folders[path.name]
                )  # all that a name says
                placed.append(base / directory / path.name)
                placed[-1].parent.mkdir(exist_ok=True)
                shutil.copy(path, placed[-1])  # the browser goes on counting beside what it has saved
            ours |= {name: url for (_, name), url in offered.items() if NAMELESS in url}
            missing.refresh()
            if offered == wanted:
                missing.list.wait_for(state="detached")
            graph = workflow.to_api(saved, server.object_info())
            assert set(models.missing(graph, server.object_info())) == {
                name for _, name in wanted.keys() - offered.keys()
            }
    check_ours(server, ours)

    for name, url in ours.items():  # the same with a folder a repository
        content, folder = published[url].read_bytes(), base / OURS / name.partition(".")[0]
        path = next(path for path in placed if path.exists() and path.read_bytes() == content)
        folder.mkdir()
        path.replace(folder / f"{NAMELESS}.safetensors")
    check_ours(server, ours)


def check_ours(server, names) -> None:
    """Each of our files is listed; today's are preselected; a loader that opens one finds what its page says."""
    info = server.object_info()
    listed = {name for kind, widget in PRESELECTED for name in models.offered(info, kind, widget)}
    assert set(names) <= listed
    for (kind, widget), name in PRESELECTED.items():
        assert workflow.beginning(info[kind]["input"]["required"][widget]) == name
    graph = {"load": {"class_type": "SKPortraitLoadAdapter", "inputs": {"file": "hm5_reference.safetensors"}}}
    graph["say"] = {"class_type": "PreviewAny", "inputs": {"source": ["load", 1]}}
    assert "v5 reference adapter" in str(server.run(graph)["say"])
