"""A small HTTPS-intercepting proxy, so that the AWS CLI reaches the simulator unchanged.

It listens on 127.0.0.1 only and never opens a connection itself.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlsplit

import trustme

from codeocean_cmdgen.simulator.errors import DisconnectedError
from codeocean_cmdgen.simulator.wire import HttpRequest, HttpResponse, is_aws

if TYPE_CHECKING:
    from pathlib import Path

CONTROL_PATH = "/_simulator/"
_BACKLOG = 128
_OWN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Proxy:
    """The listening socket, its thread and its certificates."""

    def __init__(
        self,
        ca_bundle: Path,
        handle: Callable[[HttpRequest], HttpResponse],
        control: Callable[[HttpRequest], HttpResponse],
    ) -> None:
        """Listen on a free port; ``handle`` answers for AWS, ``control`` for the simulator.

        The certificate that clients have to trust is written to ``ca_bundle``.
        """
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(ca_bundle))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.handle = handle
        self.control = control
        self._listener = Listener(self, socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG))
        self.port: int = self._listener.port

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def listen_too(self, listening: socket.socket) -> Listener:
        """Serve on one more socket, of another network, until the listener is closed."""
        return Listener(self, listening)

    def tls_context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings for a host, with its own certificate; made once per host."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


class Listener:
    """A listening socket and the thread that serves it."""

    def __init__(self, proxy: Proxy, listening: socket.socket) -> None:
        """Serve until closed, and close the socket then."""
        address = listening.getsockname()
        self.port: int = address[1]
        self._server = _Server(address, _Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._server.proxy = proxy
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: what went wrong is the client's to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    connection: socket.socket
    _host = ""

    def handle(self) -> None:
        """Serve until the client leaves, however it leaves."""
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        """Close the encrypted socket too, which the server does not know of."""
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def do_CONNECT(self) -> None:
        """Begin to speak TLS in the name of a host of AWS."""
        host = self.path.rpartition(":")[0]
        if not is_aws(host):
            self._refuse(host)
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        context = self.server.proxy.tls_context(host)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self._host = host
        # Clients that ask for the tunnel in HTTP/1.0 mean to use it all the same.
        self.close_connection = False

    def handle_expect_100(self) -> bool:
        """Tell a client that waits to send its body; the tunnel's stream is buffered."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _serve(self) -> None:
        host, path = self._host, self.path
        if not host:
            parts = urlsplit(self.path)
            host = parts.hostname or ""
            path = parts._replace(scheme="", netloc="").geturl()
        request = HttpRequest(self.command, host, path, dict(self.headers), self._read_body())
        if not host and path.startswith(CONTROL_PATH):
            self._send(self.server.proxy.control(request))
        elif is_aws(host):
            try:
                self._send(self.server.proxy.handle(request))
            except DisconnectedError:
                # Cut within the status line. Without a byte of it the AWS CLI blames the proxy.
                self.wfile.write(b"HTTP/1.1")
                self.wfile.flush()
                self.close_connection = True
        else:
            self._refuse(host)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _refuse(self, host: str) -> None:
        message = f"the simulator lets nothing out: {host or 'this address'} is not AWS\n"
        self.close_connection = True
        self._send(HttpResponse(403, {"Content-Type": "text/plain"}, message.encode()))

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailing headers
        return b"".join(chunks)

    def _send(self, response: HttpResponse) -> None:
        self.send_response(response.status)
        length = str(len(response.body))
        for name, value in response.headers.items():
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing: requests are recorded by the simulator."""


def json_response(content: object, status: int = 200) -> HttpResponse:
    """Return an answer of the control interface."""
    body = json.dumps(content, default=str).encode()
    return HttpResponse(status, {"Content-Type": "application/json"}, body)
