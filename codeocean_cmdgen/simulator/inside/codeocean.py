#!/usr/bin/python3 -IS
"""Stands in for the vendor's software: while it runs, it writes files and answers.

    codeocean [FOLDER]      writes there, by default in /data/codeocean

http://localhost:8300/health answers 200.
"""

import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path


class Health(BaseHTTPRequestHandler):
    """Answers /health."""

    def do_GET(self) -> None:
        """Say that all is well."""
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def tell_systemd() -> None:
    """Tell systemd that the start is over, where it wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.sendto(b"READY=1", address.replace("@", "\0", 1))


def main(folder: Path) -> None:
    """Write ten files a second, the same hundred over and over, until killed."""
    server = ThreadingHTTPServer(("localhost", 8300), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder.mkdir(parents=True, exist_ok=True)
    pause = threading.Event()
    with (folder / "log").open("a", encoding="utf-8") as log:
        for number in count():
            (folder / f"object-{number % 100}").write_text(f"{number}\n", encoding="utf-8")
            log.write(f"{number}\n")
            log.flush()
            if number == 0:
                tell_systemd()
            pause.wait(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/data/codeocean"))
