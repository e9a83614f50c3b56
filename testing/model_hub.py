"""A local server that answers like a model hub, for downloads by the front end."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

# The pages redirect to a storage with another name.
PAGES, STORAGE = "huggingface.co", "cas-bridge.xethub.hf.co"


class Hub:
    """Context manager `Hub(files, folder)`: a server with its own certificate for
    `hub.hosts` ({host: port}, as FrontEnd takes it).

    files: address -> file. Each address redirects to a storage address without a readable name;
      Content-Disposition contains the name.
    folder: for the certificate
    """

    def __init__(self, files: Mapping[str, Path], folder: Path):
        self.files = {urlsplit(address).path: path for address, path in files.items()}
        self.stored = {
            f"/storage/{hashlib.sha256(address.encode()).hexdigest()}": address for address in self.files
        }
        self.folder = folder

    def __enter__(self) -> Hub:
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        options = (
            "req -x509 -nodes -days 2 -subj /CN=hub -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split()
        )
        subprocess.run(
            ["openssl", *options, "-out", certificate, "-keyout", key], check=True, capture_output=True
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.hosts = dict.fromkeys((PAGES, STORAGE), self._server.server_port)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if file := self._head():
                    self.wfile.write(file.read_bytes())

            def do_HEAD(self) -> None:
                self._head()

            def _head(self) -> Path | None:
                """Send status and headers; return the file to send as content."""
                path = urlsplit(self.path).path
                storage = next((place for place, address in hub.stored.items() if address == path), None)
                file = hub.files[hub.stored[path]] if path in hub.stored else None
                self.send_response(302 if storage else 200 if file else 404)
                self.send_header("Access-Control-Allow-Origin", "*")
                if storage:
                    self.send_header("Location", f"https://{STORAGE}{storage}?Expires=1&Signature=x")
                if file:
                    name = Path(hub.stored[path]).name
                    self.send_header(
                        "Content-Disposition", f"inline; filename*=UTF-8''{name}; filename=\"{name}\";"
                    )
                    self.send_header("Content-Type", "binary/octet-stream")
                self.send_header("Content-Length", str(file.stat().st_size if file else 0))
                self.end_headers()
                return file

            def log_message(self, *_) -> None:
                """Log nothing, so that the tests' output is only pytest's."""

        return Handler
