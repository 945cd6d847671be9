"""The instance metadata service, version 2 only.

Source: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata" and
"Instance metadata categories".
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from codeocean_cmdgen.simulator.serving import SocketServer

if TYPE_CHECKING:
    import socket

ADDRESS = ("169.254.169.254", 80)
_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header
_LONGEST = 21600  # seconds


@dataclass(frozen=True)
class Instance:
    """The facts that an instance can read about itself."""

    account_id: str
    region: str
    zone: str
    instance_id: str
    role: str
    access_key: str
    instance_type: str = "m7i.large"
    image_id: str = "ami-0123456789abcdef0"
    private_ip: str = "10.0.1.23"

    def content(self) -> dict[str, str]:
        """Return the texts by path."""
        identity = {
            "accountId": self.account_id,
            "architecture": "x86_64",
            "availabilityZone": self.zone,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "pendingTime": "2026-01-02T03:04:05Z",
            "privateIp": self.private_ip,
            "region": self.region,
            "version": "2017-09-30",
        }
        credentials = {
            "Code": "Success",
            "LastUpdated": "2026-01-02T03:04:05Z",
            "Type": "AWS-HMAC",
            "AccessKeyId": self.access_key,
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": "2099-01-02T03:04:05Z",
        }
        profile = f"arn:aws:iam::{self.account_id}:instance-profile/{self.role}"
        role = "iam/security-credentials"
        return {
            "/latest/dynamic/instance-identity/document": json.dumps(identity, indent=2),
            "/latest/meta-data/ami-id": self.image_id,
            "/latest/meta-data/iam/info": json.dumps({"InstanceProfileArn": profile}),
            f"/latest/meta-data/{role}/": self.role,
            f"/latest/meta-data/{role}/{self.role}": json.dumps(credentials),
            "/latest/meta-data/instance-id": self.instance_id,
            "/latest/meta-data/instance-type": self.instance_type,
            "/latest/meta-data/local-ipv4": self.private_ip,
            "/latest/meta-data/placement/availability-zone": self.zone,
            "/latest/meta-data/placement/region": self.region,
            "/latest/meta-data/services/domain": "amazonaws.com",
        }


class MetadataService(SocketServer):
    """The service, for one instance, on a socket that is bound to ADDRESS."""

    def __init__(self, listening: socket.socket, instance: Instance) -> None:
        """Serve until closed."""
        super().__init__(listening, _Handler)
        self.content = instance.content()
        self.tokens: set[str] = set()
        self.start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MetadataService

    def do_PUT(self) -> None:
        """Return a token."""
        lifetime = self.headers.get(_TTL, "")
        if self.path != _TOKEN_PATH:
            self._send(404, "")
        elif "X-Forwarded-For" in self.headers:
            self._send(403, "")
        elif not lifetime.isdecimal() or not 1 <= int(lifetime) <= _LONGEST:
            self._send(400, "")
        else:
            token = secrets.token_urlsafe(40)
            self.server.tokens.add(token)
            self._send(200, token, {_TTL: lifetime})

    def do_GET(self) -> None:
        """Return a text to a client with a token."""
        path = self.path.rstrip("/")
        text = self.server.content.get(self.path) or self.server.content.get(path)
        text = text or self.server.content.get(f"{path}/")
        if self.headers.get(_TOKEN) not in self.server.tokens:
            self._send(401, "")
        elif text is None:
            self._send(404, "")
        else:
            self._send(200, text)

    def _send(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
