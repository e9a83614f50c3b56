"""Every template and blueprint as an artist first uses them:
`python run.py bench first_run [NAME ...] [--output DIR]`.

ComfyUI runs in a new environment with only its own requirements and this pack's (created once; gigabytes).
Each is opened in its front end, in Chromium: no node may be missing, and the top level may have at most nine
nodes and as many links. Each template is then queued with the front end's own Run button, with random weights
at a small size (so the pictures show noise), and has to produce its pictures or its video. A blueprint is
queued in the template that holds it. Screenshots are saved for inspection.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ...face_tools import video
from ...host import browser, environment, installation, workflow
from ...host.server import Server
from ...testing import servers
from ..options import bench_parser
from ..verdict import row, verdict

MOST = 9  # nodes, and wires, of the top level
PATIENCE = 900  # seconds; the first start of a new environment compiles everything
# ending of a result -> number of its pictures
PICTURES = {".png": 1, ".mp4": servers.SMALL["seconds"] * servers.SMALL["fps"]}


def main(argv: list[str]) -> int:
    """Print one row for each, and at last how many passed. Returns 1 if one failed."""
    parser = bench_parser("first_run", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these templates")
    screenshots = environment.ROOT / "output" / "first_run"
    parser.add_argument("--output", type=Path, default=screenshots, help="for screenshots")
    given = parser.parse_args(argv)
    comfy = installation.find()
    if comfy is None or browser.find() is None:
        print("This needs ComfyUI (COMFYUI_PATH) and Chromium (SK_PORTRAIT_CHROMIUM).")
        return 1
    python = environment.fresh(comfy)
    given.output.mkdir(parents=True, exist_ok=True)
    names, rows = given.names or workflow.names(workflow.TEMPLATES), []
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(comfy, Path(folder), patience=PATIENCE, python=python) as server,
    ):
        servers.fill(server.base, *(workflow.read(name, workflow.TEMPLATES) for name in names))
        servers.list_models(server.base)
        with browser.FrontEnd(server.url) as front:
            held_by = {}  # name of a blueprint -> the template that was run with it
            for name in names:
                rows.append(_template(server, front, name, given.output))
                inner = workflow.read(name, workflow.TEMPLATES)["definitions"]["subgraphs"]
                held_by |= {definition["name"]: name for definition in inner if rows[-1]}
            for name in [] if given.names else workflow.names(workflow.BLUEPRINTS):
                rows.append(_blueprint(front, name, held_by.get(name), given.output))
    return verdict(rows)


def _opened(front: browser.FrontEnd, saved: dict, name: str) -> tuple[bool, str]:
    seen = front.load(saved, name)
    nodes, wires = len(seen["nodes"]), len(saved["links"])
    said = f"{nodes} nodes and {wires} wires at the top (at most {MOST}), missing: {', '.join(seen['missing']) or 'none'}"
    return max(nodes, wires) <= MOST and not seen["missing"] + seen["errors"], said


def _template(server: Server, front: browser.FrontEnd, name: str, output: Path) -> bool:
    """Open a template as shipped, then run it at the small size."""
    saved = workflow.read(name, workflow.TEMPLATES)
    opens, said = _opened(front, saved, name)
    front.load(servers.small(saved, server.object_info()), name)
    began = time.monotonic()
    made = front.run()
    files = [
        file
        for output in made.get("outputs", {}).values()
        for file in output.get("images", ())
        if file["type"] == "output"
    ]
    counts = {file["filename"]: _pictures(server.path(file)) for file in files}
    whole = bool(counts) and all(count == PICTURES[Path(file).suffix] for file, count in counts.items())
    ended = ", ".join(f"{file} ({count} pictures)" for file, count in counts.items())
    if not made["ok"]:
        ended = made["error"].get("exception_message", made["error"])
    front.picture(output / f"{name}.png")
    said = f"{name}: {said}; Run ended after {time.monotonic() - began:.0f} s with {ended}"
    return row(opens and made["ok"] and whole, said)


def _blueprint(front: browser.FrontEnd, name: str, held_by: str | None, output: Path) -> bool:
    opens, said = _opened(front, workflow.read(name, workflow.BLUEPRINTS), name)
    front.picture(output / f"{name}.png")
    return row(opens and held_by is not None, f"{name}: {said}; run in {held_by or 'no template'}")


def _pictures(path: Path) -> int:
    """Return the number of pictures of a result; 0 if one of them is of a single colour."""
    import cv2

    pictures = list(video.frames(path)) if path.suffix == ".mp4" else [cv2.imread(str(path))]
    return len(pictures) if all(picture is not None and picture.std() > 0 for picture in pictures) else 0
