"""The part of IAM's policy language that this simulator evaluates.

Statements with a Condition, NotAction, NotPrincipal or NotResource never match, so they neither
allow nor deny. Source: IAM User Guide, "IAM JSON policy reference".
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any


def allows(
    document: str | bytes | None, action: str, principal: dict[str, str], resource: str = "*"
) -> bool:
    """Return whether a resource or trust policy allows the principal the action.

    ``principal`` is ``{"AWS": account id}`` or ``{"Service": host name}``. An absent or unreadable
    document allows nothing.
    """
    try:
        statements = _as_list(json.loads(document or "{}").get("Statement"))
    except ValueError:
        return False
    effects = {
        statement.get("Effect")
        for statement in statements
        if _matches(statement, action, principal, resource)
    }
    return effects == {"Allow"}


def _matches(
    statement: dict[str, Any], action: str, principal: dict[str, str], resource: str
) -> bool:
    return (
        "Condition" not in statement
        and any(
            fnmatchcase(action.lower(), pattern.lower())
            for pattern in _as_list(statement.get("Action"))
        )
        and any(
            fnmatchcase(resource, pattern) or resource == "*"
            for pattern in _as_list(statement.get("Resource", "*"))
        )
        and _names(statement.get("Principal"), principal)
    )


def _names(element: object, principal: dict[str, str]) -> bool:
    if element == "*":
        return "AWS" in principal
    if not isinstance(element, dict):
        return False
    kind, name = next(iter(principal.items()))
    accepted = {name} if kind == "Service" else {"*", name}
    return any(
        given in accepted or (kind == "AWS" and given.endswith(f":iam::{name}:root"))
        for given in _as_list(element.get(kind))
    )


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
