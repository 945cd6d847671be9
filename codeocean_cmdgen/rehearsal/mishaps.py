"""Mishaps as they happen at 3 a.m.: each hits a script, which is then fixed and pasted again."""

from __future__ import annotations

from typing import NamedTuple

from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import (
    S3BatchReplication,
    S3PointInTime,
    SnapshotCopy,
    StackParameters,
    Step,
    VolumeCopyIn,
    VolumeRestore,
)


class Fault(NamedTuple):
    """A fault of AWS: the arguments of the simulator's faults."""

    operation: str
    kind: str
    times: int = 1
    after: int = 0


class Mishap(NamedTuple):
    """Something that goes wrong once, when the first script of a step is pasted.

    expected: a regular expression for the script's output. survives: whether the script succeeds
    nevertheless; None if both are acceptable. remedy: what the person does before pasting again.
    faults: the faults of AWS. kills: whether the first fault also kills the shell.
    share: the part of the text that is pasted. changed: a text in it, and its replacement.
    pasted_into: the deployment whose CloudShell is used. killed: the output at which the shell is
    killed. answer: the confirmation that is typed. in_use: whether somebody still writes into the
    buckets. new_run: whether the script is generated again for another run.
    """

    about: str
    step: type[Step]
    expected: str
    survives: bool | None = False
    remedy: str = "paste again"
    faults: tuple[Fault, ...] = ()
    kills: bool = False
    share: float = 1.0
    changed: tuple[str, str] = ("", "")
    pasted_into: str = ""
    killed: str = ""
    answer: str = ""
    in_use: bool = False
    new_run: bool = False

    def fits(self, procedure: str) -> bool:
        """Return whether a procedure has the step."""
        return self.step in PROCEDURES[procedure].steps

    def damage(self, script: str) -> str:
        """Return the text that is pasted instead of a script."""
        return script[: int(len(script) * self.share)].replace(*self.changed)


MISHAPS = {
    "update-rolled-back": Mishap(
        "CloudFormation rolls the stack's update back",
        StackParameters,
        "not authorized|ROLLBACK",
        faults=(Fault("cloudformation:ExecuteChangeSet", "fail-job"),),
    ),
    "paste-cut": Mishap(
        "the terminal loses the last third of the paste",
        S3BatchReplication,
        "unexpected end of file|the text is incomplete or changed; nothing ran",
        share=0.66,
    ),
    "paste-damaged": Mishap(
        "one word of the paste is changed on its way",
        S3BatchReplication,
        "the text is incomplete or changed; nothing ran",
        changed=("bucket", "basket"),
    ),
    "objects-failed": Mishap(
        "some objects of a job fail, although S3 reports it as Complete",
        S3BatchReplication,
        "1 of [0-9]+ objects were not replicated",
        remedy="generate it with a new --run, and paste that",
        faults=(Fault("s3control:CreateJob", "failed-tasks"),),
        new_run=True,
    ),
    "wrong-account": Mishap(
        "the script is pasted into CloudShell of the target's account",
        SnapshotCopy,
        "this shell works as .*, but the script is for aws account",
        remedy="open the right account, and paste again",
        pasted_into="target",
    ),
    "copy-failed": Mishap(
        "a copy of a recovery point fails inside AWS",
        SnapshotCopy,
        "internal error",
        faults=(Fault("backup:StartCopyJob", "fail-job"),),
    ),
    "token-expired": Mishap(
        "the credentials expire while the copies are watched",
        SnapshotCopy,
        "[Ee]xpired",
        remedy="log in again, and paste again",
        faults=(Fault("backup:DescribeCopyJob", "expired-token", 40),),
    ),
    "shell-killed": Mishap(
        "the shell dies while the copies are running",
        SnapshotCopy,
        "copy: (started|found)",
        killed="RDS copy: ",
    ),
    "throttle-storm": Mishap(
        "AWS Backup throttles the first requests",
        SnapshotCopy,
        "done: ",
        survives=True,
        remedy="nothing: the AWS CLI tries again",
        faults=(Fault("backup:*", "throttle", 3),),
    ),
    "restore-failed": Mishap(
        "the restore of the volume fails inside AWS",
        VolumeRestore,
        "internal error",
        faults=(Fault("backup:StartRestoreJob", "fail-job"),),
    ),
    "wrong-word": Mishap(
        "the person types yes instead of the requested confirmation",
        VolumeCopyIn,
        "not confirmed: expected 'vol-[0-9a-f]+', got 'yes'",
        answer="yes",
    ),
    "still-writing": Mishap(
        "somebody writes into the target's buckets before they are restored",
        S3PointInTime,
        "it is in use",
        remedy="stop them, generate the script with a new --until, and paste it",
        in_use=True,
    ),
}
"""Name -> mishap, in an order in which they can happen one after the other."""
