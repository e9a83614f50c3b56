"""ComfyUI's real front end in headless Chromium: loads workflows, reports their errors, takes screenshots."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]

# Templates at first start, and the node colours of the light theme, would change the pictures.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "LiteGraph.Canvas.LowQualityRenderingZoomThreshold": 0.1,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}
READY = "() => window.app?.graph && window.app?.extensionManager && document.querySelector('#graph-canvas')"
LOAD = "async ([workflow, name]) => { await window.app.loadGraphData(workflow, true, true, name); }"
CHECK = """() => ({
  nodes: window.app.graph._nodes.map(n => n.type),
  missing: window.app.graph._nodes.map(n => n.type).filter(t => !(t in window.LiteGraph.registered_node_types)),
  alerts: [...document.querySelectorAll('.p-toast-message, .p-dialog')].map(e => e.innerText),
  errors: window.app.graph._nodes.filter(n => n.has_errors).map(n => n.type),
})"""
LISTEN = """() => {
  const outputs = {}, api = window.app.api, ended = name => new Promise(resolve => api.addEventListener(name, resolve, {once: true}));
  const keep = ({detail}) => { if (detail.output) outputs[detail.display_node ?? detail.node] = detail.output; };
  api.addEventListener('executed', keep);
  window.ended = Promise.race([
    ended('execution_success').then(() => ({ok: true, outputs})),
    ended('execution_error').then(event => ({ok: false, error: event.detail})),
  ]);
}"""
PANEL = 200  # pixels on each side that panels of the front end may cover
BOUNDS = """() => {
  const boxes = [...window.app.graph._nodes, ...window.app.graph._groups].map(item => item.boundingRect ?? item._bounding);
  const min = i => Math.min(...boxes.map(b => b[i])) - 20, max = i => Math.max(...boxes.map(b => b[i] + b[i + 2])) + 20;
  return [min(0), min(1), max(0) - min(0), max(1) - min(1)];
}"""
PLACE = """([x, y, scale, panel]) => {
  const view = window.app.canvas.ds, frame = window.app.canvas.canvas.getBoundingClientRect();
  view.scale = scale;
  view.offset[0] = (panel - frame.left) / scale - x;
  view.offset[1] = (panel - frame.top) / scale - y;
  window.app.canvas.setDirty(true, true);
}"""


def find() -> str | None:
    """Return Chromium's program: SK_PORTRAIT_CHROMIUM, or the one on the path."""
    return os.environ.get("SK_PORTRAIT_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


class FrontEnd:
    """Context manager: `with FrontEnd(server.url) as page:` opens the front end.

    Downloads are in `page.downloads`, named as by a browser.

    hosts: host name -> local port that answers for it over TLS; only these and the server can be reached.
    """

    def __init__(
        self, url: str, size: tuple[int, int] = (1800, 1000), hosts: Mapping[str, int] | None = None
    ):
        self.url, self.size, self.hosts = url, size, dict(hosts or {})
        self.console_errors: list[str] = []

    def __enter__(self) -> FrontEnd:
        from playwright.sync_api import sync_playwright

        self._profile = tempfile.TemporaryDirectory(prefix="sk-portrait-", ignore_cleanup_errors=True)
        self.downloads = Path(self._profile.name) / "Downloads"
        preferences = self.downloads.with_name("Default") / "Preferences"
        for folder in (self.downloads, preferences.parent):
            folder.mkdir()
        preferences.write_text(
            json.dumps({"download": {"default_directory": str(self.downloads)}}), encoding="utf-8"
        )
        self._playwright = sync_playwright().start()
        width, height = self.size
        resolved = ",".join(f"MAP {host} 127.0.0.1:{port}" for host, port in self.hosts.items())
        self._context = self._playwright.chromium.launch_persistent_context(
            self._profile.name, executable_path=find(), viewport={"width": width, "height": height},
            args=[*FLAGS, f"--host-resolver-rules={resolved}", "--ignore-certificate-errors"],
        )  # fmt: skip
        self.page = self._context.pages[0]
        # Playwright stores downloads under names of its own;
        # Chromium itself appends a number to an existing name.
        self._context.new_cdp_session(self.page).send("Browser.setDownloadBehavior", {"behavior": "default"})
        known = (self.url, *(f"https://{host}/" for host in self.hosts))
        self._context.route(
            "**/*", lambda route: route.continue_() if route.request.url.startswith(known) else route.abort()
        )
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.request.post(
            f"{self.url}/settings", data=SETTINGS
        )  # before the page opens the dialog of the first run
        self.page.goto(self.url, timeout=120_000)
        self.page.wait_for_function(READY, timeout=120_000)
        return self

    def __exit__(self, *_) -> None:
        self._context.close()
        self._playwright.stop()
        self._profile.cleanup()

    def load(self, workflow: dict, name: str) -> dict:
        """Open a saved workflow.

        Returns lists: its nodes, missing ones, those with errors, and the alerts shown.
        """
        self.page.evaluate(LOAD, [workflow, f"{name}.json"])
        return self.page.evaluate(CHECK)

    def prompt(self) -> dict:
        """Return the graph that the front end would send to the server."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def saved(self) -> dict:
        """Return the open workflow as the front end saves it."""
        return self.page.evaluate("() => JSON.parse(JSON.stringify(window.app.graph.serialize()))")

    def run(self) -> dict:
        """Press the front end's Run button and wait: {"ok": True, "outputs": {node: its files}}, or
        "error" with ComfyUI's record.
        """
        self.page.evaluate(LISTEN)
        with self.page.expect_response(
            lambda reply: reply.url == f"{self.url}/api/prompt" and reply.request.method == "POST"
        ) as asked:
            self.page.get_by_test_id("queue-button").click()
        if not asked.value.ok:
            return {"ok": False, "error": asked.value.json()}
        return self.page.evaluate("() => window.ended")

    def show(self, scale: float = 0.75) -> dict[str, int]:
        """Resize the page to show the whole open workflow without the front
        end's panels; returns its position on the page.
        """
        x, y, width, height = self.page.evaluate(BOUNDS)
        width, height = round(width * scale), round(height * scale)
        self.page.set_viewport_size({"width": width + 2 * PANEL, "height": height + 2 * PANEL})
        self.page.wait_for_timeout(500)
        self.page.evaluate(PLACE, [x, y, scale, PANEL])
        self.page.wait_for_timeout(1500)
        return {"x": PANEL, "y": PANEL, "width": width, "height": height}

    def picture(self, path: Path, scale: float = 0.75) -> Path:
        """Save the whole open workflow as an image file."""
        clip = self.show(scale)
        self.page.screenshot(
            path=str(path), clip=clip, **({"type": "jpeg", "quality": 85} if path.suffix == ".jpg" else {})
        )
        return path
