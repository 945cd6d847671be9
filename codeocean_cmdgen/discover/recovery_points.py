"""Finds the recovery points of a vault, in pairs of data volume and database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.discover.caller import Caller
from codeocean_cmdgen.discover.finder import Finder, first
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.inputs.update import Fact
from codeocean_cmdgen.values import Arn, Instant, RdsSnapshotArn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, Tell


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
        return Arn(self.arn).resource_id

    @property
    def deployment(self) -> tuple[str, str]:
        """Region and account of the backed-up resource."""
        if Arn.why_not(self.resource_arn):
            return ("", "")
        resource = Arn(self.resource_arn)
        return (resource.region, resource.account_id)


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
        """When the first of them expires."""
        return min((one.expires for one in self if one.expires), default=None)


class Pairs(NamedTuple):
    """The pairs of a vault, newest first, and notes on the other recovery points."""

    pairs: list[Pair]
    notes: list[str]


def find_pairs(
    table: str,
    file: DeploymentFile,
    say: Tell,
    *,
    region: Optional[str] = None,
    profile: Optional[str] = None,
) -> Pairs:
    """Find the pairs of recovery points in the vault that a table of the file names.

    Raises:
        InputError: the file does not name the vault.
        DiscoveryError: AWS refuses the call, or the credentials belong to another account.

    """
    vault = first(file, table, "backup_vault_name")
    if vault is None:
        problem = Problem(
            f"backup_vault_name is missing in [{table}] of {file.position()}",
            f"to find it, run codeocean-cmdgen discover {table} {file.option}",
        )
        raise InputError([problem])
    caller = Caller(profile, region or first(file, table, "region"), say)
    Finder(table, file).demand_account(caller.account_id, "the caller's identity")
    answer = caller.ask(
        f"the recovery points of vault {vault}",
        "backup",
        "list_recovery_points_by_backup_vault",
        BackupVaultName=vault,
    )
    return pair_up(answer["RecoveryPoints"])


def pair_up(described: Iterable[dict[str, Any]]) -> Pairs:
    """Pair recovery points, as described by AWS Backup: each with the nearest of the other kind.

    The vendor's stack copies each backup within its vault, so a backup may be there twice. Take
    the copy, because only the copy has a key that other accounts may use.
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
            notes.append(f"{one['RecoveryPointArn']} is not a snapshot")
            continue
        point = Point(
            one["RecoveryPointArn"],
            one.get("ResourceArn", ""),
            one["CreationDate"].astimezone(timezone.utc).replace(microsecond=0),
            one.get("CalculatedLifecycle", {}).get("DeleteAt"),
            bool(one.get("SourceBackupVaultArn")) or _is_named_as_copy(one),
        )
        key = (one["ResourceType"], point.resource_arn, point.created)
        twins += key in best
        best[key] = max(best.get(key, point), point, key=_preference)
    if twins:
        notes.append(f"{twins} duplicates of these backups are not shown; copies are preferred")
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
        f"{point.arn}, created {point.created:%Y-%m-%d %H:%M} UTC, has no counterpart"
        for point in best.values()
        if point.arn not in paired
    ]
    return Pairs(pairs, notes)


def _is_named_as_copy(described: dict[str, Any]) -> bool:
    """Return whether the ARN says that a copy job created it; that of an EBS snapshot does not."""
    return (
        described["ResourceType"] == "RDS" and RdsSnapshotArn(described["RecoveryPointArn"]).is_copy
    )


def _preference(point: Point) -> tuple[bool, datetime]:
    return point.copied, point.expires or datetime.max.replace(tzinfo=timezone.utc)


def _nearest(point: Point, others: list[Point]) -> Optional[Point]:
    """Return the nearest point in time among others of the same deployment."""
    own = [one for one in others if one.deployment == point.deployment]
    near = [one for one in own if abs(one.created - point.created) < vendor.BACKUP_INTERVAL]
    return min(near, key=lambda one: abs(one.created - point.created), default=None)


_COLUMNS = ("#", "created (UTC)", "apart", "expires", "data volume", "database")
_NARROW = 4
"""The columns that fit on a line of a narrow terminal."""


def lines_of(pairs: list[Pair], width: int) -> Iterator[str]:
    """Yield the pairs in columns, numbered from 1.

    width: that of the terminal. If it is too narrow, each ID is on a line of its own.
    """
    rows = [_COLUMNS, *(_cells(number, pair) for number, pair in enumerate(pairs, 1))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    aligned = [[cell.ljust(size) for cell, size in zip(row, widths)] for row in rows]
    in_line = len(_COLUMNS) if len("  ".join(aligned[0])) <= width else _NARROW
    for cells in aligned:
        yield "  ".join(cells[:in_line]).rstrip()
        for cell in cells[in_line:]:
            yield f"{'':{widths[0]}}  {cell}".rstrip()


def _cells(number: int, pair: Pair) -> tuple[str, ...]:
    return (
        str(number),
        f"{pair.ebs.created:%Y-%m-%d %H:%M}",
        f"{pair.apart.total_seconds() / 60:.0f} min",
        f"{pair.expires:%Y-%m-%d}" if pair.expires else "never",
        pair.ebs.short,
        pair.rds.short[: len("copyjob-12345678")],
    )


def choose(pairs: list[Pair], choice: str) -> Pair:
    """Return the chosen pair, by its number or the ID of its EBS snapshot.

    Raises:
        InputError: there is no such pair.

    """
    named = {str(number): pair for number, pair in enumerate(pairs, 1)}
    named |= {pair.ebs.short: pair for pair in pairs}
    if choice not in named:
        numbers = "1" if len(pairs) == 1 else f"1 to {len(pairs)}"
        problem = Problem(
            f"there is no pair {shown(choice)}: choose {numbers}, or the ID of an EBS snapshot"
        )
        raise InputError([problem])
    return named[choice]


def facts_of(pair: Pair, table: str) -> tuple[list[Fact], list[str]]:
    """Return the facts of the pair for the file, and warnings about it."""
    moment = Instant.of(pair.ebs.created)
    origin = f"backup of {moment}"
    facts = [
        Fact(table, "ebs_snapshot_arn", (pair.ebs.arn,), origin),
        Fact(table, "rds_snapshot_arn", (pair.rds.arn,), origin),
        Fact("target.s3-point-in-time", "at", (moment,), "creation of the EBS recovery point"),
    ]
    warnings = []
    if pair.apart > vendor.START_WINDOW:
        warnings.append(
            f"the two recovery points were created {pair.apart} apart: make sure that they belong "
            "to the same backup"
        )
    if pair.expires and pair.expires - datetime.now(timezone.utc) < timedelta(days=1):
        warnings.append(f"the pair expires at {pair.expires:%Y-%m-%d %H:%M} UTC: copy it first")
    return facts, warnings
