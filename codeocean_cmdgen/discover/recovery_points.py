"""The recovery points of a vault, in pairs of data volume and database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.deployment import Fact
from codeocean_cmdgen.discover.account import Account, Say
from codeocean_cmdgen.discover.finder import Finder, first
from codeocean_cmdgen.errors import InputError, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeocean_cmdgen.sources import ValuesFile

_TOGETHER = timedelta(hours=2, minutes=15)
"""How far apart the two jobs of one backup may begin, with some slack: the vendor's window is 2 h.

Source: the vendor's template 3.8.2, BackupPlan.
"""
_APART = timedelta(hours=24)
"""From here on two recovery points are not of one backup."""


class Point(NamedTuple):
    """A recovery point that can be restored."""

    arn: str
    resource_arn: str
    created: datetime
    expires: Optional[datetime]
    copied: bool

    @property
    def short(self) -> str:
        """The end of its ARN, as the console shows it."""
        return re.split("[:/]", self.arn)[-1]

    @property
    def deployment(self) -> tuple[str, str]:
        """Region and account of what was backed up."""
        parts = self.resource_arn.split(":")
        return (parts[3], parts[4]) if len(parts) > 4 else ("", "")  # noqa: PLR2004 - an ARN


class Pair(NamedTuple):
    """The recovery points of data volume and database that belong to one backup."""

    ebs: Point
    rds: Point

    @property
    def apart(self) -> timedelta:
        """The time between the two."""
        return abs(self.ebs.created - self.rds.created)

    @property
    def expires(self) -> Optional[datetime]:
        """When the first of them goes."""
        return min((one.expires for one in self if one.expires), default=None)


class Pairs(NamedTuple):
    """The pairs of a vault, newest first, and what is to be said of the rest."""

    pairs: list[Pair]
    notes: list[str]


def find(
    table: str,
    file: ValuesFile,
    say: Say,
    *,
    region: Optional[str] = None,
    profile: Optional[str] = None,
) -> Pairs:
    """Find the pairs of recovery points in the vault of a table of the file.

    Raises:
        InputError: the file does not name the vault.
        DiscoveryError: AWS refuses, or these are another account's credentials.

    """
    vault = first(file, table, "backup_vault_name")
    if vault is None:
        problem = Problem(
            f"backup_vault_name is missing in [{table}] of {file.name}",
            f"codeocean-cmdgen discover {table} finds it",
        )
        raise InputError([problem])
    account = Account(profile, region or first(file, table, "region"), say)
    Finder(table, file).demand_account(account.id, "the caller's identity")
    answer = account.ask(
        f"the recovery points of vault {vault}",
        "backup",
        "list_recovery_points_by_backup_vault",
        BackupVaultName=vault,
    )
    return pair_up(answer["RecoveryPoints"])


def pair_up(described: Iterable[dict[str, Any]]) -> Pairs:
    """Pair recovery points as AWS Backup describes them: each with the nearest of the other kind.

    The vendor's stack copies each backup within its vault, so there may be two of the same: the
    copy is taken, because only that has a key that other accounts may use.
    """
    best: dict[tuple[str, str, datetime], Point] = {}
    twins = 0
    notes = []
    for one in described:
        if one.get("ResourceType") not in {"EBS", "RDS"} or one.get("IsParent"):
            continue
        if one["Status"] not in {"COMPLETED", "AVAILABLE"}:
            notes.append(f"{one['RecoveryPointArn']} is {one['Status']}")
            continue
        name = "ebs_snapshot_arn" if one["ResourceType"] == "EBS" else "rds_snapshot_arn"
        if KNOWN[name].kind.why_not(one["RecoveryPointArn"]):
            notes.append(f"{one['RecoveryPointArn']} is no snapshot")
            continue
        point = Point(
            one["RecoveryPointArn"],
            one.get("ResourceArn", ""),
            one["CreationDate"].astimezone(timezone.utc).replace(microsecond=0),
            one.get("CalculatedLifecycle", {}).get("DeleteAt"),
            bool(one.get("SourceBackupVaultArn")) or ":copyjob-" in one["RecoveryPointArn"],
        )
        key = (one["ResourceType"], point.resource_arn, point.created)
        twins += key in best
        best[key] = max(best.get(key, point), point, key=_preference)
    if twins:
        notes.append(f"{twins} near-duplicates of the same backups are not shown: copies are")
    volumes, databases = (
        [point for (kind, *_), point in best.items() if kind == wanted] for wanted in ("EBS", "RDS")
    )
    pairs = [
        Pair(volume, database)
        for volume in volumes
        if (database := _nearest(volume, databases)) and _nearest(database, volumes) == volume
    ]
    pairs.sort(key=lambda pair: pair.ebs.created, reverse=True)
    paired = {point.arn for pair in pairs for point in pair}
    notes += [
        f"{point.arn} of {point.created:%Y-%m-%d %H:%M} has no partner"
        for point in best.values()
        if point.arn not in paired
    ]
    return Pairs(pairs, notes)


def _preference(point: Point) -> tuple[bool, datetime]:
    return point.copied, point.expires or datetime.max.replace(tzinfo=timezone.utc)


def _nearest(point: Point, others: list[Point]) -> Optional[Point]:
    """Return the point of the other kind that is nearest in time, of the same deployment."""
    own = [one for one in others if one.deployment == point.deployment]
    near = [one for one in own if abs(one.created - point.created) < _APART]
    return min(near, key=lambda one: abs(one.created - point.created), default=None)


def table_of(pairs: list[Pair]) -> Any:  # noqa: ANN401 - a table of rich
    """Return the pairs as a table, numbered from 1."""
    from rich.table import Table  # noqa: PLC0415 - for those who look at it only

    table = Table(box=None, pad_edge=False)
    for title in ("#", "created (UTC)", "data volume", "database", "apart", "expires"):
        table.add_column(title, overflow="fold")
    for number, pair in enumerate(pairs, 1):
        table.add_row(
            str(number),
            f"{pair.ebs.created:%Y-%m-%d %H:%M}",
            pair.ebs.short,
            pair.rds.short[: len("copyjob-12345678")],
            f"{pair.apart.total_seconds() / 60:.0f} min",
            f"{pair.expires:%Y-%m-%d}" if pair.expires else "never",
        )
    return table


def choose(pairs: list[Pair], choice: str) -> Pair:
    """Return the pair that a person means: its number, or the id of its EBS snapshot.

    Raises:
        InputError: there is no such pair.

    """
    named = {str(number): pair for number, pair in enumerate(pairs, 1)}
    named |= {pair.ebs.short: pair for pair in pairs}
    if choice not in named:
        problem = Problem(
            f"{shown(choice)} is none of the {len(pairs)} pairs: expected a number of the table, "
            "or the id of the data volume's snapshot"
        )
        raise InputError([problem])
    return named[choice]


def facts_of(pair: Pair, table: str) -> tuple[list[Fact], list[str]]:
    """Return what the pair is for the file, and what to be warned of."""
    moment = f"{pair.ebs.created:%Y-%m-%dT%H:%M:%SZ}"
    origin = f"backup of {moment}"
    facts = [
        Fact(table, "ebs_snapshot_arn", (pair.ebs.arn,), origin),
        Fact(table, "rds_snapshot_arn", (pair.rds.arn,), origin),
        Fact("target.s3-point-in-time", "at", (moment,), "creation of the EBS recovery point"),
    ]
    warnings = []
    if pair.apart > _TOGETHER:
        warnings.append(f"the two are {pair.apart} apart: are they of one backup?")
    if pair.expires and pair.expires - datetime.now(timezone.utc) < timedelta(days=1):
        warnings.append(f"it expires at {pair.expires:%Y-%m-%d %H:%M} UTC: copy it before")
    return facts, warnings
