"""Compares the content of two deployments: objects, files, rows and secrets."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from codeocean_cmdgen.simulator.s3 import history

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from codeocean_cmdgen.simulator import Simulator

KINDS = ("object versions", "files", "rows", "secrets")


class Comparison(NamedTuple):
    """The result of comparing one kind of content.

    size: how many items there are. differences: in words; none if all items are equal.
    """

    kind: str
    size: int
    differences: tuple[str, ...] = ()


def compare(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Comparison]:
    """Compare the content of both, kind by kind; an item in only one of them is a difference."""
    return [
        Comparison(
            kind, _count(wanted[kind]), tuple(_differences(wanted[kind], found.get(kind, {})))
        )
        for kind in KINDS
        if kind in wanted
    ]


def _count(things: Mapping[Any, Any]) -> int:
    if isinstance(things, Counter):
        return sum(count for name, count in things.items() if name.startswith("row "))
    return len(things)


def _differences(wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterable[str]:
    for name in sorted({*wanted, *found}):
        if name not in found:
            yield f"missing: {_shown(name)}"
        elif name not in wanted:
            yield f"extra: {_shown(name)}"
        elif wanted[name] != found[name]:
            yield f"not equal: {_shown(name)}{_differing(wanted[name], found[name])}"


def _differing(wanted: object, found: object) -> str:
    """Return which properties of two files differ."""
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        return ""
    names = sorted({*wanted, *found})
    return f" in {', '.join(one for one in names if wanted.get(one) != found.get(one))}"


def _shown(name: object) -> str:
    return repr(name) if isinstance(name, bytes) else str(name)


def objects(names: Mapping[str, str]) -> dict[str, Any]:
    """Return every version and delete marker of buckets, with everything that a reader can see.

    names: kind of content -> name of the bucket.
    """
    return {
        f"{kind}/{key} version {version_id}": seen
        for kind, name in names.items()
        for (key, version_id), seen in history(name).items()
    }


def saved_secrets(file: Path) -> dict[str, Any]:
    """Return what secrets-save saved, in the form of `secrets`; nothing if it never ran."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text("utf-8"))["parameters"]
    return {one["Name"].split("/", 2)[2]: (one["Type"], one["Value"]) for one in found}


def secrets(simulator: Simulator, account: str, region: str, stack: str) -> dict[str, Any]:
    """Return type and value of each parameter below the stack's path."""
    path = f"/{stack}/"
    client = simulator.account(account).client("ssm", region)
    pages = client.get_paginator("get_parameters_by_path").paginate(
        Path=path, Recursive=True, WithDecryption=True
    )
    return {
        one["Name"].removeprefix(path): (one["Type"], one["Value"])
        for page in pages
        for one in page["Parameters"]
    }
