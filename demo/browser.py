"""ComfyUI's real front end in headless Chromium: loads workflows, says what is wrong with them, takes their picture."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]

# Templates on first start, and the node colours of the light theme, would spoil the picture.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
}
READY = "() => window.app?.graph && window.app?.extensionManager && document.querySelector('#graph-canvas')"
LOAD = "async ([workflow, name]) => { await window.app.loadGraphData(workflow, true, true, name); }"
CHECK = """() => ({
  nodes: window.app.graph._nodes.map(n => n.type),
  missing: window.app.graph._nodes.map(n => n.type).filter(t => !(t in window.LiteGraph.registered_node_types)),
  alerts: [...document.querySelectorAll('.p-toast-message, .p-dialog')].map(e => e.innerText),
  errors: window.app.graph._nodes.filter(n => n.has_errors).map(n => n.type),
})"""


def find() -> str | None:
    """Chromium's program: SK_PORTRAIT_CHROMIUM, or the one on the path."""
    return os.environ.get("SK_PORTRAIT_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


class FrontEnd:
    """`with FrontEnd(server.url) as page:` opens the front end; nothing but the server itself can be reached from it."""

    def __init__(self, url: str, size: tuple[int, int] = (1800, 1000)):
        self.url, self.size = url, size
        self.console_errors: list[str] = []

    def __enter__(self) -> FrontEnd:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=find(), args=FLAGS)
        width, height = self.size
        self.page = self._browser.new_page(viewport={"width": width, "height": height})
        self.page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(self.url) else route.abort())
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.goto(self.url, timeout=120_000)
        self.page.wait_for_function(READY, timeout=120_000)
        for key, value in SETTINGS.items():
            self.page.evaluate("([key, value]) => window.app.extensionManager.setting.set(key, value)", [key, value])
        self.page.keyboard.press("Escape")
        return self

    def __exit__(self, *_) -> None:
        self._browser.close()
        self._playwright.stop()

    def load(self, workflow: dict, name: str) -> dict:
        """Open a saved workflow. Returns lists: its nodes, those missing, those with errors, and the alerts shown."""
        self.page.evaluate(LOAD, [workflow, f"{name}.json"])
        return self.page.evaluate(CHECK)

    def prompt(self) -> dict:
        """What the front end would send to the server."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def saved(self) -> dict:
        """The open workflow as the front end saves it."""
        return self.page.evaluate("() => JSON.parse(JSON.stringify(window.app.graph.serialize()))")

    def run(self) -> dict:
        """Press Queue and wait: {"ok": True}, or the host's error."""
        return self.page.evaluate(
            """() => new Promise(resolve => {
              window.app.api.addEventListener('execution_success', () => resolve({ok: true}));
              window.app.api.addEventListener('execution_error', event => resolve({ok: false, error: event.detail}));
              window.app.queuePrompt(0, 1);
            })"""
        )

    def picture(self, path: Path) -> Path:
        """The open workflow, fitted into the window, as an image file."""
        self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=str(path), type="jpeg" if path.suffix == ".jpg" else "png")
        return path
