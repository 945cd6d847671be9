"""What the tests of s3-point-in-time share: histories, an oracle, and a way to run the script."""

from __future__ import annotations

import os
import random
import shlex
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, NamedTuple, Protocol

import pexpect

from codeocean_cmdgen.simulator.aws import cloudshell_python
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.loaded_python import loaded_python
from tests.support.people import Outcome, Person, script
from tests.support.s3_server import Bucket, Version

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from pathlib import Path

AT = 1_700_000_000
"""The moment to go back to; histories reach from 1,000 seconds before it to 1,000 after."""
UNTIL = AT + 1000

AWS = f"""#!/bin/bash
[[ $1 != --version ]] || exec echo aws-cli/2.9.19
echo '{{"Account": "{TARGET}", "Arn": "arn:aws:sts::{TARGET}:assumed-role/Operator/operator"}}'
"""


class Event(NamedTuple):
    """Something that happened to a key: a version was put, or it was deleted."""

    seconds: int
    deleted: bool = False
    null: bool = False


History = dict[str, list[Event]]
Current = dict[str, Version]


def version_of(key: str, number: int, event: Event) -> Version:
    rng = random.Random(f"{key} {number}")
    version_id = "null" if event.null else "".join(rng.choices("abcXYZ019._-", k=32))
    if event.deleted:
        return Version(version_id, AT + event.seconds, marker=True)
    return Version(
        version_id,
        AT + event.seconds,
        content=rng.randbytes(rng.randrange(9)) + str(number).encode(),
        headers={"content-type": "text/x-test", "x-amz-meta-number": str(number)},
        tags=f"number={number}",
    )


def bucket_of(history: History) -> Bucket:
    """Return a bucket after all of its history."""
    bucket = Bucket(TARGET)
    bucket.fill(
        {
            key: [version_of(key, number, event) for number, event in enumerate(events)][::-1]
            for key, events in history.items()
            if events
        }
    )
    return bucket


def current_at(history: History, seconds: int = 0) -> Current:
    """Let the history happen up to a moment, event by event; return what is there then."""
    there: Current = {}
    for key, events in history.items():
        for number, event in enumerate(events):
            if event.seconds > seconds:
                break
            there.pop(key, None)
            if not event.deleted:
                there[key] = version_of(key, number, event)
    return there


def current(bucket: Bucket) -> Current:
    """Return what a reader of the bucket sees."""
    return {key: stack[0] for key, stack in bucket.state().items() if not stack[0].marker}


def random_history(rng: random.Random, keys: Iterable[str]) -> History:
    """Make up what happened to each key; often several things in one second."""
    return {
        key: [
            Event(seconds, rng.random() < 0.3)
            for seconds in sorted(rng.choice([-9, -1, 0, 1, 9, rng.randint(-999, 999)])
                                  for _ in range(rng.randint(1, 5)))
        ]
        for key in keys
    }  # fmt: skip


class Server(Protocol):
    """A server of S3, by its address and the names of its buckets."""

    @property
    def url(self) -> str: ...
    @property
    def buckets(self) -> Iterable[str]: ...


@dataclass
class Operator:
    """Somebody in CloudShell of the target's account, whose S3 is a test server."""

    server: Server
    folder: Path
    at: int = AT
    until: int = UNTIL
    options: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.folder / "cloudshell"
        self.home.mkdir()
        programs = self.folder / "programs"
        self.take_python_of_its_own()
        (programs / "aws").write_text(AWS)
        (programs / "aws").chmod(0o700)
        (programs / "python3").write_text(f'#!/bin/sh\nexec {loaded_python()} "$@"\n')
        self.person = Person(
            {
                "PATH": f"{programs}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "TMPDIR": str(self.folder),
                "AWS_ENDPOINT_URL_S3": self.server.url,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )

    def take_python_of_its_own(self) -> None:
        """Let each program run in a process that dies with the shell, instead of in a fork."""
        cloudshell_python(self.folder / "programs")

    def patch_python(self, text: str) -> None:
        """Let Python run a text before the program, as another release of it or another machine.

        The program ignores PYTHONPATH, through which this is done: the option for that is dropped.
        """
        folder = self.folder / "patch"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(text)
        python = f"{shlex.quote(sys.executable)} -s"
        (self.folder / "programs" / "python3").write_text(
            f'#!/bin/sh\n[ "$1" = -E ] || exit 9\nshift\n'
            f'PYTHONPATH={shlex.quote(str(folder))} exec {python} "$@"\n'
        )

    @property
    def script(self) -> str:
        return script(
            "s3-point-in-time",
            bucket_arn=tuple(f"arn:aws:s3:::{name}" for name in self.server.buckets),
            at=instant(self.at),
            until=instant(self.until),
            **self.options,
        )

    def run(self, **environment: str) -> Outcome:
        return self.person.run(self.script, **environment)

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return self.person.start(self.script, **environment)

    def paused(self, digest: str, change: Callable[[], object]) -> Outcome:
        """Confirm on a terminal, after something has changed while the question stood there."""
        shell = pexpect.spawn(
            "bash",
            ["-c", self.script],
            env=dict(self.person.environment),
            encoding="utf-8",
            timeout=120,
        )
        shell.expect_exact(f"Type {digest} to confirm: ")
        change()
        shell.sendline(digest)
        shell.expect(pexpect.EOF)
        shell.close()
        return Outcome(int(shell.exitstatus or 0), "", str(shell.before))

    def digest(self) -> str:
        """Look at what would be done, and return the word that confirms it."""
        outcome = self.run(PLAN="1")
        assert outcome.code == 0, outcome
        label, digest = outcome.output.split()
        assert label == "plan:"
        return digest

    def confirm(self) -> Outcome:
        """Look, and do it."""
        return self.run(CONFIRM=self.digest())


def instant(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def undo(operator: Operator, **settings: str) -> Outcome:
    operator.options = {"undo": "yes"}
    return operator.run(**settings)


HOSTILE = [
    *("plain", " ", "a b", "a+b", "a%41", "'", '"', "\\", "$(touch X)", "&<>;", "]]>", "\u00e9"),
    *("\n", "a\nb", "\t", "\r", "\r\n", "\x01", "\x08b", "\x0b", "\x1f", "\x7f", "\x85", "\x9f"),
    *("\u2028", "\ufeff", "\ufffe", "\uffff", "\U0001f600", "\U0010ffff", "/", "//a", "a/", "."),
    *("..", "../a", "a/../b", "null", "*", "?versionId=x", "#", "~", "\u0430", "e\u0301"),
    "x" * 1024,
    "\u20ac" * 341,
]
"""Keys of all sorts; S3 takes up to 1,024 bytes of UTF-8."""
