"""Parameter Store of Systems Manager: the refusals that moto lacks.

Sources: ssm service model; Systems Manager API Reference, "PutParameter" and "GetParametersByPath";
User Guide, "Managing parameter tiers". Sizes are counted in bytes, the stricter reading of "4 KB".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.wire import Call, HttpResponse

_NAME = re.compile(r"[a-zA-Z0-9_.-]+|(?:/[a-zA-Z0-9_.-]+)+")
_LEVELS = 15
_STANDARD_BYTES, _ADVANCED_BYTES = 4096, 8192


def answer(call: Call) -> HttpResponse:
    """Carry out an operation; raise AwsError if Parameter Store refuses it."""
    if call.operation == "PutParameter":
        _check_name(call.parameters["Name"])
        _check_value(call.parameters, _present(call))
    if call.operation == "GetParametersByPath":
        _check_path(call.parameters)
    return backends.answer(call)


@dataclass(frozen=True)
class _Present:
    """The properties of an existing parameter that matter when a new version is put."""

    type: str | None = None
    tier: str = "Standard"
    pattern: str | None = None


def _present(call: Call) -> _Present:
    versions = get_backend("ssm")[call.account][call.region]._parameters  # noqa: SLF001 - no other
    name = call.parameters["Name"]
    if not versions.get(name) or not call.parameters.get("Overwrite"):
        return _Present()
    newest = versions[name][-1]
    return _Present(newest.parameter_type, newest.tier or "Standard", newest.allowed_pattern)


def _check_name(name: str) -> None:
    if "/" in name and not name.startswith("/"):
        message = "Parameter name must be a fully qualified name."
        raise AwsError(message, "ValidationException")
    if not _NAME.fullmatch(name):
        message = (
            'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a '
            "path, it can consist of sub-paths divided by slash symbol; each sub-path can be "
            "formed as a mix of letters, numbers and the following 3 symbols .-_"
        )
        raise AwsError(message, "ValidationException")
    if name.count("/") > _LEVELS:
        message = f"A hierarchy can have a maximum of {_LEVELS} levels."
        raise AwsError(message, "HierarchyLevelLimitExceededException")


def _check_value(given: dict[str, Any], present: _Present) -> None:
    value, tier = given["Value"], given.get("Tier", present.tier)
    if present.type and given.get("Type", present.type) != present.type:
        message = "The parameter type can't be changed."
        raise AwsError(message, "HierarchyTypeMismatchException")
    if present.tier == "Advanced" and tier == "Standard":
        message = "A parameter can't be changed from the advanced to the standard tier."
        raise AwsError(message, "ValidationException")
    if "{{" in value:
        message = "Parameter value can't nest another parameter. Do not use {{}} in the value."
        raise AwsError(message, "ValidationException")
    pattern = given.get("AllowedPattern", present.pattern)
    if pattern and not re.search(pattern, value):
        message = f"Parameter value, cannot be validated against allowedPattern: {pattern}"
        raise AwsError(message, "ParameterPatternMismatchException")
    limit = _STANDARD_BYTES if tier == "Standard" else _ADVANCED_BYTES
    if len(value.encode()) > limit:
        name = "Standard" if tier == "Standard" else "Advanced"
        message = f"{name} tier parameters support a maximum parameter value of {limit} characters."
        raise AwsError(message, "ValidationException")


def _check_path(given: dict[str, Any]) -> None:
    path, token = given["Path"], given.get("NextToken", "0")
    if not path.startswith("/") or (path != "/" and not _NAME.fullmatch(path.rstrip("/"))):
        message = "The parameter doesn't meet the parameter name requirements."
        raise AwsError(message, "ValidationException")
    if not token.isdecimal():
        message = "The token is not valid."
        raise AwsError(message, "InvalidNextToken")
