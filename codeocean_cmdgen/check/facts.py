"""What the rules check: the deployment file, and the answers of AWS for each deployment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen.inputs.deployment_file import TABLES
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps.stack_parameters import by_kind
from codeocean_cmdgen.values import BucketArn, Region, RoleArn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.steps import Step


class Unknown(NamedTuple):
    """Why something is not known; also a placeholder for an answer that AWS did not give.

    why: the reason. call: the deployment and the call that failed, if one did. subject: what the
    call was about.
    """

    why: str
    call: str = ""
    subject: str = ""

    @property
    def reason(self) -> str:
        """All of it on one line."""
        call = f"{self.call} {self.subject}".rstrip()
        return f"{call}: {self.why}" if call else self.why


class UnknownError(Exception):
    """Something could not be checked."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.reason)
        self.unknown = unknown


class PassedRole(NamedTuple):
    """A step that passes a role to a service."""

    step: str
    role_arn: RoleArn
    service: str


@dataclass
class Deployment:
    """One deployment: its tables of the deployment file, and the answers of its account.

    role: the name of its table in the deployment file.
    answers: operation and subject -> the answer of AWS; None if the subject does not exist.
    credentials: the account that its credentials belong to; empty without credentials.
    profile: the profile of its credentials; empty for the current credentials.
    why_not_asked: why its account was not asked at all; empty if it was.
    """

    role: str
    file: DeploymentFile
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    credentials: str = ""
    profile: str = ""
    why_not_asked: str = "the accounts were not asked"

    def __str__(self) -> str:
        """Return the name of its table."""
        return self.role

    def texts(self, name: str, step: Optional[type[Step]] = None) -> tuple[str, ...]:
        """Return the texts of a value that the file gives for all steps, or for one of them."""
        if step is None:
            return self.file.texts(self.role, name)
        return self.file.first(step, self.role, name)[1]

    def text(self, name: str, step: Optional[type[Step]] = None) -> str:
        """Return the first text of a value; empty if it is missing."""
        return (*self.texts(name, step), "")[0]

    @property
    def account_id(self) -> str:
        """The account; empty if the file does not give it."""
        return self.text("account_id")

    @property
    def region(self) -> str:
        """The Region; empty if the file does not give it."""
        return self.text("region")

    @property
    def partition(self) -> str:
        """The partition of the Region; empty if the file does not give the Region."""
        return Region(self.region).aws_partition if self.region else ""

    @property
    def vault(self) -> str:
        """The name of the backup vault."""
        return self.text("backup_vault_name")

    @property
    def buckets(self) -> tuple[str, ...]:
        """The names of the buckets."""
        return tuple(BucketArn(text).name for text in self.texts("bucket_arn"))

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The names of the buckets by kind of content."""
        sorted_out = by_kind(map(BucketArn, self.texts("bucket_arn")))
        return {kind: [bucket.name for bucket in found] for kind, found in sorted_out.items()}

    def answer(self, operation: str, subject: str = "") -> Any:  # noqa: ANN401 - as AWS shapes it
        """Return the answer of AWS; None if the subject does not exist.

        Raises:
            UnknownError: AWS was not asked, or refused.

        """
        if self.why_not_asked:
            raise UnknownError(Unknown(self.why_not_asked))
        if (operation, subject) not in self.answers:
            what = f"{operation} {subject}".strip()
            reason = f"{self.role}: the file does not give the values for {what}"
            raise UnknownError(Unknown(reason))
        found = self.answers[operation, subject]
        if isinstance(found, Unknown):
            raise UnknownError(found)
        return found

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its stack; none if there is no stack."""
        stack = self.answer("DescribeStacks", self.text("stack_name"))
        parameters = stack["Stacks"][0].get("Parameters", []) if stack else []
        return {one["ParameterKey"]: one["ParameterValue"] for one in parameters}

    @property
    def vault_key(self) -> str:
        """The ARN of the vault's key; empty if there is no vault."""
        vault = self.answer("DescribeBackupVault", self.vault) or {}
        return str(vault.get("EncryptionKeyArn", ""))

    @property
    def data_volume(self) -> dict[str, Any]:
        """The data volume; an empty one if it does not exist, which M01 reports."""
        answer = self.answer("DescribeVolumes", self.text("data_volume_id"))
        found: dict[str, Any] = answer["Volumes"][0] if answer and answer["Volumes"] else {}
        return found

    @property
    def database(self) -> dict[str, Any]:
        """The database; an empty one if it does not exist, which M05 reports."""
        answer = self.answer("DescribeDBInstances", self.text("db_instance_id"))
        found: dict[str, Any] = answer["DBInstances"][0] if answer else {}
        return found

    @property
    def services_group(self) -> dict[str, Any]:
        """The Auto Scaling group of the services instance; an empty one if there is none."""
        answer = self.answer("DescribeAutoScalingGroups")
        groups = answer["AutoScalingGroups"] if answer else []
        found: dict[str, Any] = groups[0] if groups else {}
        return found


@dataclass
class Facts:
    """All facts for one procedure."""

    procedure: str
    deployments: dict[str, Deployment]
    now: datetime

    @property
    def route(self) -> tuple[Deployment, Deployment]:
        """The deployments that data is copied from and to."""
        procedure = PROCEDURES[self.procedure]
        return self.deployments[procedure.origin], self.deployments[procedure.destination]

    @property
    def source(self) -> Deployment:
        """The deployment that is protected or moved."""
        return self.deployments["source"]

    @property
    def target(self) -> Deployment:
        """The new deployment."""
        return self.deployments["target"]

    def passed_roles(self, deployment: Deployment) -> Iterator[PassedRole]:
        """Yield the steps of the procedure that pass a role to a service, if the file gives it."""
        for step in PROCEDURES[self.procedure].steps_of(deployment.role):
            role = deployment.text("role_arn", step)
            if step.role_service and role:
                yield PassedRole(step.name, RoleArn(role), step.role_service)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of buckets that data is copied from and to, for each kind that both have."""
        origin, destination = (one.kinds for one in self.route)
        return [
            (one, other)
            for kind, found in origin.items()
            for one in found
            for other in destination[kind]
        ]

    @property
    def elsewhere(self) -> bool:
        """Whether data is copied to another account."""
        origin, destination = self.route
        return origin.account_id != destination.account_id


def facts_in_file(procedure: str, file: DeploymentFile, now: Optional[datetime] = None) -> Facts:
    """Return the facts that the deployment file gives; this asks no account."""
    deployments = {role: Deployment(role, file) for role in TABLES}
    return Facts(procedure, deployments, now or datetime.now(timezone.utc))
