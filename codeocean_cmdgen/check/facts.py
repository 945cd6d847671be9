"""What the rules look at: the values file, and what AWS answered for each of its deployments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.sources import TABLES, read_values
from codeocean_cmdgen.steps.stack_parameters import by_kind
from codeocean_cmdgen.values import BucketArn, Region, RoleArn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = {
    "backup": ("source", "backup"),
    "restore": ("backup", "target"),
    "migration": ("source", "target"),
}
"""Procedure -> the deployments that data travels from and to."""

_ORIGIN_JOBS = {
    "source": ("s3-batch-replication", "on-demand-backup"),
    "backup": ("s3-batch-replication", "snapshot-copy"),
}
_TARGET_JOBS = ("volume-restore", "db-restore")
_TRUSTED = {
    "s3-batch-replication": "batchoperations.s3.amazonaws.com",
    "on-demand-backup": "backup.amazonaws.com",
    "snapshot-copy": "backup.amazonaws.com",
    "volume-restore": "backup.amazonaws.com",
    "db-restore": "backup.amazonaws.com",
}
"""Step -> the service that assumes the role that it is given."""


class UnknownError(Exception):
    """Something could not be looked at; the text says what and why."""


class Unknown(NamedTuple):
    """Stands for an answer that AWS did not give."""

    reason: str


class Job(NamedTuple):
    """A step that hands a role to a service."""

    step: str
    role_arn: RoleArn
    service: str


@dataclass
class Deployment:
    """One deployment: its tables of the values file, and what its account answered.

    tables: "" for the table itself, else the step's name -> key -> texts.
    answers: operation and subject -> what AWS answered; None where there is no such thing.
    credentials: the account that the credentials for it are of; empty where none are.
    unseen: why nothing was asked at all; empty when it was.
    """

    role: str
    tables: dict[str, dict[str, tuple[str, ...]]]
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    credentials: str = ""
    unseen: str = "the accounts were not asked"

    def __str__(self) -> str:
        """Return the name of its table."""
        return self.role

    def values(self, name: str, step: str = "") -> tuple[str, ...]:
        """Return the texts of a value, as the step takes them; none when it is not there."""
        return self.tables.get(step, {}).get(name) or self.tables.get("", {}).get(name, ())

    def value(self, name: str, step: str = "") -> str:
        """Return the first text of a value; empty when it is not there."""
        return (*self.values(name, step), "")[0]

    @property
    def account_id(self) -> str:
        """The account; empty when the file does not say."""
        return self.value("account_id")

    @property
    def region(self) -> str:
        """The Region; empty when the file does not say."""
        return self.value("region")

    @property
    def partition(self) -> str:
        """The partition of the Region; empty when the file does not say."""
        return Region(self.region).aws_partition if self.region else ""

    @property
    def vault(self) -> str:
        """The name of the backup vault."""
        return self.value("backup_vault_name")

    @property
    def buckets(self) -> tuple[str, ...]:
        """The names of the buckets."""
        return tuple(BucketArn(text).name for text in self.values("bucket_arn"))

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The names of the buckets by what they hold."""
        sorted_out = by_kind(map(BucketArn, self.values("bucket_arn")))
        return {kind: [bucket.name for bucket in found] for kind, found in sorted_out.items()}

    def answer(self, operation: str, subject: str = "") -> Any:  # noqa: ANN401 - as AWS shapes it
        """Return what AWS answered; None when there is no such thing.

        Raises:
            UnknownError: AWS was not asked, or refused.

        """
        if self.unseen:
            raise UnknownError(self.unseen)
        if (operation, subject) not in self.answers:
            what = f"{operation} {subject}".strip()
            reason = f"{self.role}: the file does not say what to ask {what} for"
            raise UnknownError(reason)
        found = self.answers[operation, subject]
        if isinstance(found, Unknown):
            raise UnknownError(found.reason)
        return found

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its stack; none when there is no stack."""
        stack = self.answer("DescribeStacks", self.value("stack_name"))
        parameters = stack["Stacks"][0].get("Parameters", []) if stack else []
        return {one["ParameterKey"]: one["ParameterValue"] for one in parameters}


@dataclass
class Facts:
    """All that is known for one procedure."""

    procedure: str
    deployments: dict[str, Deployment]
    now: datetime

    @property
    def route(self) -> tuple[Deployment, Deployment]:
        """The deployments that data travels from and to."""
        origin, destination = ROUTES[self.procedure]
        return self.deployments[origin], self.deployments[destination]

    @property
    def source(self) -> Deployment:
        """The deployment that is protected or moved."""
        return self.deployments["source"]

    @property
    def target(self) -> Deployment:
        """The new deployment."""
        return self.deployments["target"]

    def jobs(self, deployment: Deployment) -> Iterator[Job]:
        """Yield the steps of the procedure that hand a role to a service, where one is given."""
        steps: tuple[str, ...] = ()
        if deployment is self.route[0]:
            steps = _ORIGIN_JOBS[deployment.role]
        elif deployment.role == "target":
            steps = _TARGET_JOBS
        for step in steps:
            role = deployment.value("role_arn", step)
            if role:
                yield Job(step, RoleArn(role), _TRUSTED[step])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The buckets that data travels from and to, of each kind that both sides have."""
        origin, destination = (one.kinds for one in self.route)
        return [
            (one, other)
            for kind, found in origin.items()
            for one in found
            for other in destination[kind]
        ]

    @property
    def elsewhere(self) -> bool:
        """Whether data travels to another account."""
        origin, destination = self.route
        return origin.account_id != destination.account_id


def load(procedure: str, path: Path, now: Optional[datetime] = None) -> Facts:
    """Read the values file; no account has been asked yet.

    Raises:
        InputError: the file cannot be read, or holds what is not of its kind.

    """
    tables = read_values(path)
    problems = [
        Problem(f"--values: {name} in [{table}]: {reason}")
        for table, content in tables.items()
        for name, texts in content.items()
        for reason in filter(None, map(VOCABULARY[name].kind.why_not, texts))
        if not VOCABULARY[name].file
    ]
    if problems:
        raise InputError(problems)
    deployments = {
        role: Deployment(
            role,
            {
                table.partition(".")[2]: content
                for table, content in tables.items()
                if table.partition(".")[0] == role
            },
        )
        for role in TABLES
    }
    return Facts(procedure, deployments, now or datetime.now(timezone.utc))
