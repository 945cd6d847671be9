"""What was found of a deployment, and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.deployment import Fact
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.sources import TABLES, ValuesFile
from codeocean_cmdgen.values import Region

if TYPE_CHECKING:
    from collections.abc import Mapping


class Found(NamedTuple):
    """What was found, and what was not, with the reason."""

    facts: list[Fact]
    missing: list[Problem]


class Finder:
    """Collects the facts of one deployment."""

    def __init__(self, role: str, file: ValuesFile) -> None:
        self.role = role
        self.file = file
        self.facts: list[Fact] = []
        self.missing: list[Problem] = []
        self.here: dict[str, str] = {}

    def take(self, name: str, texts: tuple[str, ...], origin: str, table: str = "") -> None:
        """Keep a fact, unless it is not of its kind."""
        table = table or self.role
        reasons = list(filter(None, map(KNOWN[name].kind.why_not, texts)))
        self.missing += [Problem(f"{name} of [{table}]: {why} ({origin})") for why in reasons]
        if not reasons:
            self.facts.append(Fact(table, name, texts, origin))

    def miss(self, name: str, why: str, hint: str = "", table: str = "") -> None:
        """Remember that a fact was not found."""
        self.missing.append(Problem(f"{name} of [{table or self.role}]: {why}", hint))

    def has(self, name: str) -> tuple[str, ...]:
        """Return the texts of a fact of the role's own table; none when it was not found."""
        own = (fact for fact in self.facts if (fact.table, fact.name) == (self.role, name))
        return next((fact.texts for fact in own), ())

    def one(self, name: str, candidates: Mapping[str, str], table: str = "") -> Optional[str]:
        """Return which of the candidates (text -> its origin) it is, or None: there is none.

        Raises:
            DiscoveryError: there are several, and the file names none of them.

        """
        table = table or self.role
        if len(candidates) > 1:
            said = self.file.tables.get(table, {}).get(name, ())
            chosen = [one for one in candidates if (one,) == said]
            if not chosen:
                listed = ", ".join(f"{one} ({origin})" for one, origin in candidates.items())
                problem = Problem(
                    f"{name} of [{table}] may be any of {len(candidates)}: {listed}",
                    f'write the right one into the file, [{table}] {name} = "...", and run again',
                )
                raise DiscoveryError([problem])
            return chosen[0]
        return next(iter(candidates), None)

    def place(self, account_id: str, region: str, stack_name: str, origin: str) -> None:
        """Remember where the deployment is.

        Raises:
            DiscoveryError: the file says that it is elsewhere, or that another one is there.

        """
        self.demand_account(account_id, origin)
        here = {"account_id": account_id, "region": region, "stack_name": stack_name}
        self.here = here
        for other in TABLES:
            known = self.file.tables.get(other, {})
            if other != self.role and all(known.get(name) == (here[name],) for name in here):
                problem = Problem(
                    f"stack {stack_name} in account {account_id}, {region}, is the [{other}] of "
                    f"{self.file.place(other)} already, so it is not the {self.role}",
                    f"work in the {self.role}'s account, or correct the file",
                )
                raise DiscoveryError([problem])

    def demand_account(self, account_id: str, origin: str) -> None:
        """Refuse another account than the file's."""
        known = self.file.tables.get(self.role, {}).get("account_id", (account_id,))
        if known != (account_id,):
            problem = Problem(
                f"this is account {account_id} ({origin}), but the {self.role} is in "
                f"{', '.join(known)}, says {self.file.place(self.role, 'account_id')}",
                f"work in the {self.role}'s account, or correct the file",
            )
            raise DiscoveryError([problem])

    def tell_neighbours(self) -> None:
        """Write what the other stacks' parameters need of this one into their tables.

        In a migration the source takes the target as its destination, without a backup stack: then
        its preset in the file is migration-destination.
        """
        preset = self.file.tables.get("source.stack-parameters", {}).get("preset", ())
        migration = preset == ("migration-destination",)
        self._tell_origins(migration=migration)
        if self.role == ("source" if migration else "backup"):
            account = (self.here["account_id"],)
            table = "target.stack-parameters"
            self.take("restore_source_account_id", account, f"[{self.role}]", table)

    def _tell_origins(self, *, migration: bool) -> None:
        """Write vault and buckets into the tables of the stacks that send their data here."""
        vault_arn = self._vault_arn()
        if vault_arn and self.role == "target" and not self.has("destination_vault_arn"):
            self.take("destination_vault_arn", vault_arn, "BackupVault")
        origins = {
            "backup": [] if migration else ["source"],
            "target": ["backup", "source"] if migration else ["backup"],
        }.get(self.role, [])
        for origin in origins:
            table = f"{origin}.stack-parameters"
            if vault_arn:
                self.take("destination_vault_arn", vault_arn, f"[{self.role}]", table)
            buckets = self.has("bucket_arn")
            if buckets:
                self.take("destination_bucket_arn", buckets, f"[{self.role}] bucket_arn", table)

    def _vault_arn(self) -> tuple[str, ...]:
        vault = self.has("backup_vault_name")
        if not vault:
            return ()
        region, account_id = self.here["region"], self.here["account_id"]
        partition = Region(region).aws_partition
        return (f"arn:{partition}:backup:{region}:{account_id}:backup-vault:{vault[0]}",)


def first(file: ValuesFile, table: str, name: str) -> Optional[str]:
    """Return the first text of a value in the file."""
    return next(iter(file.tables.get(table, {}).get(name, ())), None)
