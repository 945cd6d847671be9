"""The IAM policy that steps need: the actions that their scripts call, on what the values name.

Source of actions and their resources: the Service Authorization Reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.steps import Step


class Call(NamedTuple):
    """A call of the AWS CLI in a script: its service and operation, and all of its words."""

    service: str
    operation: str
    text: str


_PREFIXES = {"s3api": "s3", "s3control": "s3"}
"""Service of the CLI -> that of the actions, where it is another."""

_WORDS = {"db": "DB"}
"""Words of an operation that are not capitalised as the others are."""

_ACTIONS = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    ("s3api", "get-bucket-encryption"): "s3:GetEncryptionConfiguration",
    ("s3api", "get-bucket-lifecycle-configuration"): "s3:GetLifecycleConfiguration",
    ("s3api", "get-bucket-replication"): "s3:GetReplicationConfiguration",
    ("s3api", "get-object-lock-configuration"): "s3:GetBucketObjectLockConfiguration",
    ("s3api", "list-object-versions"): "s3:ListBucketVersions",
    # Everybody may ask this.
    ("sts", "get-caller-identity"): "",
}
"""The operations that are no action of the same name."""

_MORE = {
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
    ("cloudformation", "create-stack", "--tags"): "cloudformation:TagResource",
}
"""The actions that an option needs besides."""

_PASSED_TO = {
    "backup": "backup.amazonaws.com",
    "s3control": "batchoperations.s3.amazonaws.com",
}
"""Service of the CLI -> the service that assumes the role which a call passes."""

_BUCKET = ("arn:{partition}:s3:::{bucket_arn.name}",)
_OBJECTS = ("arn:{partition}:s3:::{bucket_arn.name}/*",)
_VAULT = ("arn:{partition}:backup:{region}:{account_id}:backup-vault:{backup_vault_name}",)
_RESTORED_VOLUME = ("arn:{partition}:ec2:{region}:{account_id}:volume/{restored_volume_id}",)
_ANY_VOLUME = ("arn:{partition}:ec2:{region}:{account_id}:volume/*",)
_INSTANCES = ("arn:{partition}:ec2:{region}:{account_id}:instance/*",)
_TEMPORARY_DATABASE = ("arn:{partition}:rds:{region}:{account_id}:db:{temporary_db_instance_id}",)
_STACK = ("arn:{partition}:cloudformation:{region}:{account_id}:stack/{stack_name}/*",)
_GROUP = (
    (
        "arn:{partition}:autoscaling:{region}:{account_id}:autoScalingGroup:*:"
        "autoScalingGroupName/{stack_name}-ServicesAutoScalingGroup-*"
    ),
)
_RECOVERY_POINTS = ("{ebs_snapshot_arn}", "{rds_snapshot_arn}")
_RESOURCES: dict[str, tuple[str, ...]] = {
    "s3:AbortMultipartUpload": _OBJECTS,
    "s3:DeleteObject": _OBJECTS,
    "s3:DeleteObjectVersion": _OBJECTS,
    "s3:GetBucketLocation": _BUCKET,
    "s3:GetBucketObjectLockConfiguration": _BUCKET,
    "s3:GetBucketVersioning": _BUCKET,
    "s3:GetEncryptionConfiguration": _BUCKET,
    "s3:GetLifecycleConfiguration": _BUCKET,
    "s3:GetObjectVersion": _OBJECTS,
    "s3:GetObjectVersionTagging": _OBJECTS,
    "s3:PutObject": _OBJECTS,
    "s3:PutObjectTagging": _OBJECTS,
    "s3:GetReplicationConfiguration": _BUCKET,
    "s3:ListBucketVersions": _BUCKET,
    "s3:DescribeJob": ("arn:{partition}:s3:{region}:{account_id}:job/*",),
    "iam:GetRole": ("{role_arn}",),
    "iam:PassRole": ("{role_arn}",),
    "backup:DescribeBackupVault": (
        *_VAULT,
        "arn:{partition}:backup:{region}:{account_id}:backup-vault:{stack_name}-v1",
    ),
    "backup:DescribeRecoveryPoint": _RECOVERY_POINTS,
    "backup:StartBackupJob": _VAULT,
    "backup:StartCopyJob": _RECOVERY_POINTS,
    "backup:StartRestoreJob": _RECOVERY_POINTS,
    "cloudformation:CreateChangeSet": _STACK,
    "cloudformation:CreateStack": _STACK,
    "cloudformation:DeleteChangeSet": _STACK,
    "cloudformation:DescribeChangeSet": _STACK,
    "cloudformation:DescribeStackEvents": _STACK,
    "cloudformation:DescribeStackResource": _STACK,
    "cloudformation:DescribeStacks": _STACK,
    "cloudformation:ExecuteChangeSet": _STACK,
    "cloudformation:TagResource": _STACK,
    "autoscaling:CreateOrUpdateTags": _GROUP,
    "autoscaling:ResumeProcesses": _GROUP,
    "autoscaling:SuspendProcesses": _GROUP,
    "ec2:AttachVolume": (*_RESTORED_VOLUME, *_INSTANCES),
    "ec2:CreateTags": _ANY_VOLUME,
    "ec2:DeleteVolume": _RESTORED_VOLUME,
    "ec2:DetachVolume": (*_RESTORED_VOLUME, *_INSTANCES),
    "rds:AddTagsToResource": _TEMPORARY_DATABASE,
    "rds:DeleteDBInstance": _TEMPORARY_DATABASE,
    "rds:ModifyDBInstance": _TEMPORARY_DATABASE,
    "secretsmanager:GetSecretValue": (
        "arn:{partition}:secretsmanager:{region}:{account_id}:secret:{master_password_secret_id.name}*",
    ),
    "ssm:GetParametersByPath": (
        "arn:{partition}:ssm:{region}:{account_id}:parameter/{stack_name}",
        "arn:{partition}:ssm:{region}:{account_id}:parameter/{stack_name}/*",
    ),
    "ssm:PutParameter": ("arn:{partition}:ssm:{region}:{account_id}:parameter/{stack_name}/*",),
}
"""Action -> what it is allowed on, made of the step's values; every other action on anything."""

_UNDERLYING = {"cloudformation:CreateStack", "cloudformation:ExecuteChangeSet"}


def calls(script: str) -> Iterator[Call]:
    """Yield the calls of the AWS CLI in a script, those that it only prints left out."""
    code = re.sub(r"^ *(#|say ).*(?:(?<=\\)\n.*)*", "", script, flags=re.MULTILINE)
    for found in re.finditer(r"(?<!need )\baws ([a-z][a-z0-9-]*) (\S+)(?:.*\\\n)*.*", code):
        service, operation = found[1], found[2]
        if operation.startswith('"$'):
            yield from (
                Call(service, word, found[0]) for word in _given(code, found.start(), operation)
            )
        else:
            yield Call(service, operation, found[0])


def _given(code: str, position: int, parameter: str) -> Iterator[str]:
    """Yield the words that the function around a position is given for a parameter such as "$3"."""
    name = re.findall(r"^(\w+)\(\) ", code[:position], re.MULTILINE)[-1]
    number = int(parameter.strip('"$'))
    for line in re.findall(rf"\b{name} (.*)", code):
        words = line.split()
        if len(words) >= number:
            yield words[number - 1]


def action(service: str, operation: str) -> str:
    """Return the action of an operation of the CLI; empty when it needs none."""
    if (service, operation) in _ACTIONS:
        return _ACTIONS[service, operation]
    words = (_WORDS.get(word, word.capitalize()) for word in operation.split("-"))
    return f"{_PREFIXES.get(service, service)}:{''.join(words)}"


def example(step: type[Step]) -> Step:
    """Return a step of example values, whose script makes the calls that every script makes."""
    values: dict[str, Any] = {}
    for name, needed in step.arguments().items():
        argument = VOCABULARY[name]
        if needed:
            value = argument.kind(argument.kind.example)
            values[name] = (value,) if argument.many else value
    return step(**values)


def policy(steps: Iterable[Step], *, scoped: bool) -> dict[str, Any]:
    """Return the policy for these steps.

    scoped: allow the actions on what the steps' values name; otherwise on any of the kind.
    """
    allowed: dict[tuple[tuple[str, ...], str], set[str]] = {}
    for step in steps:
        for needed, service in _needed(step):
            resources = tuple(sorted(_resources(needed, step, scoped=scoped)))
            allowed.setdefault((resources, service), set()).add(needed)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": sorted(actions),
                "Resource": list(resources),
                **(
                    {"Condition": {"StringEquals": {"iam:PassedToService": service}}}
                    if service
                    else {}
                ),
            }
            for (resources, service), actions in sorted(
                allowed.items(), key=lambda item: sorted(item[1])
            )
        ],
    }


def _needed(step: Step) -> Iterator[tuple[str, str]]:
    """Yield the actions of a step's script, and the service that one passes a role to."""
    for own in step.variant().permissions:
        yield own, ""
    for call in calls(render(step, dict.fromkeys(step.arguments(), "option"))):
        own = action(call.service, call.operation)
        if own:
            yield own, ""
        for (service, operation, option), more in _MORE.items():
            if call[:2] == (service, operation) and option in call.text:
                yield more, ""
        if re.search(r"--(iam-)?role-arn\b", call.text):
            yield "iam:PassRole", _PASSED_TO[call.service]


class _Anything(str):
    """What stands in a resource for a value that is not known; it has every part."""

    __slots__ = ()

    def __getattr__(self, _: str) -> _Anything:
        return self


_ANYTHING = (_Anything("*"),)


def _resources(needed: str, step: Step, *, scoped: bool) -> Iterator[str]:
    """Yield the resources of an action: what is made of values that the step has."""
    forms = {form: re.findall(r"{(\w+)", form) for form in _RESOURCES.get(needed, ())}
    known = {
        form: {name: _values(step, name) if scoped else _ANYTHING for name in names}
        for form, names in forms.items()
        if all(name == "partition" or hasattr(step, name) for name in names)
    }
    if not known:
        yield "*"
    for form, values in known.items():
        for combination in product(*values.values()):
            yield form.format(**dict(zip(values, combination)))


def _values(step: Step, name: str) -> tuple[Any, ...]:
    """Return what the step has for a name; a value that is not given stands for all of its kind."""
    value = step.region.aws_partition if name == "partition" else getattr(step, name)
    return (value if isinstance(value, tuple) else (value,)) if value else _ANYTHING


def notes(steps: Iterable[Step], document: dict[str, Any]) -> Iterator[str]:
    """Yield what the policy cannot hold."""
    for step in steps:
        if step.place == "host":
            yield (
                f"{step.name} works with the role of the services instance: what it needs is for "
                "that role, not for a person"
            )
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    if actions & _UNDERLYING:
        yield (
            "CloudFormation acts with the caller's own rights, on all that the template declares, "
            "unless the stack has a service role: these rights depend on the template"
        )
