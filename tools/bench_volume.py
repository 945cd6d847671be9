"""volume-copy-in's copy against plain rsync and cp, on XFS, with and without latency of reads.

Needs root, and Debian's xfsprogs, rsync, gcc, pkg-config and libfuse3-dev. Both volumes lie in
memory, so that nobody else's disk is measured.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.resolve import resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.steps import VolumeCopyIn
from tests.support.wrapper import body_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
VALUES = HERE.parent / "codeocean_cmdgen" / "examples" / "deployment.toml"
SMALL_FILES, LARGE_MIB = 100_000, 1024
MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
LATENCY_MS = 1.0


def plant(root: Path, files: int, large_mib: int) -> None:
    """Make small files of 1 to 16 KiB, in folders as git makes them, and large ones."""
    rng = random.Random(7)  # noqa: S311 - the same tree each time
    noise = rng.randbytes(1 << 20)
    for number in range(files):
        folder = root / "gitea" / f"{number // 400:05}" / "objects" / f"{rng.randrange(64):02x}"
        folder.mkdir(parents=True, exist_ok=True)
        size = int(1024 * 16 ** rng.random())
        start = rng.randrange(len(noise) - size)
        (folder / f"{number:038x}").write_bytes(noise[start : start + size])
    (root / "postgres").mkdir()
    for number in range(large_mib // 64):
        with (root / "postgres" / f"{number}").open("wb") as file:
            file.writelines(rng.randbytes(1 << 20) for _ in range(64))


def run(*command: str | Path, **environment: str) -> float:
    """Run a program; return its seconds."""
    begin = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - begin


@contextmanager
def loop_device(image: Path, *options: str) -> Iterator[str]:
    """Attach an image."""
    attach = ["losetup", "--find", "--show", *options, str(image)]
    device = subprocess.run(  # noqa: S603 - our own
        attach, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextmanager
def slow_device(image: Path, folder: Path, milliseconds: float) -> Iterator[str]:
    """Attach an image whose reads take so much longer; many may wait at a time."""
    program, where = folder / "slow_device", folder / "slow"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "fuse3"],  # noqa: S607 - Debian's
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()
    run("cc", "-O2", HERE / "slow_device.c", "-o", program, *flags)
    where.mkdir()
    options = ["-f", "-o", "max_threads=200"]
    command: list[str | Path] = [program, image, str(milliseconds), where, *options]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        while not (where / "image").exists():
            time.sleep(0.05)
        with loop_device(where / "image", "--direct-io=on") as device:
            yield device
    finally:
        run("umount", where)
        server.wait()
        where.rmdir()


@contextmanager
def mounted(device: str, folder: Path, options: str = "rw") -> Iterator[Path]:
    """Mount an XFS file system."""
    folder.mkdir(exist_ok=True)
    run("mount", "--types=xfs", f"--options={options}", device, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def xfs_image(path: Path, gib: int) -> Path:
    """Make an image with an empty XFS file system, in place of one that was there."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(gib << 30)
    run("mkfs.xfs", "-q", path)
    return path


COPY = "check_mount() { true; }; restored_volume=; copy_files"
COMPARE = "screen=2; are_volumes_equal"
"""What the body runs here instead of main: the volumes of the bench are no EBS volumes."""


def ours(code: str) -> list[str]:
    """Return the command that runs some code with the functions of volume-copy-in."""
    script = render(*resolve(VolumeCopyIn, {}, deployment_file=read_deployment_file(VALUES)))
    body = body_of(script)
    return ["bash", "-o", "privileged", "-c", body, VolumeCopyIn.name, code]


COMMANDS = {
    "volume-copy-in": ours(COPY),
    "rsync -aHAXS --delete": [
        "sh",
        "-c",
        'rsync -aHAXS --delete "$restored_mount/" "$DATA_MOUNT/"',
    ],
    "cp -a": ["sh", "-c", 'cp -a "$restored_mount/." "$DATA_MOUNT/"'],
}


def copy(
    name: str, folder: Path, processors: str, milliseconds: float
) -> Iterator[tuple[str, float]]:
    """Copy the planted volume to an empty one; yield seconds, until the data is on the disk."""
    with ExitStack() as stack:
        attach = (
            slow_device(folder / "source.img", folder, milliseconds)
            if milliseconds
            else loop_device(folder / "source.img")
        )
        source = stack.enter_context(attach)
        target = stack.enter_context(loop_device(xfs_image(folder / "target.img", 4)))
        origin = stack.enter_context(mounted(source, folder / "from", "ro,nouuid"))
        data = stack.enter_context(mounted(target, folder / "to"))
        where = {"restored_mount": str(origin), "DATA_MOUNT": str(data)}
        run("sh", "-c", "sync; echo 3 >/proc/sys/vm/drop_caches")
        synced = ["sh", "-c", '"$@" && sync --file-system "$DATA_MOUNT"', "sh"]
        pinned = ["taskset", "--cpu-list", processors, *synced, *COMMANDS[name]]
        yield name, run(*pinned, **where, codeocean_cmdgen="eval")
        if name == VolumeCopyIn.name:
            pinned = [
                "taskset",
                "--cpu-list",
                processors,
                "env",
                f"--chdir={folder}",
                *ours(COMPARE),
            ]
            yield "its verification", run(*pinned, **where, codeocean_cmdgen="eval")


def main(files: int = SMALL_FILES, large_mib: int = LARGE_MIB, rounds: int = 3) -> None:
    """Print the table: medians of so many rounds, the contestants in turn."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        image = xfs_image(folder / "source.img", 4)
        with loop_device(image) as device, mounted(device, folder / "from") as root:
            plant(root, files, large_mib)
        say(f"{files:,} small files and {large_mib:,} MiB of large ones, in seconds")
        for processors, milliseconds in (("0", 0.0), ("0,1", 0.0), ("0,1", LATENCY_MS)):
            found: dict[str, list[float]] = defaultdict(list)
            for _ in range(1 if milliseconds else rounds):
                for contestant in list(COMMANDS)[: 2 if milliseconds else None]:
                    for what, seconds in copy(contestant, folder, processors, milliseconds):
                        found[what].append(seconds)
            figures = ", ".join(f"{what} {median(times):.1f}" for what, times in found.items())
            count = len(processors.split(","))
            say(f"{count} processor(s), {milliseconds:g} ms a read: {figures}")


def say(line: str) -> None:
    """Print a figure as soon as it is there."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
