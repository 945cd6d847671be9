"""A tiny `aws` that records its calls and gives canned answers, and a place to run scripts in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.rendering.paste import END
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.steps import SnapshotCopy
from codeocean_cmdgen.values import (
    AccountId,
    EbsSnapshotArn,
    RdsSnapshotArn,
    Region,
    RoleArn,
    VaultArn,
    VaultName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ACCOUNT = "111122223333"
EBS = "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
RDS = f"arn:aws:rds:us-east-1:{ACCOUNT}:snapshot:awsbackup:job-0123abcd"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AWSBackupDefaultServiceRole"
VAULT = "arn:aws:backup:us-east-1:444455556666:backup-vault:codeocean-target"

OTHER_PROGRAMS = ("date", "jq", "mkdir", "mktemp", "rm")
"""What a body runs besides `aws`: recorded too, and then done."""


def snapshot_copy() -> str:
    """Return a script whose complete run ends in `done:` with the answers below."""
    step = SnapshotCopy(
        account_id=AccountId(ACCOUNT),
        region=Region("us-east-1"),
        backup_vault_name=VaultName("codeocean-backup"),
        ebs_snapshot_arn=EbsSnapshotArn(EBS),
        rds_snapshot_arn=RdsSnapshotArn(RDS),
        destination_vault_arn=VaultArn(VAULT),
        role_arn=RoleArn(ROLE),
    )
    return render(step, dict.fromkeys(step.variables(), "default"))


def shortened(script: str) -> str:
    """Return the same wrapper around a body that only asks who calls: fast to run many times."""
    head, body, tail = re.split(rf"(?<='{END}'\n)|(?={END}\n\))", script)
    short = re.sub(r"^main\(\) \{\n.*?^\}\n", _SHORT_MAIN, body, flags=re.DOTALL | re.MULTILINE)
    assert short != body
    return (head + short + tail).replace(_digest(body), _digest(short))


_SHORT_MAIN = """main() {
  values
  read_settings "$@"
  ask caller aws sts get-caller-identity
  echo 'done: asked'
}
"""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def answers() -> dict[str, Any]:
    """Return what AWS says to a complete run, by a shell pattern of the arguments."""
    made = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat(timespec="seconds")
    trust = {"Statement": [{"Principal": {"Service": "backup.amazonaws.com"}}]}
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/someone"
    point = {"Status": "COMPLETED", "CreationDate": made}
    job = {"State": "COMPLETED", "CompletionDate": made, "DestinationRecoveryPointArn": "copy"}
    return {
        "sts get-caller-identity*": {"Account": ACCOUNT, "Arn": caller},
        "iam get-role*": {"Role": {"Arn": ROLE, "AssumeRolePolicyDocument": trust}},
        "backup describe-backup-vault*": {},
        f"backup describe-recovery-point*{EBS}*": {**point, "ResourceType": "EBS"},
        f"backup describe-recovery-point*{RDS}*": {**point, "ResourceType": "RDS"},
        "backup list-copy-jobs*": {"CopyJobs": []},
        f"backup start-copy-job*{EBS}*": {"CopyJobId": "ebs-job"},
        f"backup start-copy-job*{RDS}*": {"CopyJobId": "rds-job"},
        "backup describe-copy-job*": {"CopyJob": job},
    }


@dataclass(frozen=True)
class Place:
    """Folders of one run: `home`, `work` (where it starts), `temporary`; and the programs' log."""

    root: Path
    programs: Path

    @classmethod
    def make(cls, root: Path, programs: Path) -> Place:
        place = cls(root, programs)
        for name in ("home", "work", "temporary"):
            (root / name).mkdir(parents=True)
        return place

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @cached_property
    def environment(self) -> dict[str, str]:
        """The whole environment: nothing of the developer's own shell gets in."""
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "temporary"),
            "FAKE_LOG": str(self.root / "log"),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }

    def run(self, *command: str, script: bytes = b"", **variables: str) -> tuple[int, bytes]:
        """Run a command with the script on its stdin; return its exit status and its output."""
        finished = subprocess.run(
            command,
            input=script,
            cwd=self.work,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            start_new_session=True,  # interactive shells would take the terminal from each other
        )
        return finished.returncode, finished.stdout

    def calls(self) -> list[list[str]]:
        """Return what was run, in order: the program and, of `aws`, its arguments."""
        log = self.root / "log"
        fields = iter(log.read_bytes().split(b"\0")[:-1] if log.exists() else [])
        return [[next(fields).decode() for _ in range(int(count))] for count in fields]

    def aws_calls(self) -> list[list[str]]:
        return [call for call in self.calls() if call[0] == "aws"]

    def files(self) -> list[str]:
        """Return the files that were left, but for the record of what was done."""
        return sorted(
            str(path.relative_to(self.root))
            for name in ("home", "work", "temporary")
            for path in (self.root / name).rglob("*")
            if ".codeocean-cmdgen" not in path.parts
        )


class Lab:
    """The script, what it runs when it is whole, and fresh places to run versions of it in."""

    def __init__(self, root: Path, script: str | None = None) -> None:
        self._root = root
        self._places = count(1)
        self._programs = write_programs(root / "programs", answers())
        self.script = script or snapshot_copy()
        first = self.place()
        status, output = first.run("bash", script=self.script.encode())
        assert status == 0, output
        assert output.splitlines()[-1].startswith(b"done: "), output
        self.reference = first.calls()

    def place(self) -> Place:
        return Place.make(self._root / str(next(self._places)), self._programs)


def write_programs(folder: Path, responses: Mapping[str, Any]) -> Path:
    """Write `aws`, a `sleep` that does not, and recorders of the other programs; plain bash."""
    folder.mkdir()
    bash = shutil.which("bash")
    cases = "".join(
        f"{_pattern(pattern)}) printf '%s\\n' {shlex.quote(json.dumps(answer))} ;;\n"
        for pattern, answer in responses.items()
    )
    programs = {
        "aws": 'printf "%s\\0" $(($# + 1)) aws "$@" >>"${FAKE_LOG}"\ncase "$*" in\n'
        "--version) echo aws-cli/2.15.0 Python/3.11 Linux ;;\n"
        f'{cases}*) echo "no answer to: $*" >&2; exit 254 ;;\nesac\n',
        "sleep": "",
    }
    for name in OTHER_PROGRAMS:
        real = shutil.which(name)
        programs[name] = f'printf "%s\\0" 1 {name} >>"${{FAKE_LOG}}"\nexec {real} "$@"\n'
    for name, text in programs.items():
        (folder / name).write_text(f"#!{bash}\n{text}")
        (folder / name).chmod(0o755)
    return folder


def _pattern(pattern: str) -> str:
    return "*".join(shlex.quote(part) for part in pattern.split("*"))
