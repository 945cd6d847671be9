"""The work that S3 does once a day for the lifecycle rules of a bucket.

Sources: Amazon S3 User Guide, "Lifecycle configuration elements" (days are counted from the
creation of a version, or from that of its successor, and end at the next midnight UTC), "Expiring
objects", "Constraints and considerations for transitions" (objects below 128 KB are not moved). Of
a filter only the prefix is used; current versions do not expire, and the number of newer versions
is ignored.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from moto.s3.models import FakeDeleteMarker, FakeKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.s3.models import FakeBucket

    from codeocean_cmdgen.simulator.s3 import Version


SMALLEST_MOVED = 128 * 1024
"""Bytes: smaller objects stay in their storage class."""


def carry_out(bucket: FakeBucket, rules: Iterable[dict[str, Any]], now: datetime) -> None:
    """Expire and transition the versions of a bucket.

    now: an aware moment.
    """
    moment = now.astimezone(timezone.utc).replace(tzinfo=None)
    for rule in [rule for rule in rules if rule["Status"] == "Enabled"]:
        for key in [key for key in bucket.keys if key.startswith(rule["Filter"]["Prefix"])]:
            left = [
                version
                for version, successor in _with_successors(bucket.keys.getlist(key))
                if not _expires(rule, successor, moment)
            ]
            for version, successor in _with_successors(left):
                _move(rule, version, successor, moment)
            alone = len(left) == 1 and isinstance(left[0], FakeDeleteMarker)
            if alone and rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker"):
                left = []
            bucket.keys.setlist(key, left)
            if not left:
                bucket.keys.pop(key)


def _with_successors(versions: list[Version]) -> list[tuple[Version, Version | None]]:
    return list(zip(versions, [*versions[1:], None]))


def _expires(rule: dict[str, Any], successor: Version | None, now: datetime) -> bool:
    days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
    return bool(successor and days and _is_over(successor.last_modified, days, now))


def _move(rule: dict[str, Any], version: Version, successor: Version | None, now: datetime) -> None:
    if not isinstance(version, FakeKey) or version.size < SMALLEST_MOVED:
        return
    kind, days = ("NoncurrentVersionTransitions", "NoncurrentDays")
    if successor is None:
        kind, days = ("Transitions", "Days")
    since = (successor or version).last_modified
    for transition in rule.get(kind, ()):
        if _is_over(since, transition[days], now):
            version.set_storage_class(transition["StorageClass"])


def _is_over(since: datetime, days: int, now: datetime) -> bool:
    """Return whether a number of days is over: they end at the midnight that follows them."""
    end = since + timedelta(days=days)
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return now >= midnight
