"""Asks the live accounts, read-only and each question once, and keeps their answers as facts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Protocol

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from codeocean_cmdgen import vendor
from codeocean_cmdgen.aws_settings import open_session, usable_settings
from codeocean_cmdgen.check.facts import Unknown
from codeocean_cmdgen.check.vault import point_names
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.steps import DbRestore
from codeocean_cmdgen.values import VaultName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from codeocean_cmdgen.check.facts import Deployment, Facts

Clients = Callable[[str, str], Any]
"""Creates a client for a service in a Region."""


class Tell(Protocol):
    """Shows a line about the progress; ``ended`` if it is the last line about an account."""

    def __call__(self, line: str, *, ended: bool) -> None:
        """Show the line."""


_PARALLEL = 8
"""Parallel requests per account: far below the rate at which any of the services throttles."""

_RECENT = timedelta(days=3)

_ABSENT = {
    "404",
    "AWSOrganizationsNotInUseException",
    "DBInstanceNotFound",
    "DBInstanceNotFoundFault",
    "InvalidVolume.NotFound",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchEntity",
    "NoSuchLifecycleConfiguration",
    "NotFoundException",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ReplicationConfigurationNotFoundError",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}
"""Error codes that mean that the subject does not exist. Source: the services' models."""

_OF_EACH_BUCKET = (
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetBucketLifecycleConfiguration",
    "GetBucketReplication",
)
_OF_AN_ORIGIN = ("GetBucketEncryption",)
_OF_A_DESTINATION = ("GetBucketPolicy", "GetBucketOwnershipControls", "GetObjectLockConfiguration")


class Question(NamedTuple):
    """One call: an operation of a service, its subject, and its parameters."""

    service: str
    operation: str
    subject: str
    parameters: Mapping[str, Any]


def sessions(facts: Facts, profiles: Mapping[str, str]) -> dict[str, Clients]:
    """Return by role how to create clients: with its profile, or with the current credentials.

    Raises:
        InputError: a profile is not configured.

    """
    problems: list[Problem] = []
    found: dict[str, Clients] = {}
    # Standard mode retries throttled requests a few times.
    config = Config(retries={"mode": "standard"}, max_pool_connections=_PARALLEL)
    for role in facts.deployments:
        try:
            session = open_session(profiles.get(role), f"--profile {role}")
        except InputError as error:  # noqa: PERF203 - there are three roles
            problems += error.problems
        else:
            found[role] = partial(session.client, config=config)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))  # the roles without a profile share one
    return found


def ask_accounts(
    facts: Facts, clients: Mapping[str, Clients], profiles: Iterable[str], tell: Tell
) -> None:
    """Ask the account of each deployment that the procedure is about.

    profiles: the roles whose credentials were named; others use the current credentials if these
    belong to the right account.
    """
    asked = [
        one
        for one in facts.deployments.values()
        if one in facts.route or (one.role == "source" and one.account_id)
    ]

    def ask(one: Deployment) -> None:
        deployment_clients = clients[one.role]
        one.why_not_asked = _ask_account(
            facts, one, _Asker(one, deployment_clients, tell), named=one.role in profiles
        )
        tell(f"{one}: {one.why_not_asked or f'{len(one.answers)} answers'}", ended=True)

    with ThreadPoolExecutor(len(asked)) as pool:
        list(pool.map(ask, asked))


def _ask_account(facts: Facts, deployment: Deployment, asker: _Asker, *, named: bool) -> str:
    """Ask one account; return why it was not asked, or an empty text if it was."""
    account = f"account {deployment.account_id} of [{deployment}]"
    if not (deployment.account_id and deployment.region):
        return f"[{deployment}] has no account_id or no region"
    identity = asker.ask(Question("sts", "GetCallerIdentity", "", {}))
    if isinstance(identity, Unknown):
        hint = f"give --profile {deployment}=NAME"
        return f"{account}: no working credentials: {hint} ({identity.reason})"
    asker.say_who_answered(identity)
    if identity["Account"] != deployment.account_id:
        if named:
            deployment.credentials = identity["Account"]
            return f"{account}: its profile belongs to account {identity['Account']}"
        hint = f"give --profile {deployment}=NAME"
        return f"{account}: the current credentials belong to {identity['Account']}: {hint}"
    deployment.credentials = deployment.account_id
    asker.ask_all(_first(facts, deployment))
    asker.ask_all(_then(deployment))
    return ""


class _Asker:
    """Asks one account, and keeps the answers in its deployment."""

    def __init__(self, deployment: Deployment, clients: Clients, tell: Tell) -> None:
        self._deployment = deployment
        self._make = clients
        self._clients: dict[str, Any] = {}
        self._tell = tell

    def ask_all(self, questions: Iterable[Question]) -> None:
        """Ask several at a time."""
        asked = list({(one.operation, one.subject): one for one in questions}.values())
        for question in asked:
            self._client(question.service)  # create clients here: that is not thread-safe
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for number, _ in enumerate(pool.map(self.ask, asked), 1):
                self._tell(f"{self._deployment}: {number} of {len(asked)}", ended=False)

    def ask(self, question: Question) -> Any:  # noqa: ANN401 - as AWS shapes it
        """Ask, and keep the answer: None if the subject does not exist."""
        try:
            with usable_settings():
                client = self._client(question.service)
                call = getattr(client, xform_name(question.operation))
                answer = call(**dict(question.parameters))
        except ClientError as error:
            code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
            gone = code == "ValidationError" and "does not exist" in message
            answer = None if gone or code in _ABSENT else self._unknown(question, code)
        except BotoCoreError as error:
            answer = self._unknown(question, str(error))
        self._deployment.answers[question.operation, question.subject] = answer
        return answer

    def say_who_answered(self, identity: Mapping[str, str]) -> None:
        """Show the caller, and the place that is about to be checked."""
        one = self._deployment
        stack = one.text("stack_name") or "not in the file"
        line = (
            f"caller {identity['Arn']}, account {identity['Account']}, {one.region}, stack {stack}"
        )
        self._tell(f"{one}: {line}", ended=True)

    def _unknown(self, question: Question, reason: str) -> Unknown:
        call = f"{self._deployment}: {question.service}:{question.operation}"
        return Unknown(reason, call, question.subject)

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        if service not in self._clients:
            self._clients[service] = self._make(service, self._deployment.region)
        return self._clients[service]


def _first(facts: Facts, deployment: Deployment) -> Iterator[Question]:
    """Yield the questions that depend on no answer."""
    yield Question("organizations", "DescribeOrganization", "", {})
    for passed in facts.passed_roles(deployment):
        name = {"RoleName": passed.role_arn.name}
        yield Question("iam", "GetRole", passed.role_arn, name)
    yield from _of_the_stack(deployment)
    yield from _of_the_vault(facts, deployment)
    if deployment in facts.route:
        yield from _of_the_buckets(facts, deployment)
    if deployment.role != "backup":
        yield from _of_the_machines(deployment)


def _of_the_stack(deployment: Deployment) -> Iterator[Question]:
    stack = deployment.text("stack_name")
    if not stack:
        return
    name = {"StackName": stack}
    yield Question("cloudformation", "DescribeStacks", stack, name)
    if deployment.role != "backup":
        yield Question("cloudformation", "GetTemplateSummary", stack, name)
    if deployment.role == "target":
        resource = {**name, "LogicalResourceId": vendor.SERVICES_GROUP}
        yield Question("cloudformation", "DescribeStackResource", vendor.SERVICES_GROUP, resource)


def _of_the_vault(facts: Facts, deployment: Deployment) -> Iterator[Question]:
    vault = deployment.vault
    if not vault or deployment not in facts.route:
        return
    name = {"BackupVaultName": VaultName(vault)}
    yield Question("backup", "DescribeBackupVault", vault, name)
    if deployment is facts.route[1]:
        yield Question("backup", "GetBackupVaultAccessPolicy", vault, name)
    if facts.procedure == "backup" and deployment.role == "backup":
        recent = {**name, "ByCreatedAfter": facts.now - _RECENT}
        yield Question("backup", "ListRecoveryPointsByBackupVault", vault, recent)
    if facts.procedure == "restore" and deployment.role == "backup":
        for arn in point_names(deployment).values():
            point = {**name, "RecoveryPointArn": arn}
            yield Question("backup", "DescribeRecoveryPoint", arn, point)
            yield Question("backup", "GetRecoveryPointRestoreMetadata", arn, point)


def _of_the_buckets(facts: Facts, deployment: Deployment) -> Iterator[Question]:
    side = _OF_AN_ORIGIN if deployment is facts.route[0] else _OF_A_DESTINATION
    for bucket in deployment.buckets:
        # With this condition S3 refuses to answer for somebody else's bucket.
        parameters = {"Bucket": bucket, "ExpectedBucketOwner": deployment.account_id}
        for operation in (*_OF_EACH_BUCKET, *side):
            yield Question("s3", operation, bucket, parameters)


def _of_the_machines(deployment: Deployment) -> Iterator[Question]:
    volume, database = deployment.text("data_volume_id"), deployment.text("db_instance_id")
    if volume:
        yield Question("ec2", "DescribeVolumes", volume, {"VolumeIds": [volume]})
    names = {database, deployment.file.temporary_database if deployment.role == "target" else ""}
    for name in sorted(names - {""}):
        yield Question("rds", "DescribeDBInstances", name, {"DBInstanceIdentifier": name})
    secret = deployment.text("master_password_secret_id", DbRestore)
    if secret and deployment.role == "target":
        yield Question("secretsmanager", "DescribeSecret", secret, {"SecretId": secret})


def _then(deployment: Deployment) -> Iterator[Question]:
    """Yield the questions that depend on earlier answers."""
    vault = deployment.answers.get(("DescribeBackupVault", deployment.vault))
    key = vault.get("EncryptionKeyArn") if isinstance(vault, dict) else None
    if key:
        yield Question("kms", "DescribeKey", key, {"KeyId": key})
        policy = {"KeyId": key, "PolicyName": "default"}
        yield Question("kms", "GetKeyPolicy", key, policy)
    group = deployment.answers.get(("DescribeStackResource", vendor.SERVICES_GROUP))
    if isinstance(group, dict):
        name = group["StackResourceDetail"]["PhysicalResourceId"]
        groups = {"AutoScalingGroupNames": [name]}
        yield Question("autoscaling", "DescribeAutoScalingGroups", "", groups)
