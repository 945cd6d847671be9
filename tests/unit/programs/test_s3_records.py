"""Plans and journals are read to their end, or refused."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.programs.s3_records import read_digest, read_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_of_several_members_are_read(tmp_path: Path) -> None:
    file = tmp_path / "plan.gz"
    file.write_bytes(gzip.compress(b'[1]\n["\\u20ac"]\n') + gzip.compress(b"{}\n"))
    assert list(read_lines(file)) == [[1], ["\u20ac"], {}]


@pytest.mark.parametrize("damage", ["cut", "changed", "not compressed", "not JSON"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "journal.gz"
    whole = gzip.compress(b"[1]\n" * 1000)
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:-1],
            "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "not compressed": b"[1]\n",
            "not JSON": gzip.compress(b"[1]\n[2"),
        }[damage]
    )
    with pytest.raises(OSError, match=r"journal\.gz cannot be read to its end"):
        list(read_lines(file))


def test_a_missing_file_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_lines(tmp_path / "none"))


@pytest.mark.parametrize("digest", ["0a" * 32, ""])
def test_the_digest_of_what_was_current_is_read(tmp_path: Path, digest: str) -> None:
    done = tmp_path / "done"
    done.write_text(f'"{digest}"')
    assert read_digest(done) == digest


@pytest.mark.parametrize("text", ["", '"0a', "null", "5", '"short"', "\u20ac"])
def test_a_damaged_digest_is_no_proof(tmp_path: Path, text: str) -> None:
    done = tmp_path / "done"
    done.write_text(text)
    with pytest.raises(OSError, match="done is damaged: it no longer proves"):
        read_digest(done)
