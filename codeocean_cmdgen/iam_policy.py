"""The IAM policy that steps need: the actions they declare, on the resources they name."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.steps.permissions import ROLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from codeocean_cmdgen.steps import Step
    from codeocean_cmdgen.steps.permissions import Resources

_UNDERLYING = {"cloudformation:CreateStack", "cloudformation:ExecuteChangeSet"}


def example_step(step: type[Step]) -> Step:
    """Return a step with example values; it needs the actions that all such need."""
    values: dict[str, Any] = {}
    for name, needed in step.arguments().items():
        argument = VOCABULARY[name]
        if needed:
            value = argument.kind(argument.kind.example)
            values[name] = (value,) if argument.many else value
    return step(**values)


def policy(steps: Iterable[Step], *, scoped: bool) -> dict[str, Any]:
    """Return the policy for these steps.

    scoped: allow the actions only on the resources that the steps' values name; otherwise on all
    resources of that type.
    """
    allowed: dict[tuple[tuple[str, ...], str], set[str]] = {}
    for step in steps:
        for actions, forms, service in _needed(step.variant()):
            resources = tuple(sorted(_resources(forms, step, scoped=scoped)))
            allowed.setdefault((resources, service), set()).update(actions)
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


def _needed(step: Step) -> Iterator[tuple[tuple[str, ...], Resources, str]]:
    """Yield actions, their resources, and the only service that a role may be passed to."""
    for resources, actions in step.permissions.items():
        yield actions, resources, ""
    if step.role_service:
        yield ("iam:PassRole",), ROLE, step.role_service


def _resources(forms: Resources, step: Step, *, scoped: bool) -> Iterator[str]:
    """Yield resources of these forms: what the step does not know, or need not, is a wildcard."""
    for form in forms:
        names = re.findall(r"{(\w+)", form) if scoped else []
        known = {name: values for name in names if (values := _values(step, name))}
        for combination in product(*known.values()):
            yield _filled(form, dict(zip(known, combination)))


def _filled(form: str, values: dict[str, Any]) -> str:
    """Return a resource of this form, with a wildcard for each value that is not there."""
    wide = re.sub(r"{(\w+)[^}]*}", lambda one: one[0] if one[1] in values else "*", form)
    return wide.format(**values)


def _values(step: Step, name: str) -> tuple[Any, ...]:
    """Return the step's values for a name; none if none is given."""
    value = step.region.aws_partition if name == "partition" else getattr(step, name)
    return (value if isinstance(value, tuple) else (value,)) if value else ()


def notes(steps: Collection[Step], document: dict[str, Any]) -> Iterator[str]:
    """Yield notes about permissions that the policy cannot contain, and about who needs it."""
    accounts = {step.name: str(step.account_id) for step in steps}
    if len({*accounts.values()}) > 1:
        told = ", ".join(f"{name} in {account}" for name, account in accounts.items())
        yield f"the scripts run in different accounts: {told}. Print a policy for each account"
    for step in steps:
        if step.place == "host":
            yield (
                f"{step.name} runs with the role of the services instance: grant its permissions "
                "to that role, not to a person"
            )
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    if actions & _UNDERLYING:
        yield (
            "unless the stack has a service role, CloudFormation uses the caller's own permissions "
            "for all resources in the template: add the permissions that the template needs"
        )
