"""Strict checks of a request against the service model.

Two passes: ``unknown_members`` checks the raw request, because the parsers drop members that are
not in the model; ``broken_constraints`` checks the parsed request. Sources: botocore's service
models; Smithy 2.0 specification, "Constraint traits".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

from botocore.serialize import create_serializer

from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.wire import parse_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.simulator.wire import Call

# Shapes of the model, whose properties differ by type, and the values of requests for them.
Shape = Any
Value = Any

# Query parameters that SDKs add on their own: an operation name and presigned signatures.
_SDK_QUERY = re.compile(r"x-id$|X-Amz-", re.IGNORECASE)
_BOOLEANS = {"true", "false"}
# Java's character classes, as used in service models, in Python's syntax.
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{M}": "",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{S}": "$+<=>^`|~",
    r"\p{P}": "!-/:;?@_",
    r"\p{Alpha}": "a-zA-Z",
    r"\p{ASCII}": r"\x00-\x7f",
    r"\p{Print}": r"\x20-\x7e",
}


@dataclass(frozen=True)
class Violation:
    """One rule of the model that a request breaks.

    ``kind`` is ``missing``, ``unknown`` or ``invalid``; ``in_body`` is whether it is in the body.
    """

    kind: str
    message: str
    in_body: bool = True


def parse_strictly(call: Call) -> dict[str, Any]:
    """Return the parameters of a call; like the service, raise AwsError for the first problem.

    This checks only the rules of the model. The services check whether things exist.
    """
    try:
        violations = list(_unknown_members(call))
        parameters = {} if violations else parse_parameters(call)
        violations += [] if violations else _unknown_query_keys(call, parameters)
    except (ValueError, ET.ParseError, AttributeError, TypeError) as error:
        message = f"the request cannot be read: {error}"
        violation = Violation("invalid", message, in_body=bool(call.http.body))
        raise _error(call, violation) from error
    shape = call.model.input_shape
    if shape and not violations:
        violations = list(_broken_constraints(shape, parameters, ""))
    if violations:
        raise _error(call, violations[0])
    return parameters


def _error(call: Call, violation: Violation) -> AwsError:
    codes = _CODES.get(call.service) or _CODES[call.protocol]
    code = codes.get(violation.kind, codes["invalid"])
    if call.service == "s3" and not violation.in_body:
        code = "InvalidArgument"
    return AwsError(violation.message, code, 400)


# Error codes for broken rules, by service or protocol.
_CODES = {
    "s3": {"invalid": "MalformedXML"},
    "s3control": {"invalid": "BadRequest", "unknown": "MalformedXML"},
    "backup": {
        "invalid": "InvalidParameterValueException",
        "missing": "MissingParameterValueException",
    },
    "rds": {"invalid": "InvalidParameterValue", "missing": "MissingParameter"},
    "ec2": {
        "invalid": "InvalidParameterValue",
        "missing": "MissingParameter",
        "unknown": "UnknownParameter",
    },
    "query": {"invalid": "ValidationError"},
    "json": {"invalid": "ValidationException"},
    "rest-json": {"invalid": "ValidationException"},
    "rest-xml": {"invalid": "BadRequest"},
}


def _unknown_members(call: Call) -> Iterator[Violation]:
    shape = call.model.input_shape
    if call.protocol.startswith("rest-"):
        yield from _unknown_query_parameters(call)
        shape = _body_shape(shape)
    if shape is None or not call.http.body:
        return
    if call.protocol == "rest-xml":
        # The request comes from programs of this machine, and expat limits entity expansion.
        yield from _walk_xml(shape, ET.fromstring(call.http.body), "")  # noqa: S314
    elif "json" in call.protocol:
        yield from _walk_json(shape, json.loads(call.http.body), "")


def _body_shape(shape: Shape) -> Shape:
    """Return the shape of the body of a REST request; None for raw content."""
    if shape is None:
        return None
    payload = shape.serialization.get("payload")
    body = shape.members[payload] if payload else shape
    return body if body.type_name == "structure" else None


def _unknown_query_parameters(call: Call) -> Iterator[Violation]:
    known = set(call.model.http_trait.query_args)
    members = call.model.input_shape.members.values() if call.model.input_shape else ()
    for member in members:
        if member.serialization.get("location") == "querystring":
            if member.type_name == "map":
                return
            known.add(member.serialization["name"])
    for name, _ in parse_qsl(urlsplit(call.http.path).query, keep_blank_values=True):
        if name not in known and not _SDK_QUERY.match(name):
            yield Violation("unknown", f"unknown query parameter {name}", in_body=False)


def _unknown_query_keys(call: Call, parameters: dict[str, Any]) -> list[Violation]:
    """Compare the keys sent by the query protocols with those that the parsed values need."""
    if call.protocol not in {"query", "ec2"}:
        return []
    serialized = create_serializer(call.protocol, include_validation=False).serialize_to_request(
        parameters, call.model
    )
    unknown = set(call.moto_request.values) - set(serialized["body"])
    return [Violation("unknown", f"unknown parameter {name}") for name in sorted(unknown)]


def _walk_xml(shape: Shape, node: ET.Element, path: str) -> Iterator[Violation]:
    if shape.type_name == "structure":
        yield from _walk_xml_structure(shape, node, path)
    elif shape.type_name == "list":
        member = shape.member
        name = member.serialization.get("name", "member")
        for child in node:
            if _tag(child) != name:
                yield Violation("unknown", f"unknown element {_tag(child)} in {path}")
            yield from _walk_xml(member, child, f"{path}[]")
    elif shape.type_name == "boolean" and node.text not in _BOOLEANS:
        yield Violation("invalid", f"{path} must be true or false, not {node.text}")


def _walk_xml_structure(shape: Shape, node: ET.Element, path: str) -> Iterator[Violation]:
    known: dict[str, Any] = {}
    for member_name, member in shape.members.items():
        if "location" not in member.serialization:
            name = member.serialization.get("name", member_name)
            if member.type_name == "list" and member.is_flattened:
                name = member.member.serialization.get("name", name)
            known[name] = member
    seen = set()
    for child in node:
        name = _tag(child)
        member = known.get(name)
        where = f"{path}.{name}" if path else name
        if member is None:
            yield Violation("unknown", f"unknown element {where}")
        elif member.type_name in {"list", "map"} and member.is_flattened:
            if member.type_name == "list":
                yield from _walk_xml(member.member, child, f"{where}[]")
        elif name in seen:
            yield Violation("unknown", f"element {where} is given more than once")
        else:
            yield from _walk_xml(member, child, where)
        seen.add(name)


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


def _walk_json(shape: Shape, value: Value, path: str) -> Iterator[Violation]:
    expected = _JSON_TYPES[shape.type_name]
    if value is None or getattr(shape, "is_document_type", False):
        return
    if type(value) not in expected:
        yield Violation("invalid", f"{path or 'the body'} must be a {shape.type_name}")
    elif shape.type_name == "structure":
        members = {
            member.serialization.get("name", name): member
            for name, member in shape.members.items()
            if "location" not in member.serialization
        }
        for name, item in value.items():
            where = f"{path}.{name}" if path else name
            if name not in members:
                yield Violation("unknown", f"unknown member {where}")
            else:
                yield from _walk_json(members[name], item, where)
    elif shape.type_name == "list":
        for item in value:
            yield from _walk_json(shape.member, item, f"{path}[]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from _walk_json(shape.value, item, f"{path}.{key}")


def _broken_constraints(shape: Shape, value: Value, path: str) -> Iterator[Violation]:
    check = _CHECKS.get(shape.type_name)
    if check:
        yield from check(shape, value, path)


def _check_structure(shape: Shape, value: dict[str, Any], path: str) -> Iterator[Violation]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            in_body = "location" not in shape.members[name].serialization
            yield Violation("missing", f"missing required member {prefix}{name}", in_body)
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield Violation("invalid", f"{path} must have exactly one member, not {len(value)}")
    for name, item in value.items():
        member = shape.members[name]
        for violation in _broken_constraints(member, item, f"{prefix}{name}"):
            in_body = violation.in_body and "location" not in member.serialization
            yield Violation(violation.kind, violation.message, in_body)


def _check_list(shape: Shape, value: list[Any], path: str) -> Iterator[Violation]:
    yield from _check_range(shape, len(value), f"number of items in {path}")
    for item in value:
        yield from _broken_constraints(shape.member, item, f"{path}[]")


def _check_map(shape: Shape, value: dict[str, Any], path: str) -> Iterator[Violation]:
    yield from _check_range(shape, len(value), f"number of items in {path}")
    for key, item in value.items():
        yield from _broken_constraints(shape.key, key, f"key of {path}")
        yield from _broken_constraints(shape.value, item, f"{path}.{key}")


def _check_string(shape: Shape, value: str, path: str) -> Iterator[Violation]:
    yield from _check_range(shape, len(value), f"length of {path}")
    if shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum)
        yield Violation("invalid", f"value {value!r} at {path} must be one of {allowed}")
    pattern = _compile(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(value):
        yield Violation("invalid", f"value {value!r} at {path} must match {pattern.pattern}")


def _check_range(shape: Shape, value: float, what: str) -> Iterator[Violation]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield Violation("invalid", f"{what} must be at least {low}, not {value}")
    if high is not None and value > high:
        yield Violation("invalid", f"{what} must be at most {high}, not {value}")


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[Violation]]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "integer": _check_range,
    "long": _check_range,
    "float": _check_range,
    "double": _check_range,
}


@cache
def _compile(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern of a model; return None if only Java supports it."""
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
