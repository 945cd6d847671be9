"""The hardware of a simulated host: Linux namespaces with a root file system and a network.

Nothing in them affects the machine, and the kernel removes them when the process that created them
ends, however it ends. They need root and a kernel with namespaces and overlayfs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from codeocean_cmdgen.isolation import clean_environment

if TYPE_CHECKING:
    from typing_extensions import Self

PROGRAMS = Path(__file__).parent / "inside"
_PROGRAM = str(PROGRAMS / "machine.sh")
_NEEDED = ("bash", "ip", "mkfs.xfs", "mount", "nsenter", "setfattr", "setpriv", "sudo", "unshare")
_SYSTEMD = Path("/lib/systemd/systemd")
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h
_PATIENCE = 120.0  # seconds, on a busy machine
_numbers = count(1)


class HostUnavailableError(RuntimeError):
    """The machine cannot simulate a host; the message says why."""


class Machine:
    """A private root file system and network, in which systemd can be booted repeatedly."""

    def __init__(self) -> None:
        """Build it, switched off; raise HostUnavailableError if that is not possible."""
        self.cgroup = _check() / f"codeocean-host-{os.getpid()}-{next(_numbers)}"
        self.init = 0
        """The process ID of systemd on the machine; 0 while switched off."""
        self.scratch = Path(tempfile.mkdtemp(prefix="codeocean-host-"))
        arguments = ["hold", str(self.scratch), str(self.cgroup)]
        self._holder = subprocess.Popen(
            [_find("unshare"), "--mount", "--net", _find("bash"), _PROGRAM, *arguments],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that it does not receive Ctrl-C
        )
        self._answer()

    def __enter__(self) -> Self:
        """Return the machine."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the machine."""
        self.close()

    def boot(self) -> None:
        """Switch on, and return when all units of the default target are started."""
        with self.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.bind("\0simulator")
            notifications.settimeout(_PATIENCE)
            self.init = int(self._order("boot"))
            while b"READY=1" not in notifications.recv(4096).splitlines():
                pass

    def share(self, folder: Path, inside: str) -> None:
        """Mount a folder of the machine in the host at the next boot; names have no spaces."""
        self._order(f"share {folder} {inside}")

    def halt(self) -> None:
        """Switch off as a power cut does: all processes die at once."""
        self._order("halt")
        self.init = 0

    def close(self) -> None:
        """Remove everything, switched on or off."""
        try:
            self._holder.communicate(timeout=_PATIENCE)
        finally:
            self._holder.kill()

    @property
    def block(self) -> Path:
        """The folder that is /sys/block on the host."""
        return _seen_by(self._holder.pid, self.scratch / "block")

    def path(self, inside: str | Path) -> Path:
        """Return the path under which this process finds a path of the host.

        While the host is off, mounts of a boot do not exist: /run, /tmp and the volumes.
        """
        relative = str(inside).lstrip("/")
        if self.init:
            return _seen_by(self.init, Path("/", relative))
        return _seen_by(self._holder.pid, self.scratch / "root" / relative)

    def entry(self, cgroup: str = "") -> list[str]:
        """Return the prefix of a command that runs in the host as root.

        cgroup: the control group to run in, below the host's.
        """
        join = 'echo 0 >"$0/cgroup.procs" && exec "$@"'
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        enter = [_find("nsenter"), f"--target={self.init}", *spaces, "--"]
        return ["/bin/sh", "-c", join, str(self.cgroup / cgroup), *enter]

    def network_entry(self) -> list[str]:
        """Return the prefix of a command that runs beside the host, in its network."""
        return [_find("nsenter"), f"--net=/proc/{self._holder.pid}/ns/net", "--"]

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """Return a new socket of the host's network."""
        made: list[socket.socket] = []

        def make() -> None:
            with Path(f"/proc/{self._holder.pid}/ns/net").open() as network:
                if ctypes.CDLL(None).setns(network.fileno(), _NEW_NETWORK) == 0:
                    made.append(socket.socket(family, kind))

        # A thread that joins a network stays in it until it ends.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def _order(self, word: str) -> str:
        orders = cast("TextIO", self._holder.stdin)
        orders.write(f"{word}\n")
        orders.flush()
        return self._answer()

    def _answer(self) -> str:
        answer = cast("TextIO", self._holder.stdout).readline()
        if not answer:
            _, errors = self._holder.communicate()
            message = f"this machine cannot simulate a host: {errors.strip()}"
            raise HostUnavailableError(message)
        return answer.strip()


def _seen_by(process: int, path: Path) -> Path:
    return Path(f"/proc/{process}/root{path}")


def _find(program: str) -> str:
    return shutil.which(program, path=_SYSTEM_PATH) or program


def _check() -> Path:
    """Return where control groups (version 2) are mounted."""
    missing = [program for program in _NEEDED if not Path(_find(program)).is_absolute()]
    missing += [] if _SYSTEMD.exists() else ["systemd"]
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    groups = [Path(target) for _, target, kind, *_ in mounts if kind == "cgroup2"]
    if os.geteuid():
        problem = "only root can simulate a host"
    elif missing:
        problem = f"not installed: {', '.join(missing)}"
    elif not groups:
        problem = "no cgroup2 is mounted"
    else:
        return groups[0]
    raise HostUnavailableError(problem)
