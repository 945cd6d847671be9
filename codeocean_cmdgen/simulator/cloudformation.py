"""CloudFormation: stacks, change sets and events. It does not create a template's resources.

Sources: cloudformation service model; CloudFormation User Guide, "Update CloudFormation stacks
using change sets", "Parameters" and "Monitor stack progress"; messages as quoted in public issues.
AWS does not document how long everything takes, or that an executed change set is deleted when its
update has ended: both are our choice.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call

_STACK_TYPE = "AWS::CloudFormation::Stack"
_HIDDEN = "****"
_PAGE = 100  # events, resources
_UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"}
NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)
NO_UPDATES = "No updates are to be performed."


@dataclass(frozen=True)
class Parameter:
    """A parameter of a template; without a ``default`` (None) a value must be given."""

    label: str = ""
    default: str | None = ""
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    type: str = "String"
    no_echo: bool = False


@dataclass(frozen=True)
class Resource:
    """A resource of a template, as far as a change set depends on it.

    ``uses``: the parameters that its properties use; a change of those in ``replaced_by`` replaces
    the resource. ``when``: it exists only while this parameter has a value. ``made_with``: a
    resource whose attributes it uses; replacing that one also replaces this one. ``revision``: its
    other properties. ``deletion_policy``: what happens to the replaced resource. ``property``: the
    property that uses the parameters; without it, its name is invented.
    """

    type: str
    uses: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    when: str = ""
    made_with: str = ""
    revision: int = 0
    deletion_policy: str = "Delete"
    property: str = ""


@dataclass(frozen=True)
class Template:
    """The parameters and resources that a template declares."""

    parameters: dict[str, Parameter]
    resources: dict[str, Resource]
    capabilities: tuple[str, ...] = ("CAPABILITY_IAM",)

    def present(self, parameters: dict[str, str]) -> dict[str, Resource]:
        """Return the resources that exist with these values."""
        return {
            name: resource
            for name, resource in self.resources.items()
            if not resource.when or parameters[resource.when]
        }


@dataclass
class _Step:
    """A change of a stack, and the event that reports it."""

    time: datetime
    logical_id: str
    status: str
    reason: str = ""
    effect: Callable[[], object] = lambda: None


@dataclass
class Stack:
    """One stack. ``steps`` are the remaining steps of an operation in progress."""

    account: str
    region: str
    name: str
    template: Template
    parameters: dict[str, str]
    created: datetime
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    updated: datetime | None = None
    physical_ids: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    token: str | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Set the ID of the stack."""
        partition = backends.partition_of(self.region)
        self.id = (
            f"arn:{partition}:cloudformation:{self.region}:{self.account}:stack/{self.name}/"
            f"{uuid.uuid4()}"
        )

    def do_step(self, step: _Step) -> None:
        """Do a step, and record its event."""
        own = step.logical_id == self.name
        step.effect()
        resource = self.template.resources.get(step.logical_id)
        self.events.append(
            {
                "StackId": self.id,
                "EventId": str(uuid.uuid4()),
                "StackName": self.name,
                "LogicalResourceId": step.logical_id,
                "PhysicalResourceId": self.id if own else self.physical_ids.get(step.logical_id),
                "ResourceType": _STACK_TYPE if own or resource is None else resource.type,
                "Timestamp": step.time,
                "ResourceStatus": step.status,
                "ResourceStatusReason": step.reason or None,
                "ClientRequestToken": self.token,
            }
        )
        if own:
            self.status = step.status


@dataclass
class ChangeSet:
    """One change set of an existing stack."""

    name: str
    id: str
    stack: Stack
    template: Template
    parameters: dict[str, str]
    client_token: str | None
    capabilities: list[str]
    created: datetime
    ready_at: datetime
    changes: list[dict[str, Any]]
    new_template: bool
    status: str = "CREATE_PENDING"
    execution: str = "UNAVAILABLE"
    reason: str | None = None


class CloudFormation:
    """The stacks of all accounts and Regions.

    ``templates`` are found by their URL. ``create`` creates a resource of a stack by its logical
    ID, and returns its physical ID; by default there is only an ID. ``seconds_pending`` is the time
    until a change set is ready, ``seconds_each`` the time that each resource takes. With
    ``readable_metadata`` off, the summary's metadata is a text that is not JSON, as AWS sometimes
    returns it. ``shown_otherwise`` replaces members that change sets show of a resource, by logical
    ID; None omits a member.
    """

    def __init__(self, clock: Clock) -> None:
        """Start without templates and stacks."""
        self._clock = clock
        self.seconds_pending = 8.0
        self.seconds_each = 5.0
        self.readable_metadata = True
        self.shown_otherwise: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, Template] = {}
        self.create: Callable[[Stack, str], str] = _physical_id
        self.stacks: list[Stack] = []
        self.change_sets: list[ChangeSet] = []
        self.operations = {
            "CancelUpdateStack": self._cancel_update,
            "CreateChangeSet": self._create_change_set,
            "CreateStack": self._create_stack,
            "DeleteChangeSet": self._delete_change_set,
            "DescribeChangeSet": self._describe_change_set,
            "DescribeStackEvents": self._describe_events,
            "DescribeStackResource": self._describe_resource,
            "DescribeStackResources": self._describe_resources,
            "DescribeStacks": self._describe_stacks,
            "ExecuteChangeSet": self._execute_change_set,
            "GetTemplateSummary": self._summarise,
            "ListStackResources": self._list_resources,
        }

    def add(
        self,
        account_id: str,
        region: str,
        name: str,
        template: Template,
        parameters: dict[str, str],
        *,
        physical_ids: dict[str, str] | None = None,
    ) -> Stack:
        """Create a complete stack, and return it; raise AwsError for wrong parameters."""
        values = _values(template, parameters, {})
        capabilities = list(template.capabilities)
        now = self._clock.now()
        stack = Stack(account_id, region, name, template, values, now, capabilities=capabilities)
        for logical_id in template.present(values):
            stack.physical_ids[logical_id] = (physical_ids or {}).get(
                logical_id, self.create(stack, logical_id)
            )
        stack.do_step(_Step(now, name, "CREATE_COMPLETE"))
        self.stacks.append(stack)
        return stack

    def stack(self, account_id: str, region: str, name_or_id: str) -> Stack | None:
        """Return a stack by its name or ID."""
        for stack in self.stacks:
            if (stack.account, stack.region) == (account_id, region) and name_or_id in {
                stack.name,
                stack.id,
            }:
                return stack
        return None

    def settle(self) -> None:
        """Update the state of all stacks and change sets."""
        now = self._clock.now()
        for change_set in self.change_sets:
            if change_set.status == "CREATE_PENDING" and change_set.ready_at <= now:
                _make_ready(change_set)
        for stack in self.stacks:
            while stack.steps and stack.steps[0].time <= now:
                stack.do_step(stack.steps.pop(0))

    # Reading.

    def _find(self, call: Call, message: str = "Stack with id {} does not exist") -> Stack:
        name = call.parameters["StackName"]
        stack = self.stack(call.account, call.region, name)
        if stack is None:
            raise AwsError(message.format(name), "ValidationError")
        return stack

    def _describe_stacks(self, call: Call) -> dict[str, Any]:
        if "StackName" in call.parameters:
            return {"Stacks": [_describe(self._find(call))]}
        here = (call.account, call.region)
        return {
            "Stacks": [_describe(one) for one in self.stacks if (one.account, one.region) == here]
        }

    def _describe_resource(self, call: Call) -> dict[str, Any]:
        stack = self._find(call, "Stack '{}' does not exist")
        logical_id = call.parameters["LogicalResourceId"]
        if logical_id not in stack.physical_ids:
            message = f"Resource {logical_id} does not exist for stack {stack.name}"
            raise AwsError(message, "ValidationError")
        return {
            "StackResourceDetail": {
                "StackName": stack.name,
                "StackId": stack.id,
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": stack.physical_ids[logical_id],
                "ResourceType": stack.template.resources[logical_id].type,
                "LastUpdatedTimestamp": stack.updated or stack.created,
                "ResourceStatus": "CREATE_COMPLETE",
            }
        }

    def _describe_resources(self, call: Call) -> dict[str, Any]:
        """Describe the resources of the stack that manages a resource."""
        if set(call.parameters) != {"PhysicalResourceId"}:
            message = "the simulator describes resources only by the physical id of one of them"
            raise AwsError(message, "NotImplemented", 501)
        wanted = call.parameters["PhysicalResourceId"]
        for stack in self.stacks:
            is_here = (stack.account, stack.region) == (call.account, call.region)
            if is_here and wanted in stack.physical_ids.values():
                return {
                    "StackResources": [
                        {
                            "StackName": stack.name,
                            "LogicalResourceId": logical_id,
                            "PhysicalResourceId": physical_id,
                            "ResourceType": stack.template.resources[logical_id].type,
                            "ResourceStatus": "CREATE_COMPLETE",
                            "Timestamp": self._clock.now(),
                        }
                        for logical_id, physical_id in stack.physical_ids.items()
                    ]
                }
        message = f"Stack for {wanted} does not exist"
        raise AwsError(message, "ValidationError")

    def _list_resources(self, call: Call) -> dict[str, Any]:
        stack = self._find(call)
        first = int(call.parameters.get("NextToken", 0))
        names = list(stack.physical_ids)
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": stack.physical_ids[name],
                    "ResourceType": stack.template.resources[name].type,
                    "LastUpdatedTimestamp": stack.updated or stack.created,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for name in names[first : first + _PAGE]
            ],
            "NextToken": str(first + _PAGE) if first + _PAGE < len(names) else None,
        }

    def _describe_events(self, call: Call) -> dict[str, Any]:
        events = self._find(call, "Stack [{}] does not exist").events[::-1]
        first = int(call.parameters.get("NextToken", 0))
        more = first + _PAGE < len(events)
        return {
            "StackEvents": events[first : first + _PAGE],
            "NextToken": str(first + _PAGE) if more else None,
        }

    def _template(self, call: Call) -> Template:
        url = call.parameters["TemplateURL"]
        if url not in self.templates:
            message = "S3 error: Access Denied"
            raise AwsError(message, "ValidationError")
        return self.templates[url]

    def _summarise(self, call: Call) -> dict[str, Any]:
        if "TemplateURL" in call.parameters:
            template = self._template(call)
        else:
            template = self._find(call, "Stack [{}] does not exist").template
        labels = {
            name: {"default": one.label} for name, one in template.parameters.items() if one.label
        }
        interface = {"AWS::CloudFormation::Interface": {"ParameterLabels": labels}}
        return {
            "Parameters": [_declare(name, one) for name, one in template.parameters.items()],
            "Capabilities": list(template.capabilities),
            "ResourceTypes": sorted({one.type for one in template.resources.values()}),
            "Version": "2010-09-09",
            "Metadata": json.dumps(interface) if self.readable_metadata else _java(interface),
        }

    # Change sets.

    def _create_change_set(self, call: Call) -> dict[str, Any]:
        given = call.parameters
        stack = self._find(call, "Stack [{}] does not exist")
        earlier = self._change_set(call)
        if earlier:
            if earlier.client_token and earlier.client_token == given.get("ClientToken"):
                return {"Id": earlier.id, "StackId": stack.id}
            message = f"ChangeSet {earlier.name} cannot be created, as one of that name exists"
            raise AwsError(message, "AlreadyExistsException")
        _refuse_unless_updatable(stack)
        previous = given.get("UsePreviousTemplate", False)
        if previous == ("TemplateURL" in given):
            message = "Either a template or UsePreviousTemplate must be specified, and not both"
            raise AwsError(message, "ValidationError")
        template = stack.template if previous else self._template(call)
        parameters = _values(template, _given(given), stack.parameters)
        _check_capabilities(template, given.get("Capabilities", []))
        partition = backends.partition_of(call.region)
        change_set = ChangeSet(
            name=given["ChangeSetName"],
            id=(
                f"arn:{partition}:cloudformation:{call.region}:{call.account}:changeSet/"
                f"{given['ChangeSetName']}/{uuid.uuid4()}"
            ),
            stack=stack,
            template=template,
            parameters=parameters,
            client_token=given.get("ClientToken"),
            capabilities=given.get("Capabilities", []),
            created=self._clock.now(),
            ready_at=self._clock.now() + timedelta(seconds=self.seconds_pending),
            changes=[self._show_otherwise(one) for one in _changes(stack, template, parameters)],
            new_template=not previous,
        )
        self.change_sets.append(change_set)
        return {"Id": change_set.id, "StackId": stack.id}

    def _show_otherwise(self, change: dict[str, Any]) -> dict[str, Any]:
        shown = change["ResourceChange"]
        shown |= self.shown_otherwise.get(shown["LogicalResourceId"], {})
        kept = {name: value for name, value in shown.items() if value is not None}
        return {**change, "ResourceChange": kept}

    def _change_set(self, call: Call) -> ChangeSet | None:
        name = call.parameters["ChangeSetName"]
        return next(
            (
                one
                for one in self.change_sets
                if name == one.id
                or (name == one.name and one.stack is self._find(call, "Stack [{}] does not exist"))
            ),
            None,
        )

    def _require_change_set(self, call: Call) -> ChangeSet:
        found = self._change_set(call)
        if found is None:
            message = f"ChangeSet [{call.parameters['ChangeSetName']}] does not exist"
            raise AwsError(message, "ChangeSetNotFound", 404)
        return found

    def _describe_change_set(self, call: Call) -> dict[str, Any]:
        found = self._require_change_set(call)
        return {
            "ChangeSetName": found.name,
            "ChangeSetId": found.id,
            "StackId": found.stack.id,
            "StackName": found.stack.name,
            "CreationTime": found.created,
            "Status": found.status,
            "ExecutionStatus": found.execution,
            "StatusReason": found.reason,
            "Parameters": _shown(found.template, found.parameters),
            "Capabilities": found.capabilities,
            "Changes": found.changes if found.status == "CREATE_COMPLETE" else [],
        }

    def _delete_change_set(self, call: Call) -> dict[str, Any]:
        found = self._change_set(call)
        if found and found.execution == "EXECUTE_IN_PROGRESS":
            message = f"ChangeSet [{found.id}] cannot be deleted in its current status"
            raise AwsError(message, "InvalidChangeSetStatus")
        if found:
            self.change_sets.remove(found)
        return {}

    def _execute_change_set(self, call: Call) -> dict[str, Any]:
        found = self._require_change_set(call)
        token = call.parameters.get("ClientRequestToken")
        if found.execution == "EXECUTE_IN_PROGRESS" and token == found.stack.token:
            return {}
        if found.execution != "AVAILABLE":
            message = (
                f"ChangeSet [{found.id}] cannot be executed in its current status of "
                f"[{found.status}], execution status of [{found.execution}]"
            )
            raise AwsError(message, "InvalidChangeSetStatus")
        _refuse_unless_updatable(found.stack)
        self.change_sets = [
            one for one in self.change_sets if one.stack is not found.stack or one is found
        ]
        found.execution = "EXECUTE_IN_PROGRESS"
        found.stack.token = token
        found.stack.steps = list(self._update(found, failing="fail-job" in call.faults))
        self.settle()
        return {}

    def _cancel_update(self, call: Call) -> dict[str, Any]:
        """Roll back an update; all further events have the token of the cancellation."""
        stack = self._find(call)
        if stack.status != "UPDATE_IN_PROGRESS":
            message = "CancelUpdateStack cannot be called from current stack status"
            raise AwsError(message, "ValidationError")
        self.change_sets = [one for one in self.change_sets if one.stack is not stack]
        stack.token = call.parameters.get("ClientRequestToken")
        now, each = self._clock.now(), timedelta(seconds=self.seconds_each)
        statuses = ("IN_PROGRESS", "COMPLETE_CLEANUP_IN_PROGRESS", "COMPLETE")
        stack.steps = [
            _Step(now + number * each, stack.name, f"UPDATE_ROLLBACK_{status}")
            for number, status in enumerate(statuses)
        ]
        self.settle()
        return {}

    def _update(self, change_set: ChangeSet, *, failing: bool) -> Iterator[_Step]:
        """Yield the steps of an update; a failing one stops halfway and rolls back."""
        stack = change_set.stack
        changes = [change["ResourceChange"] for change in change_set.changes]
        kept = [one for one in changes if one["Action"] != "Remove"]
        removed = [one for one in changes if one["Action"] == "Remove"]
        now, each = self._clock.now(), timedelta(seconds=self.seconds_each)
        yield _Step(now, stack.name, "UPDATE_IN_PROGRESS", "User Initiated")
        for number, one in enumerate(kept):
            verb = "CREATE" if one["Action"] == "Add" else "UPDATE"
            logical_id = one["LogicalResourceId"]
            yield _Step(now + number * each, logical_id, f"{verb}_IN_PROGRESS")
            if failing and one is kept[-1]:
                yield _Step(now + (number + 1) * each, logical_id, f"{verb}_FAILED", _NOT_ALLOWED)
            else:
                yield _Step(now + (number + 1) * each, logical_id, f"{verb}_COMPLETE")
        end = now + len(kept) * each
        if failing:
            names = f"[{kept[-1]['LogicalResourceId']}]"
            reason = f"The following resource(s) failed to update: {names}. "
            yield _Step(end, stack.name, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
            for number, one in enumerate(reversed(kept)):
                time = end + (number + 1) * each
                yield _Step(time, one["LogicalResourceId"], "UPDATE_COMPLETE")
            end += len(kept) * each
            yield _Step(end, stack.name, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
            yield _Step(
                end + each,
                stack.name,
                "UPDATE_ROLLBACK_COMPLETE",
                effect=lambda: self.change_sets.remove(change_set),
            )
            return
        yield _Step(
            end,
            stack.name,
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            effect=lambda: self._apply(change_set, kept, removed),
        )
        for one in removed:
            yield _Step(end, one["LogicalResourceId"], "DELETE_IN_PROGRESS")
            yield _Step(end + each, one["LogicalResourceId"], "DELETE_COMPLETE")
        yield _Step(end + each, stack.name, "UPDATE_COMPLETE")

    def _apply(
        self, change_set: ChangeSet, kept: list[dict[str, Any]], removed: list[dict[str, Any]]
    ) -> None:
        stack = change_set.stack
        stack.template, stack.parameters = change_set.template, change_set.parameters
        stack.updated = self._clock.now()
        for one in kept:
            if one["Action"] == "Add" or one.get("Replacement") == "True":
                logical_id = one["LogicalResourceId"]
                stack.physical_ids[logical_id] = self.create(stack, logical_id)
        for one in removed:
            stack.physical_ids.pop(one["LogicalResourceId"], None)
        self.change_sets.remove(change_set)

    # New stacks.

    def _create_stack(self, call: Call) -> dict[str, Any]:
        given = call.parameters
        token = given.get("ClientRequestToken")
        earlier = self.stack(call.account, call.region, given["StackName"])
        if earlier and token and earlier.token == token:
            return {"StackId": earlier.id}
        if earlier:
            message = f"Stack [{earlier.name}] already exists"
            raise AwsError(message, "AlreadyExistsException")
        template = self._template(call)
        values = _values(template, _given(given), {})
        _check_capabilities(template, given.get("Capabilities", []))
        stack = Stack(
            call.account,
            call.region,
            given["StackName"],
            template,
            values,
            self._clock.now(),
            {tag["Key"]: tag["Value"] for tag in given.get("Tags", [])},
            list(given.get("Capabilities", [])),
            token=token,
        )
        stack.steps = list(self._creation(stack, failing="fail-job" in call.faults))
        self.stacks.append(stack)
        self.settle()
        return {"StackId": stack.id}

    def _creation(self, stack: Stack, *, failing: bool) -> Iterator[_Step]:
        """Yield the steps of a creation; a failing one stops halfway and rolls back."""
        now, each = self._clock.now(), timedelta(seconds=self.seconds_each)
        names = list(stack.template.present(stack.parameters))
        if failing:
            names, (cancelled, *_) = names[: len(names) // 2], names[len(names) // 2 :]
        yield _Step(now, stack.name, "CREATE_IN_PROGRESS", "User Initiated")
        for number, name in enumerate(names):
            stack.physical_ids[name] = self.create(stack, name)
            yield _Step(now + number * each, name, "CREATE_IN_PROGRESS")
            if failing and name == names[-1]:
                yield _Step(now + (number + 1) * each, name, "CREATE_FAILED", _NOT_ALLOWED)
            else:
                yield _Step(now + (number + 1) * each, name, "CREATE_COMPLETE")
        end = now + len(names) * each
        if not failing:
            yield _Step(end, stack.name, "CREATE_COMPLETE")
            return
        reason = f"The following resource(s) failed to create: [{names[-1]}]. Rollback requested."
        yield _Step(end, cancelled, "CREATE_FAILED", "Resource creation cancelled")
        yield _Step(end, stack.name, "ROLLBACK_IN_PROGRESS", reason)
        for name in reversed(names):
            yield _Step(end + each, name, "DELETE_COMPLETE")
        yield _Step(end + each, stack.name, "ROLLBACK_COMPLETE", effect=stack.physical_ids.clear)


_NOT_ALLOWED = "User is not authorized to perform what this resource needs, as injected"


def _physical_id(stack: Stack, logical_id: str) -> str:
    return f"{stack.name}-{logical_id}-{uuid.uuid4().hex[:12].upper()}"


def _refuse_unless_updatable(stack: Stack) -> None:
    if stack.status not in _UPDATABLE:
        message = f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        raise AwsError(message, "ValidationError")


def _given(request: dict[str, Any]) -> dict[str, str | None]:
    """Return the parameters of a request; None for those that keep their previous value."""
    return {
        one["ParameterKey"]: None if one.get("UsePreviousValue") else one.get("ParameterValue", "")
        for one in request.get("Parameters", [])
    }


def _values(template: Template, given: dict[str, Any], previous: dict[str, str]) -> dict[str, str]:
    """Return the value of each parameter; if it is not given, the template's default.

    Like CloudFormation, raise AwsError before anything is created.
    """
    unknown = sorted(set(given) - set(template.parameters))
    if unknown:
        message = f"Parameters: [{', '.join(unknown)}] do not exist in the template"
        raise AwsError(message, "ValidationError")
    values: dict[str, str] = {}
    for name, parameter in template.parameters.items():
        value = given.get(name, parameter.default)
        if name in given and value is None:
            if name not in previous:
                message = f"Invalid input for parameter key {name}: there is no previous value"
                raise AwsError(message, "ValidationError")
            value = previous[name]
        if value is None:
            message = f"Parameters: [{name}] must have values"
            raise AwsError(message, "ValidationError")
        _check(name, parameter, value)
        values[name] = value
    return values


def _check(name: str, parameter: Parameter, value: str) -> None:
    if parameter.allowed and value not in parameter.allowed:
        message = f"Parameter '{name}' must be one of AllowedValues"
    elif parameter.pattern and not re.fullmatch(parameter.pattern, value):
        message = f"Parameter '{name}' must match pattern {parameter.pattern}"
    elif parameter.type == "Number" and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        message = f"Parameter '{name}' must be a number"
    else:
        return
    raise AwsError(message, "ValidationError")


def _check_capabilities(template: Template, given: list[str]) -> None:
    missing = [one for one in template.capabilities if one not in given]
    if missing:
        message = f"Requires capabilities : [{', '.join(missing)}]"
        raise AwsError(message, "InsufficientCapabilitiesException")


def _changes(
    stack: Stack, template: Template, parameters: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the changes between a stack and its new state."""
    old, new = stack.template.present(stack.parameters), template.present(parameters)
    changed = {
        name
        for name in {*parameters, *stack.parameters}
        if parameters.get(name) != stack.parameters.get(name)
    }
    for name in sorted({*old, *new}):
        resource = new.get(name) or old[name]
        change: dict[str, Any] = {
            "LogicalResourceId": name,
            "ResourceType": resource.type,
            "PhysicalResourceId": stack.physical_ids.get(name),
            "Scope": [],
            "Details": [],
        }
        causes = sorted(changed & set(resource.uses))
        if name not in old:
            change |= {"Action": "Add", "PhysicalResourceId": None}
        elif name not in new:
            change |= {"Action": "Remove", "PolicyAction": resource.deletion_policy}
        elif causes or replace(old[name], uses=()) != replace(new[name], uses=()):
            replaced = changed & set(resource.replaced_by)
            change |= {
                "Action": "Modify",
                "Replacement": "True" if replaced else "False",
                "PolicyAction": f"ReplaceAnd{resource.deletion_policy}" if replaced else None,
                "Scope": ["Properties"],
                "Details": [
                    {
                        "Target": {
                            "Attribute": "Properties",
                            "Name": resource.property or f"Of{cause}",
                        },
                        "Evaluation": "Static",
                        "ChangeSource": "ParameterReference",
                        "CausingEntity": cause,
                    }
                    for cause in causes
                ],
            }
        elif changed & set(new.get(resource.made_with, resource).uses):
            # Before the update it is unknown whether the other resource will be replaced.
            change |= {
                "Action": "Modify",
                "Replacement": "Conditional",
                "Scope": ["Properties"],
                "Details": [
                    {
                        "Target": {"Attribute": "Properties", "Name": f"Of{resource.made_with}"},
                        "Evaluation": "Dynamic",
                        "ChangeSource": "ResourceAttribute",
                        "CausingEntity": f"{resource.made_with}.Arn",
                    }
                ],
            }
        else:
            continue
        yield {"Type": "Resource", "ResourceChange": change}


def _make_ready(change_set: ChangeSet) -> None:
    if change_set.changes:
        change_set.status, change_set.execution = "CREATE_COMPLETE", "AVAILABLE"
    else:
        change_set.status = "FAILED"
        change_set.reason = NO_UPDATES if change_set.new_template else NO_CHANGES


def _shown(template: Template, parameters: dict[str, str]) -> list[dict[str, str]]:
    return [
        {
            "ParameterKey": name,
            "ParameterValue": _HIDDEN if template.parameters[name].no_echo else value,
        }
        for name, value in parameters.items()
    ]


def _describe(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "Parameters": _shown(stack.template, stack.parameters),
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "StackStatus": stack.status,
        "DisableRollback": False,
        "Capabilities": stack.capabilities,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
    }


def _declare(name: str, parameter: Parameter) -> dict[str, Any]:
    return {
        "ParameterKey": name,
        "DefaultValue": parameter.default,
        "ParameterType": parameter.type,
        "NoEcho": parameter.no_echo,
        "ParameterConstraints": {"AllowedValues": list(parameter.allowed)}
        if parameter.allowed
        else {},
    }


def _java(value: object) -> str:
    """Return a document in the form in which Java prints a map."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    return str(value)
