"""What goes wrong at 3 a.m., each at its place; a script meets it, is mended, and pasted again."""

from __future__ import annotations

from typing import NamedTuple

from codeocean_cmdgen.procedures import RUNBOOKS
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
    """What AWS does: the arguments of the simulator's own faults."""

    operation: str
    kind: str
    times: int = 1
    after: int = 0


class Mishap(NamedTuple):
    """Something that goes wrong once, when the first script of a step is pasted.

    meets: what the script then says, as a regular expression. survives: whether it is done all the
    same; None where either is well. mended: what the person does before pasting again.
    faults: what AWS does. kills: whether the shell dies with the first of them.
    share: how much of the text arrives. changed: a text in it, and as what it arrives.
    pasted_into: whose CloudShell it goes to. killed: at which words the shell dies.
    answer: the word that is typed. in_use: whether somebody still writes into the buckets.
    new_run: whether the script is generated anew for another run.
    """

    about: str
    step: type[Step]
    meets: str
    survives: bool | None = False
    mended: str = "paste again"
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
        """Tell whether a procedure has the step."""
        return any(task.step is self.step for part in RUNBOOKS[procedure] for task in part.tasks)

    def arriving(self, script: str) -> str:
        """Return what of a script arrives."""
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
        "unexpected end of file|damaged",
        share=0.66,
    ),
    "paste-damaged": Mishap(
        "one word of the paste arrives as another",
        S3BatchReplication,
        "the text was damaged on its way, nothing was run",
        changed=("bucket", "basket"),
    ),
    "objects-failed": Mishap(
        "S3 fails some objects of a job that it calls Complete",
        S3BatchReplication,
        "1 of [0-9]+ objects were not replicated",
        mended="generate it with a new --run, and paste that",
        faults=(Fault("s3control:CreateJob", "failed-tasks"),),
        new_run=True,
    ),
    "wrong-account": Mishap(
        "the script is pasted into CloudShell of the target's account",
        SnapshotCopy,
        "this shell works as .*, the script is for aws account",
        mended="open the right account, and paste again",
        pasted_into="target",
    ),
    "copy-failed": Mishap(
        "AWS fails a copy of a recovery point, for no reason of yours",
        SnapshotCopy,
        "internal error",
        faults=(Fault("backup:StartCopyJob", "fail-job"),),
    ),
    "token-expired": Mishap(
        "the credentials expire while the copies are watched",
        SnapshotCopy,
        "[Ee]xpired",
        mended="log in again, and paste again",
        faults=(Fault("backup:DescribeCopyJob", "expired-token", 40),),
    ),
    "shell-killed": Mishap(
        "the shell dies while the copies are under way",
        SnapshotCopy,
        "copy: (started|found)",
        killed="RDS copy: ",
    ),
    "throttle-storm": Mishap(
        "AWS Backup answers the first requests: too many of them",
        SnapshotCopy,
        "done: ",
        survives=True,
        mended="nothing: the AWS CLI tries again",
        faults=(Fault("backup:*", "throttle", 3),),
    ),
    "restore-failed": Mishap(
        "AWS fails the restore of the volume",
        VolumeRestore,
        "internal error",
        faults=(Fault("backup:StartRestoreJob", "fail-job"),),
    ),
    "wrong-word": Mishap(
        "the person types yes, and not the word that is asked for",
        VolumeCopyIn,
        "'yes' is not .*: nothing was changed",
        answer="yes",
    ),
    "still-writing": Mishap(
        "somebody writes into the target's buckets before they are brought back",
        S3PointInTime,
        "it is in use",
        mended="stop them, take --until anew, and paste again",
        in_use=True,
    ),
}
"""Name -> the mishap, in the order in which they may follow each other."""
