"""File trees: created with unusual files, and compared without the tools of the scripts."""

from __future__ import annotations

import os
import random
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = ".codeocean-cmdgen"
NO_DATA = 4096
"""The unit in bytes in which sparseness is compared."""


def fingerprint(root: Path) -> dict[bytes, dict[str, Any]]:
    """Describe a folder and each file below it by everything that a restore must bring back.

    Files that the scripts keep for themselves are left out. Change and access times are not
    compared: nothing can set the former, and reading changes the latter.
    """
    found: dict[bytes, dict[str, Any]] = {}
    links: dict[int, bytes] = {}
    paths = [root]
    while paths:
        path = paths.pop()
        name = os.fsencode(path.relative_to(root))
        if name == RECORDS.encode():
            continue
        status = os.lstat(path)
        found[name] = {
            "mode": stat.filemode(status.st_mode),
            "owner": (status.st_uid, status.st_gid),
            "attributes": {
                key: os.getxattr(path, key, follow_symlinks=False)
                for key in os.listxattr(path, follow_symlinks=False)
            },
            **({} if name == b"." else {"time": status.st_mtime_ns}),
        }
        if stat.S_ISDIR(status.st_mode):
            paths += sorted(path.iterdir(), reverse=True)
        elif stat.S_ISREG(status.st_mode):
            found[name]["same file as"] = links.setdefault(status.st_ino, name)
            found[name]["size"] = status.st_size
            found[name]["sparse"] = status.st_blocks * 512 < status.st_size - NO_DATA
            found[name]["contents"] = sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            found[name]["target"] = path.readlink()
        else:
            found[name]["device"] = status.st_rdev
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Return the differences of two trees; none if they are equal."""
    left, right = fingerprint(one), fingerprint(other)
    return [
        f"{name!r}: {key} is {left.get(name, {}).get(key)!r} and {right.get(name, {}).get(key)!r}"
        for name in sorted({*left, *right})
        for key in sorted({*left.get(name, {}), *right.get(name, {})})
        if left.get(name, {}).get(key) != right.get(name, {}).get(key)
    ]


def plant(root: Path, files: int = 60) -> None:
    """Fill a folder with files that a data volume may hold, and with ones that are hard to copy."""
    rng = random.Random(7)  # noqa: S311 - the same numbers each time
    for number in range(files):
        folder = root / "gitea" / f"repository-{number % 7}" / "objects" / f"{number % 5:02x}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:038x}").write_bytes(rng.randbytes(rng.randrange(4000)))
        (folder / f"{number:038x}").chmod(0o444)
    for database in ("couchdb", "postgres"):
        (root / database).mkdir()
        os.chown(root / database, 999, 998)
        (root / database).chmod(0o2750)
        (root / database / "shard").write_bytes(rng.randbytes(100_000))
    _plant_odd_things(root / "workspaces")


def _plant_odd_things(folder: Path) -> None:
    folder.mkdir()
    for name in (
        b"new\nline",
        b"\xff\xfe not UTF-8",
        b" -n leading",
        "\u00e9\U0001f600".encode(),
        b"\\",
    ):
        (folder / os.fsdecode(name)).write_bytes(name)
    (folder / "empty").touch()
    (folder / "one").write_text("linked")
    for other in ("two", "three"):
        os.link(folder / "one", folder / other)
    with (folder / "sparse").open("wb") as sparse:
        sparse.truncate(50_000_000)
        sparse.seek(20_000_000)
        sparse.write(b"in the middle")
    (folder / "symbolic").symlink_to("/nowhere at all")
    os.mkfifo(folder / "pipe", 0o600)
    os.mknod(folder / "null", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    os.setxattr(folder / "empty", "user.note", b"\x00binary\xff")
    os.setxattr(folder / "empty", "trusted.note", b"for root")
    os.setxattr(
        folder / "empty", "security.capability", bytes.fromhex("0100000200200000" + "0" * 24)
    )
    os.setxattr(folder / "one", "system.posix_acl_access", _acl(1234))
    (folder / "setuid").touch()
    os.chown(folder / "setuid", 4321, 54321)
    (folder / "setuid").chmod(0o6755)
    (folder / "old").touch()
    os.utime(folder / "old", ns=(1, 123_456_789))


def _acl(user: int) -> bytes:
    """Return an ACL that allows another user to read: acl(5), in the kernel's form."""
    nobody = 0xFFFFFFFF
    entries = [(1, 6, nobody), (2, 4, user), (4, 4, nobody), (16, 4, nobody), (32, 0, nobody)]
    return (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
