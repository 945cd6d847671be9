"""The calls of the AWS CLI in the text of a script, and the IAM actions that they need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Call(NamedTuple):
    """A call in a script: its service and operation, and all of its words."""

    service: str
    operation: str
    text: str


_PREFIXES = {"s3api": "s3", "s3control": "s3"}
"""Service of the CLI -> service prefix of its actions, if they differ."""

_WORDS = {"db": "DB"}
"""Words of an operation that are not capitalized like the others."""

_ACTIONS = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    ("s3api", "get-bucket-encryption"): "s3:GetEncryptionConfiguration",
    ("s3api", "get-bucket-lifecycle-configuration"): "s3:GetLifecycleConfiguration",
    ("s3api", "get-bucket-replication"): "s3:GetReplicationConfiguration",
    ("s3api", "get-object-lock-configuration"): "s3:GetBucketObjectLockConfiguration",
    ("s3api", "list-object-versions"): "s3:ListBucketVersions",
    # Every caller may call this.
    ("sts", "get-caller-identity"): "",
}
"""Operation -> its action, if the names differ; empty if it needs none."""

_MORE = {
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/control-access-with-iam.html
    ("cloudformation", "create-stack", "--tags"): "cloudformation:TagResource",
}
"""Option of an operation -> the additional action that it needs."""


def calls(script: str) -> Iterator[Call]:
    """Yield the calls in a script, except those that it only prints."""
    code = re.sub(r"^ *(#|say ).*(?:(?<=\\)\n.*)*", "", script, flags=re.MULTILINE)
    call = r"(?<!check_programs )\baws ([a-z][a-z0-9-]*) (\S+)(?:.*\\\n)*.*"
    for found in re.finditer(call, code):
        service, operation = found[1], found[2]
        if operation.startswith('"$'):
            yield from (
                Call(service, word, found[0])
                for word in _passed_arguments(code, found.start(), operation)
            )
        else:
            yield Call(service, operation, found[0])


def _passed_arguments(code: str, position: int, parameter: str) -> Iterator[str]:
    """Yield the arguments passed as a parameter such as "$3" to the function at a position."""
    name = re.findall(r"^(\w+)\(\) ", code[:position], re.MULTILINE)[-1]
    number = int(parameter.strip('"$'))
    for line in re.findall(rf"\b{name} (.*)", code):
        words = line.split()
        if len(words) >= number:
            yield words[number - 1]


def action(service: str, operation: str) -> str:
    """Return the action of an operation of the CLI; empty if it needs none."""
    if (service, operation) in _ACTIONS:
        return _ACTIONS[service, operation]
    words = (_WORDS.get(word, word.capitalize()) for word in operation.split("-"))
    return f"{_PREFIXES.get(service, service)}:{''.join(words)}"


def actions(script: str) -> set[str]:
    """Return the actions that the calls in a script need; iam:PassRole if one passes a role."""
    found: set[str] = set()
    for call in calls(script):
        found.add(action(call.service, call.operation))
        for (service, operation, option), more in _MORE.items():
            if call[:2] == (service, operation) and option in call.text:
                found.add(more)
        if re.search(r"--(iam-)?role-arn\b", call.text):
            found.add("iam:PassRole")
    return found - {""}
