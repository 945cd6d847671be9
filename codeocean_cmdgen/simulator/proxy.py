"""A small HTTPS-intercepting proxy, so that an unchanged AWS CLI reaches the simulator.

It listens only on 127.0.0.1 and never opens a connection itself. Every user of the machine can
reach that address, so the proxy needs a password. With it, a client can act in all simulated
accounts, read the recorded requests, and let requests fail.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import secrets
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlsplit

import trustme

from codeocean_cmdgen.simulator.errors import DisconnectedError
from codeocean_cmdgen.simulator.serving import SocketServer
from codeocean_cmdgen.simulator.wire import HttpRequest, HttpResponse, is_aws

if TYPE_CHECKING:
    from pathlib import Path

CONTROL_PATH = "/_simulator/"
PASSWORD_HEADER = "Proxy-Authorization"  # noqa: S105 - a header
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

        The certificate that clients must trust is written to ``ca_bundle``.
        """
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(ca_bundle))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.handle = handle
        self.control = control
        user = f"simulator:{secrets.token_urlsafe(32)}"
        self.password = f"Basic {base64.b64encode(user.encode()).decode()}"
        """The value that clients send in PASSWORD_HEADER."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener = Listener(self, listening, self.password)
        self.port: int = self._listener.port
        self.url = f"http://{user}@127.0.0.1:{self.port}"
        """The URL for clients: the AWS CLI, SDKs and curl send the part before the @."""

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def listen_too(self, listening: socket.socket) -> Listener:
        """Serve on another socket until the listener is closed, without a password.

        listening: a socket of another network, which only authorized callers may enter.
        """
        return Listener(self, listening)

    def tls_context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings for a host, with its own certificate; created once per host."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]


class Listener(SocketServer):
    """A listening socket and the thread that serves it."""

    def __init__(self, proxy: Proxy, listening: socket.socket, password: str = "") -> None:
        """Serve until closed, then close the socket; clients must send ``password``, if any."""
        super().__init__(listening, _Handler)
        self.proxy = proxy
        self.password = password
        self.port: int = listening.getsockname()[1]
        self.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: the client reports the error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener
    connection: socket.socket
    _host = ""

    def handle(self) -> None:
        """Serve until the client disconnects, however it does."""
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        """Also close the encrypted socket, which the server does not know."""
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def do_CONNECT(self) -> None:
        """Start TLS in the name of an AWS host."""
        host = self.path.rpartition(":")[0]
        if not self._is_authorized():
            return
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
        # Keep the connection even for clients that request the tunnel with HTTP/1.0.
        self.close_connection = False

    def handle_expect_100(self) -> bool:
        """Tell a waiting client to send its body; the stream of the tunnel is buffered."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _serve(self) -> None:
        host, path = self._host, self.path
        if not host and not self._is_authorized():
            return
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
                # Cut within the status line: if no byte of it arrives, the AWS CLI reports a
                # failure of the proxy.
                self.wfile.write(b"HTTP/1.1")
                self.wfile.flush()
                self.close_connection = True
        else:
            self._refuse(host)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _is_authorized(self) -> bool:
        """Return whether the client sent the password; if not, refuse it."""
        given = self.headers.get(PASSWORD_HEADER, "")
        wanted = self.server.password
        if not wanted or hmac.compare_digest(given.encode("latin-1"), wanted.encode()):
            return True
        self.close_connection = True  # so that the unread body is not taken for a request
        headers = {"Content-Type": "text/plain", "Proxy-Authenticate": 'Basic realm="simulator"'}
        self._send(HttpResponse(407, headers, b"the simulator is for whoever started it\n"))
        return False

    def _refuse(self, host: str) -> None:
        message = f"the simulator blocks all other hosts: {host or 'this address'} is not AWS\n"
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
