"""The programs of others: the newest AWS CLI in place of the oldest one, and SeaweedFS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator.aws import loaded_aws
from tests.support.fixtures import people, person, python, simulator
from tests.support.seaweedfs import SeaweedFS, free_ports, wait_for
from tests.support.tools import NEWEST_AWS, SEAWEEDFS, require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["people", "person", "python", "simulator"]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with an `aws` that is the newest CLI, already loaded."""
    require(NEWEST_AWS)
    with loaded_aws(tmp_path_factory.mktemp("aws"), NEWEST_AWS) as folder:
        yield folder


@pytest.fixture(scope="session")
def seaweedfs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server, which only this machine can reach; return its address."""
    folder = tmp_path_factory.mktemp("seaweedfs")
    ports, grpc_ports = free_ports(), free_ports()
    options = [f"-{part}.port={port}" for part, port in ports.items()]
    options += [f"-{part}.port.grpc={port}" for part, port in grpc_ports.items()]
    options += [f"-{part}.localSocket={folder}/{part}" for part in ("filer", "s3")]
    options += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]
    options += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    options += ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
    server = [require(SEAWEEDFS), f"-logdir={folder}", "server", "-s3", f"-dir={folder}", *options]
    with subprocess.Popen(
        server,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # its log is in the folder
    ) as process:
        url = f"http://127.0.0.1:{ports['s3']}"
        try:
            wait_for(url, process)
            yield url
        finally:
            process.kill()
            for part, port in grpc_ports.items():
                Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)


@pytest.fixture
def seaweedfs(seaweedfs_url: str) -> SeaweedFS:
    """Return a server whose buckets of other tests nobody asks for."""
    return SeaweedFS(seaweedfs_url)
