"""Compare the parameters that a stack shall get with what its template declares and what it has.

Prints one JSON object:

problems    why the parameters cannot be set
parameters  every parameter of the stack, as `--parameters` of the AWS CLI takes them
differing   what changes, as "KEY: OLD -> NEW"
cleared     the parameters that lose their value
defaults    what parameters that are not given get, as "KEY = VALUE"
dropped     the parameters that the stack has and the template does not declare
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .printable import printable

Changes = dict[str, Optional[str]]
"""Parameter -> the value to set; None clears it."""


@dataclass(frozen=True)
class Declared:
    """A parameter as the template declares it. Without a default, a stack must give a value."""

    key: str
    label: str
    default: Optional[str]
    allowed: tuple[str, ...]
    is_secret: bool


def declared_parameters(template: dict[str, Any]) -> dict[str, Declared]:
    """Return the parameters in an answer of get-template-summary, by key."""
    metadata = template.get("Metadata") or ""
    return {
        one["ParameterKey"]: Declared(
            key=one["ParameterKey"],
            label=label_of(one["ParameterKey"], metadata),
            default=one.get("DefaultValue"),
            allowed=tuple((one.get("ParameterConstraints") or {}).get("AllowedValues") or ()),
            is_secret=bool(one.get("NoEcho")),
        )
        for one in template["Parameters"]
    }


def label_of(key: str, metadata: str) -> str:
    """Return the label of a parameter; the key, if it has none.

    The metadata is JSON, {"KEY": {"default": "LABEL"}}, or a map of Java, {KEY={default=LABEL}}.
    """
    pattern = r'(?:^|[^a-zA-Z0-9])KEY"?[=:] ?\{"?default"?[=:] ?"?([^"}]*)'
    found = re.search(pattern.replace("KEY", re.escape(key)), metadata)
    return found[1] if found else key


def stack_parameters(answer: str) -> dict[str, str]:
    """Return the parameters in an answer of describe-stacks; none if there is no answer."""
    if not answer.strip():
        return {}
    (stack,) = json.loads(answer)["Stacks"]
    return {
        one["ParameterKey"]: one.get("ParameterValue") or ""
        for one in stack.get("Parameters") or ()
    }


def resolve_labels(changes: Changes, declared: dict[str, Declared], problems: list[str]) -> Changes:
    """Return the changes by key, and add to the problems what is not clear.

    A name of several words is a label: the keys of the backup stack are not public.
    """
    wanted: Changes = {}
    for name, value in changes.items():
        keys = [name]
        if " " in name:
            words = re.compile(".*".join(map(re.escape, name.split())), re.IGNORECASE)
            keys = [one.key for one in declared.values() if words.search(one.label)]
        if len(keys) != 1:
            found = ", ".join(keys) or "none"
            problems.append(f"one parameter must have the label '{name}'; found: {found}")
        elif keys[0] in wanted:
            problems.append(f"the parameter {keys[0]} is named twice, once as '{name}'")
        else:
            wanted[keys[0]] = value
    return wanted


def find_problems(
    wanted: Changes, declared: dict[str, Declared], old: dict[str, str]
) -> Iterator[str]:
    """Yield why the parameters cannot be set. CloudFormation itself checks their patterns."""
    for key, value in wanted.items():
        parameter = declared.get(key)
        if parameter is None:
            yield f"the template has no parameter {key}"
        elif parameter.is_secret:
            yield f"{key} is a secret, which no script may hold: set it in the console"
        elif value is not None and parameter.allowed and value not in parameter.allowed:
            yield f"{key} may be {' or '.join(parameter.allowed)}, not {value}"
    for key, parameter in declared.items():
        if parameter.default is not None or key in wanted or key in old:
            continue
        if parameter.is_secret:
            yield f"{key} is a secret without a default: create or update the stack in the console"
        else:
            yield f"{key} must be given, with --set: the template has no default for it"


def new_values(wanted: Changes, declared: dict[str, Declared]) -> dict[str, str]:
    """Return the values to set. A parameter that is cleared gets the default of the template."""
    return {
        key: (declared[key].default or "") if value is None else value
        for key, value in wanted.items()
        if key in declared
    }


def request_parameters(
    values: dict[str, str], declared: dict[str, Declared], old: dict[str, str]
) -> list[dict[str, Any]]:
    """Return every parameter of the stack, as the request takes them.

    An update resets a parameter that is left out to its default. So only new ones are left out.
    """
    parameters: list[dict[str, Any]] = []
    for key in declared:
        if key in values:
            parameters.append({"ParameterKey": key, "ParameterValue": values[key]})
        elif key in old:
            parameters.append({"ParameterKey": key, "UsePreviousValue": True})
    return parameters


def compare(changes: Changes, template: dict[str, Any], stack: str) -> dict[str, Any]:
    """Return the whole comparison."""
    declared = declared_parameters(template)
    old = stack_parameters(stack)
    problems: list[str] = []
    wanted = resolve_labels(changes, declared, problems)
    problems += find_problems(wanted, declared, old)
    values = new_values(wanted, declared)
    differing = {key: value for key, value in values.items() if old.get(key) != value}
    return {
        "problems": [printable(one) for one in problems],
        "parameters": request_parameters(values, declared, old),
        "differing": [
            printable(f"{key}: {old.get(key, '')} -> {value}") for key, value in differing.items()
        ],
        "cleared": [key for key, value in differing.items() if old.get(key) and not value],
        "defaults": [
            printable(f"{key} = {'(secret)' if one.is_secret else one.default}")
            for key, one in declared.items()
            if key not in values and key not in old
        ],
        "dropped": [printable(key) for key in old if key not in declared],
    }


def main() -> None:
    """Print the comparison. The answer about the stack may be empty."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=Path)
    parser.add_argument("--set", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--clear", nargs="*", metavar="KEY")
    parser.add_argument("--template", type=Path)
    parser.add_argument("--stack", type=Path)
    options = parser.parse_args()
    changes = json.loads(options.changes.read_bytes())
    changes.update(one.split("=", 1) for one in options.set)
    changes.update(dict.fromkeys(options.clear))
    comparison = compare(
        changes,
        json.loads(options.template.read_bytes()),
        options.stack.read_text(encoding="utf-8"),
    )
    sys.stdout.write(f"{json.dumps(comparison)}\n")


if __name__ == "__main__":
    main()
