"""SeaweedFS, a server of S3 that others have written."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    import subprocess


class SeaweedFS:
    """A running server of S3 that others have written.

    It differs from Amazon S3: U+0001 in a key becomes U+FFFD in listings, `a//b` becomes `a/b`,
    a backslash becomes a slash, and the answer to a deletion does not name the delete marker that
    it created.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.buckets: list[str] = []
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(s3={"addressing_style": "path"}),
        )

    def create_bucket(self, name: str) -> None:
        """Create a bucket that keeps all versions."""
        self.buckets.append(name)
        self.s3.create_bucket(Bucket=name)
        enabled = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)

    def contents(self, bucket: str) -> dict[str, bytes]:
        """Return what a reader of a bucket sees."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def versions(
        self, bucket: str, *, kinds: tuple[str, ...] = ("Versions", "DeleteMarkers")
    ) -> set[tuple[str, str]]:
        """Return the keys and IDs of all versions and delete markers."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return {
            (item["Key"], item["VersionId"])
            for page in pages
            for kind in kinds
            for item in page.get(kind, [])
        }


def free_ports() -> dict[str, int]:
    """Return a port for each part of a server."""
    with ExitStack() as closing:
        return {
            part: closing.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for part in ("master", "volume", "filer", "s3")
        }


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail("SeaweedFS does not answer")
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        urlopen(f"{url}/healthz").close()
    except URLError:
        return False
    return True
