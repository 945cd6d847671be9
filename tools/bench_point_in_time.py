"""s3-point-in-time against its peers, on an S3 server with latency, each on the same bucket.

The peers, s3-pit-restore and s3-restore, live in an environment that this makes and removes.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tests.support.point_in_time import AT, Operator, instant
from tests.support.s3_server import Bucket, S3Server, Version, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

LATENCY = 0.02
KEYS, LARGE = 20_000, (100_000, 400_000)
"""Of two to three versions each: 50,000 in all, and 250,000 and 1,000,000."""


def plant(keys: int) -> Bucket:
    """Make a bucket with five versions for two keys, half of them newer."""
    rng = random.Random(11)  # noqa: S311 - the same bucket each time
    stacks = {}
    for number in range(keys):
        newer, older = (1, 1) if number % 2 else (1 + number % 4 // 2, 2 - number % 4 // 2)
        seconds = [rng.randint(1, 900) for _ in range(newer)]
        seconds += [-rng.randint(0, 900) for _ in range(older)]
        stacks[f"datasets/{number % 97:02}/{number:07}/file.bin"] = [
            Version(secrets.token_urlsafe(24), AT + when, content=b"content")
            for when in sorted(seconds, reverse=True)
        ]
    bucket = Bucket("333333333333")
    bucket.fill(stacks)
    return bucket


def serve(pipe: Connection, keys: int) -> None:
    """Serve a bucket in a process of its own, and answer how it is doing."""
    with serving(LATENCY) as server:
        server.buckets["big"] = plant(keys)
        pipe.send(server.url)
        while pipe.recv() != "end":
            stacks = server.buckets["big"].stacks.values()
            newer = sum(one.modified > AT for stack in stacks for one in stack)
            pipe.send((sum(map(len, stacks)), newer, dict(server.requests)))
            server.requests.clear()


@contextmanager
def served(keys: int) -> Iterator[tuple[str, Connection]]:
    """Give the server's address, and a pipe to ask it through."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there, keys))
    process.start()
    try:
        yield here.recv(), here
    finally:
        here.send("end")
        process.join()


def state(pipe: Connection) -> tuple[int, int, dict[str, int]]:
    """Return the versions, how many of them are newer, and the requests since the last question."""
    pipe.send("state")
    return cast("tuple[int, int, dict[str, int]]", pipe.recv())


class Measured(NamedTuple):
    """What a program took, and said; its seconds of the processor bear other work beside it."""

    seconds: float
    processor: float
    memory: int
    output: str

    def words(self) -> str:
        """Say what it took."""
        return f"{self.seconds:.1f} s ({self.processor:.1f} s of processor, {self.memory} MB)"


def measured(command: list[str], environment: dict[str, str]) -> Measured:
    """Run a program, and measure its largest process's peak memory too.

    Raises:
        CalledProcessError: it failed.

    """
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own, and the peers
            command, env=environment, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - begin
        errors.seek(0)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command[:1], errors.read())
        output.seek(0)
        processor = usage.ru_utime + usage.ru_stime
        return Measured(took, processor, usage.ru_maxrss // 1024, output.read())


def ours(keys: int) -> None:
    """Look, and look and act; the proof by a second listing is part of it."""
    with served(keys) as (url, pipe), tempfile.TemporaryDirectory() as folder:
        server = cast("S3Server", SimpleNamespace(url=url, buckets={"big": None}))
        operator = Operator(server, Path(folder))
        command = ["bash", "-c", operator.script]
        versions, newer, _ = state(pipe)
        environment = operator.person.environment
        looked = measured(command, {**environment, "PLAN": "1"})
        state(pipe)
        word = looked.output.split()[-1]
        acted = measured(command, {**environment, "CONFIRM": word})
        left, still_newer, requests = state(pipe)
        disk = sum(file.stat().st_size for file in operator.home.rglob("journal-*"))
    if (left, still_newer) != (versions - newer, 0):
        message = f"{still_newer} of {left} versions are newer"
        raise AssertionError(message)
    pages, removals, proof = (-(-count // 1000) for count in (versions, newer, left))
    total = sum(requests.values())
    over = 100 * (total - proof) / (pages + removals) - 100
    say(
        f"s3-point-in-time, {versions:,} versions, {newer:,} newer: "
        f"looked in {looked.seconds:.1f} s; looked, removed and proved in {acted.words()}, "
        f"{total:,} requests: {proof:,} "
        f"of the proof, {total - proof:,} others (minimum {pages + removals:,}: +{over:.1f}%); "
        f"journal {disk / newer:.0f} bytes a version"
    )


@contextmanager
def peers() -> Iterator[Path]:
    """Give the folder of the peers' programs."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        programs = Path(name) / "bin"
        install = [str(programs / "pip"), "install", "--quiet", "s3-pit-restore", "s3-restore"]
        subprocess.run([*install, "setuptools<81"], check=True)  # noqa: S603 - our own
        yield programs


def theirs(programs: Path, name: str, keys: int) -> None:
    """Let a peer bring the bucket back in place."""
    with served(keys) as (url, pipe):
        versions, newer, _ = state(pipe)
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        moment = instant(AT).replace("Z", " +0").replace("T", " ")
        options = ["--bucket", "big", "--dest-bucket", "big", "--timestamp", moment]
        took = measured([str(programs / name), *options], environment)
        _, _, requests = state(pipe)
    say(
        f"{name}, {versions:,} versions, {newer:,} newer: {took.words()}, "
        f"{sum(requests.values()):,} requests"
    )


def main(keys: int = KEYS, large: tuple[int, ...] = LARGE) -> None:
    """Print the figures."""
    say(f"a bucket of S3 with {LATENCY * 1000:g} ms a request")
    with peers() as programs:
        ours(keys)
        for name in ("s3-pit-restore", "s3-restore"):
            theirs(programs, name, keys)
    for more in large:
        ours(more)


def say(line: Any) -> None:  # noqa: ANN401 - a figure
    """Print a figure as soon as it is there."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
