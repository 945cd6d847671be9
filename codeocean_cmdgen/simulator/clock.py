"""Simulated time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Callable


class Clock:
    """Simulated UTC time: start + elapsed real time x speed + all advances.

    With a speed of 0 time stands still between advances, which makes tests repeatable.
    """

    def __init__(self, speed: float, start: datetime | None = None) -> None:
        """Start the clock at ``start``, an aware time; without one, at the real time."""
        self._speed = speed
        self._start = start or datetime.now(timezone.utc)
        self._real_start = time.monotonic()
        self._advanced = 0.0
        self.on_advance: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the simulated time, aware, in UTC."""
        passed = (time.monotonic() - self._real_start) * self._speed
        return self._start + timedelta(seconds=passed + self._advanced)

    def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds``; raise ValueError if negative or infinite."""
        if not 0 <= seconds < float("inf"):
            msg = f"time moves only forward, not by {seconds} s"
            raise ValueError(msg)
        self._advanced += seconds
        for listener in self.on_advance:
            listener()
