"""Faults to inject into single operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Callable

KINDS = frozenset(
    {
        "throttle",  # refused: too many requests
        "internal-error",  # HTTP 500
        "access-denied",
        "expired-token",
        "disconnect",  # the connection is cut before the operation is carried out
        "disconnect-after",  # the operation is carried out, but the connection is cut
        "fail-job",  # the created job ends as failed
        "failed-tasks",  # `count` tasks of the created job fail
        "slow-job",  # the working phase of the created job takes ten times as long
        "invisible",  # the answer does not show jobs of the last minute
        "vanish",  # the requested job disappears permanently
    }
)


@dataclass
class Fault:
    """An injected fault and how often it still strikes.

    ``operation`` is ``service:Operation``, with ``*`` as a wildcard. ``times`` is how often it
    strikes (None: always), after the first ``after`` matching calls have passed. ``match`` maps
    parameters (dotted for nested ones) to the values that they must have.
    """

    operation: str
    kind: str
    times: int | None = 1
    after: int = 0
    match: dict[str, Any] = field(default_factory=dict)
    count: int = 1

    def matches(self, operation: str, parameters: dict[str, Any]) -> bool:
        """Return whether the fault applies to this call."""
        return fnmatchcase(operation, self.operation) and all(
            _value(parameters, name) == wanted for name, wanted in self.match.items()
        )

    def strikes(self) -> bool:
        """Count a matching call, and return whether the fault strikes it."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Faults:
    """All pending faults."""

    def __init__(self) -> None:
        """Start without faults."""
        self._faults: list[Fault] = []
        self.on_strike: Callable[[], object] = lambda: None
        """Called whenever a fault strikes."""

    def add(
        self,
        operation: str,
        kind: str,
        *,
        times: int | None = 1,
        after: int = 0,
        match: dict[str, Any] | None = None,
        count: int = 1,
    ) -> None:
        """Add a fault (see Fault); raise ValueError if the kind is not one of KINDS."""
        if kind not in KINDS:
            msg = f"unknown fault {kind!r}, not one of {', '.join(sorted(KINDS))}"
            raise ValueError(msg)
        self._faults.append(Fault(operation, kind, times, after, match or {}, count))

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()
        self.on_strike = lambda: None

    def take(self, operation: str, parameters: dict[str, Any]) -> dict[str, Fault]:
        """Count this call, and return the faults that strike it, by kind."""
        matching = [fault for fault in self._faults if fault.matches(operation, parameters)]
        struck = {fault.kind: fault for fault in matching if fault.strikes()}
        if struck:
            self.on_strike()
        return struck


def _value(parameters: dict[str, Any], dotted_name: str) -> object:
    value: Any = parameters
    for name in dotted_name.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
