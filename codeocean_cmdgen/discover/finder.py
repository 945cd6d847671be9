"""Collects the facts that were found about a deployment, and those that were not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import why_not
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.inputs.deployment_file import TABLES
from codeocean_cmdgen.inputs.update import Fact
from codeocean_cmdgen.values import Arn, Region, VaultArn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile


class Found(NamedTuple):
    """The facts that were found, and the missing ones with the reason."""

    facts: list[Fact]
    missing: list[Problem]


class Finder:
    """Collects the facts of one deployment."""

    def __init__(self, role: str, file: DeploymentFile) -> None:
        self.role = role
        self.file = file
        self.facts: list[Fact] = []
        self.missing: list[Problem] = []
        self.here: dict[str, str] = {}

    def take(self, name: str, texts: tuple[str, ...], origin: str, table: str = "") -> None:
        """Keep a fact if it is valid."""
        table = table or self.role
        reasons = why_not(name, texts)
        self.missing += [Problem(f"{name} of [{table}]: {why} ({origin})") for why in reasons]
        if not reasons:
            self.facts.append(Fact(table, name, texts, origin))

    def miss(self, name: str, why: str, hint: str = "", table: str = "") -> None:
        """Remember that a fact was not found."""
        self.missing.append(Problem(f"{name} of [{table or self.role}]: {why}", hint))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a fact in the role's own table; none if it was not found."""
        own = (fact for fact in self.facts if (fact.table, fact.name) == (self.role, name))
        return next((fact.texts for fact in own), ())

    def choose_one(self, name: str, candidates: Mapping[str, str]) -> Optional[str]:
        """Return the value among the candidates (text -> its origin), or None if there is none.

        Raises:
            DiscoveryError: there are several candidates, and the file names none of them.

        """
        table = self.role
        if len(candidates) > 1:
            known = self.file.texts(table, name)
            chosen = [one for one in candidates if (one,) == known]
            if not chosen:
                listed = ", ".join(f"{one} ({origin})" for one, origin in candidates.items())
                problem = Problem(
                    f"{name} of [{table}]: there are {len(candidates)} candidates: {listed}",
                    f"write the right one into [{table}] of {self.file.position()}, "
                    f'{name} = "...", and run this again',
                )
                raise DiscoveryError([problem])
            return chosen[0]
        return next(iter(candidates), None)

    def set_place(self, account_id: str, region: str, stack_name: str, origin: str) -> None:
        """Set the place of the deployment.

        Raises:
            DiscoveryError: by the file, it is elsewhere, or another deployment is there.

        """
        self.demand_account(account_id, origin)
        here = {"account_id": account_id, "region": region, "stack_name": stack_name}
        self.here = here
        for other in TABLES:
            known = self.file.tables.get(other, {})
            if other != self.role and all(known.get(name) == (here[name],) for name in here):
                problem = Problem(
                    f"stack {stack_name} in account {account_id}, {region}, is already the "
                    f"[{other}] of {self.file.position(other)}, so it cannot be the {self.role}",
                    f"use credentials of the {self.role}'s account, or correct the file",
                )
                raise DiscoveryError([problem])

    def demand_account(self, account_id: str, origin: str) -> None:
        """Refuse an account other than the role's in the file, or else one of another role.

        Deployments may share an account, but then a person has to say so: credentials of the
        wrong account are the likelier cause.

        Raises:
            DiscoveryError: see above.

        """
        here = f"this is account {account_id} ({origin})"
        for known, where in _account_ids(self.file, self.role):
            if known == account_id:
                return
            problem = Problem(
                f"{here}, but the {self.role} is in {known} ({where})",
                f"use credentials of the {self.role}'s account, or correct the file",
            )
            raise DiscoveryError([problem])
        for other in TABLES:
            for known, where in _account_ids(self.file, other):
                if known == account_id:
                    raise DiscoveryError([self._account_of_another(here, account_id, other, where)])

    def _account_of_another(self, here: str, account_id: str, other: str, where: str) -> Problem:
        return Problem(
            f"{here}, which is the {other}'s ({where}): expected the {self.role}'s account",
            f"use credentials of the {self.role}'s account; or, if both share this one, write "
            f'account_id = "{account_id}" into [{self.role}] of {self.file.position()}',
        )

    def fill_tables_of_others(self) -> None:
        """Add the facts that the parameters of other stacks need to the tables of those stacks.

        In a migration the target is the source's destination, and there is no backup stack. The
        source's preset in the file is then migration-destination.
        """
        preset = self.file.texts("source.stack-parameters", "preset")
        migration = preset == ("migration-destination",)
        self._fill_tables_of_origins(migration=migration)
        if self.role == ("source" if migration else "backup"):
            account = (self.here["account_id"],)
            table = "target.stack-parameters"
            self.take("restore_source_account_id", account, f"[{self.role}]", table)

    def _fill_tables_of_origins(self, *, migration: bool) -> None:
        """Add vault and buckets to the tables of the stacks that copy their data here."""
        vault_arn = self._vault_arn()
        if vault_arn and self.role == "target" and not self.texts("destination_vault_arn"):
            self.take("destination_vault_arn", vault_arn, vendor.BACKUP_VAULT)
        origins = {
            "backup": [] if migration else ["source"],
            "target": ["backup", "source"] if migration else ["backup"],
        }.get(self.role, [])
        for origin in origins:
            table = f"{origin}.stack-parameters"
            if vault_arn:
                self.take("destination_vault_arn", vault_arn, f"[{self.role}]", table)
            buckets = self.texts("bucket_arn")
            if buckets:
                self.take("destination_bucket_arn", buckets, f"[{self.role}] bucket_arn", table)

    def _vault_arn(self) -> tuple[str, ...]:
        vault = self.texts("backup_vault_name")
        if not vault:
            return ()
        region = Region(self.here["region"])
        return (VaultArn.named(vault[0], region, self.here["account_id"]),)


_OWN_VAULT = {
    "target": ("target", "backup", "backup.snapshot-copy", "backup.stack-parameters"),
}
"""Role -> the tables whose destination_vault_arn names a vault of that role."""


def _account_ids(file: DeploymentFile, role: str) -> Iterator[tuple[str, str]]:
    """Yield the accounts of a role that a file gives, and where: directly, or in an ARN."""
    names = [(role, "account_id")]
    names += [(table, "role_arn") for table in file.tables_of(role)]
    names += [(table, "destination_vault_arn") for table in _OWN_VAULT.get(role, ())]
    for table, name in names:
        for text in file.texts(table, name):
            account_id = text if name == "account_id" else Arn(text).account_id
            yield account_id, file.position(*table.split("."), name)


def first(file: DeploymentFile, table: str, name: str) -> Optional[str]:
    """Return the first text of a value in the file."""
    return next(iter(file.texts(table, name)), None)
