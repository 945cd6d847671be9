"""What the tests of every step need to know of each: one row for one step.

A new step needs one row: its account. The fields below say when it needs more. Whatever the step's
class tells, such as its place, its options and its tables, is not repeated here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.steps import (
    CrossAccountBackup,
    DatasetsNotCached,
    DbCopyIn,
    DbDelete,
    DbRestore,
    InstanceHold,
    InstanceRelease,
    OnDemandBackup,
    S3BatchReplication,
    S3PointInTime,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    StackCreate,
    StackParameters,
    Step,
    VolumeCopyIn,
    VolumeDelete,
    VolumeRelease,
    VolumeRestore,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE, BACKUP, TARGET = "111111111111", "222222222222", "333333333333"
MANAGEMENT = "444444444444"
"""The accounts of the example values, and of the simulator's example world."""

FROM_FILE = f"--values={EXAMPLE}"
FROM_STACK_JSON = f"--stack-json={EXAMPLE.parent / 'stack.json'}"


class Start(NamedTuple):
    """A call that starts work, in the words of the AWS CLI, and how often a run makes it."""

    call: str
    times: int = 1


class Case(NamedTuple):
    """A step, and what no class of a step can tell."""

    step: type[Step]
    account: str
    """The account that its script runs in, made from the example values."""
    scripts: Mapping[str, tuple[str, ...]] = {"": (FROM_FILE,)}
    """Variant -> the options of golden/<step>--<variant>.sh; the empty one is golden/<step>.sh."""
    options: Mapping[str, str] = {}
    """Options without which there is nothing to do, beside those that the class needs."""
    values: Mapping[str, str | tuple[str, ...]] = {}
    """Values, instead of the example's, for a run in the simulator's example world."""
    after: tuple[type[Step], ...] = ()
    """The steps that make what it works on, in the same world."""
    confirm: str = "codeocean"
    """The confirmation that it asks for, or a pattern that finds it in what those steps print."""
    start: Start | None = None
    """The last call that starts work in AWS, which must never start twice. None: a services
    instance does the work, or a repeated call has no further effect."""
    finds_region: bool = True
    """Whether something that it looks for tells a wrong Region."""
    not_asked: frozenset[str] = frozenset()
    """IAM actions that it needs only if there is more to do than in the example world."""
    most_calls: int | None = None
    """How many calls it may make in the example world, if that is promised."""
    tests: str = ""
    """The module of tests/execution that runs it, if it is not named as the step."""

    @property
    def name(self) -> str:
        """The name of the step."""
        return self.step.name

    @property
    def module(self) -> str:
        """The module of tests/execution that runs it."""
        return self.tests or self.name.replace("-", "_")

    def answer(self, said: str) -> str:
        """Return the confirmation, after the steps before it have said this."""
        found = re.findall(self.confirm, said)
        return found[-1] if found else self.confirm


_ROWS = (
    Case(
        CrossAccountBackup,
        MANAGEMENT,
        start=Start("backup update-global-settings"),
        finds_region=False,
        most_calls=6,
    ),
    Case(
        StackCreate,
        BACKUP,
        scripts={"": (FROM_FILE,), "target": (FROM_FILE, "--from=target")},
        values={"stack_name": "another"},
        start=Start("cloudformation create-stack"),
        finds_region=False,
        most_calls=25,
    ),
    Case(
        StackParameters,
        SOURCE,
        scripts={
            "": (FROM_FILE,),
            "restore-source": (FROM_FILE, "--from=target"),
            "restore-destination": (FROM_FILE, "--from=backup"),
        },
        options={"template_url": "https://vendor.s3.amazonaws.com/one.yaml"},
        start=Start("cloudformation execute-change-set"),
        most_calls=32,
    ),
    Case(
        S3BatchReplication,
        SOURCE,
        scripts={
            "": (FROM_FILE,),
            "stack-json": (FROM_STACK_JSON,),
            "restore": (FROM_FILE, "--from=backup"),
            "only-missing": (
                FROM_FILE,
                "--only-missing",
                "--report-bucket-arn=arn:aws:s3:::codeocean-source-temp",
                "--run=second",
            ),
        },
        values={
            "bucket_arn": (
                "arn:aws:s3:::codeocean-source-capsules",
                "arn:aws:s3:::codeocean-source-datasets",
            )
        },
        start=Start("s3control create-job", 2),
    ),
    Case(SecretsSave, SOURCE, tests="secrets"),
    Case(
        OnDemandBackup,
        SOURCE,
        scripts={"": (FROM_FILE, "--run=before-upgrade")},
        values={"run": "before-upgrade"},
        start=Start("backup start-backup-job", 2),
        not_asked=frozenset({"backup:ListBackupJobs"}),
        most_calls=24,
    ),
    Case(
        InstanceHold,
        TARGET,
        start=Start("autoscaling suspend-processes"),
        most_calls=7,
        tests="instance",
    ),
    Case(ServiceStop, TARGET, tests="service"),
    Case(
        SnapshotCopy,
        BACKUP,
        scripts={"": (FROM_FILE,), "stack-json": (FROM_FILE,)},
        start=Start("backup start-copy-job", 2),
        most_calls=20,
    ),
    Case(
        VolumeRestore,
        TARGET,
        after=(SnapshotCopy,),
        start=Start("backup start-restore-job"),
        most_calls=18,
    ),
    Case(
        DbRestore,
        TARGET,
        after=(SnapshotCopy,),
        start=Start("backup start-restore-job"),
        most_calls=30,
        tests="temporary_database",
    ),
    Case(VolumeCopyIn, TARGET, tests="volume"),
    Case(
        DbCopyIn,
        TARGET,
        scripts={
            "": (FROM_FILE,),
            **{one: (FROM_FILE, f"--{one}") for one in ("drop-old", "swap-back")},
        },
    ),
    Case(
        S3PointInTime,
        TARGET,
        scripts={
            "": (FROM_FILE,),
            **{one: (FROM_FILE, f"--{one}") for one in ("reversible", "undo", "verify")},
        },
        not_asked=frozenset({"s3:DeleteObjectVersion", "s3:GetObjectVersion"}),
    ),
    Case(SecretsRestore, TARGET, tests="secrets"),
    Case(ServiceStart, TARGET, tests="service"),
    Case(DatasetsNotCached, TARGET),
    Case(VolumeRelease, TARGET, tests="volume"),
    Case(
        VolumeDelete,
        TARGET,
        after=(SnapshotCopy, VolumeRestore),
        confirm=r"restored volume: +(\S+)",
        not_asked=frozenset({"cloudformation:DescribeStackResources", "ec2:DetachVolume"}),
        most_calls=8,
    ),
    Case(
        DbDelete,
        TARGET,
        after=(SnapshotCopy, DbRestore),
        confirm="tmp-codeocean-restore",
        not_asked=frozenset({"cloudformation:DescribeStackResources"}),
        most_calls=18,
        tests="temporary_database",
    ),
    Case(InstanceRelease, TARGET, after=(InstanceHold,), most_calls=7, tests="instance"),
)
CASES = {row.name: row for row in _ROWS}
"""Step -> its row, in the order of a backup and a restore: each finds what those before it made."""

CLOUDSHELL = {name: row for name, row in CASES.items() if row.step.place == "cloudshell"}
HOST_STEPS = [name for name, row in CASES.items() if row.step.place == "host"]

SCRIPTS = {
    f"{row.name}--{variant}" if variant else row.name: (row.name, *options)
    for row in _ROWS
    for variant, options in row.scripts.items()
}
"""Golden file -> the step and the options that it was made with."""


def needed(step: type[Step]) -> dict[str, str]:
    """Return everything that a step cannot do without, one value each, mostly the example's."""
    own_run = {"run": Given((VOCABULARY["run"].kind.example,), "option")}  # no example names one
    options = own_run if "run" in step.arguments() else {}
    example = resolve(step, options, deployment_file=read_deployment_file(EXAMPLE)).step
    found: dict[str, str] = {}
    for name in (name for name, required in step.arguments().items() if required):
        value = getattr(example, name)
        found[name] = value[0] if isinstance(value, tuple) else value
    more = CASES[step.name].options if step.name in CASES else {}
    return {**found, **more}
