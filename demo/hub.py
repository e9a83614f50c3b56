"""A server on this machine that answers as a model hub does: for tests of the front end's downloads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub:
    """`with Hub({"/owner/page/resolve/main/name": path}) as hub:` serves files at `hub.url`, a localhost address.

    An address answers with a redirect to storage, whose own address says nothing; the name of the file is in Content-Disposition.
    """

    def __init__(self, files: Mapping[str, Path]):
        self.files = dict(files)
        self.stored = {f"/storage/{hashlib.sha256(address.encode()).hexdigest()}": address for address in self.files}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if body := self._head():
                    self.wfile.write(body.read_bytes())

            def do_HEAD(self) -> None:
                self._head()

            def _head(self) -> Path | None:
                """Send status and headers; the file whose content follows."""
                path = self.path.partition("?")[0]
                storage = next((place for place, address in hub.stored.items() if address == path), None)
                file = hub.files[hub.stored[path]] if path in hub.stored else None
                self.send_response(302 if storage else 200 if file else 404)
                self.send_header("Access-Control-Allow-Origin", "*")
                if storage:
                    self.send_header("Location", f"{storage}?Expires=1&Signature=x")
                if file:
                    name = hub.stored[path].rpartition("/")[2]
                    self.send_header("Content-Disposition", f"inline; filename*=UTF-8''{name}; filename=\"{name}\";")
                    self.send_header("Content-Type", "binary/octet-stream")
                self.send_header("Content-Length", str(file.stat().st_size if file else 0))
                self.end_headers()
                return file

            def log_message(self, *_) -> None:
                """Nothing."""

        return Handler
