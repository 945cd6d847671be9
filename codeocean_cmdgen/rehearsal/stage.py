"""The world of a rehearsal: deployments with hosts, volumes, databases and buckets.

When a script has created or updated a stack, this module creates the resources of its template.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import trustme

from codeocean_cmdgen.rehearsal import proof
from codeocean_cmdgen.rehearsal.database import (
    Contents,
    Database,
    Databases,
    example_contents,
    new_contents,
    rows,
    serve,
)
from codeocean_cmdgen.simulator import World, backends, lifecycle, replication, templates
from codeocean_cmdgen.simulator.host import Host, HostUnavailableError
from codeocean_cmdgen.simulator.trees import fingerprint, plant
from codeocean_cmdgen.simulator.world import (
    BACKUP,
    DATABASE,
    KINDS,
    REGION,
    SOURCE,
    TARGET,
    vendor_lifecycle,
)
from codeocean_cmdgen.values import BucketArn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeocean_cmdgen.simulator import Simulator
    from codeocean_cmdgen.simulator.backup import RecoveryPoint
    from codeocean_cmdgen.simulator.cloudformation import Stack

ACCOUNTS = {"source": SOURCE, "backup": BACKUP, "target": TARGET}
STACK_NAMES = {"source": "codeocean", "backup": "codeocean-backup", "target": "codeocean"}
DATABASES = {"source": "codeocean-analyticsdbinstance-0src", "target": DATABASE}
PASSWORDS = {"source": "Source0Canary7Password", "target": "Target0Canary7Password"}
PARAMETERS = {
    "auth/oidc": ("SecureString", 'canary-7-oidc "quoted" $HOME'),
    "smtp/password": ("SecureString", "canary-7-smtp\n"),
    "domain": ("String", "codeocean.example.com"),
}
_SERVICES = ("s3.amazonaws.com", "batchoperations.s3.amazonaws.com")
_ROLES = {
    "source": "codeocean-S3BackupRole-1ABC",
    "backup": "codeocean-backup-S3RestoreRole-1ABC",
}
_EMPTY = "licenses"  # a bucket without objects, for which S3 reports a failed job
_SAVED = ".codeocean-secrets/parameters.json"  # on the data volume, written by secrets-save
_AT_WORK = b"codeocean"  # the folder that the running application writes into
_STEP = 30.0


class Missing(NamedTuple):
    """Why parts of the world are not available on this machine; empty if they are."""

    host: str = ""
    database: str = ""


class Stage:
    """The three deployments, as far as they exist."""

    kinds: tuple[str, ...] = KINDS
    """The kinds of content of a deployment's buckets."""

    def __init__(self, simulator: Simulator, aws: Path) -> None:
        """Start with only an organization; ``aws`` is the folder of the hosts' AWS CLI."""
        self.simulator, self.world = simulator, World(simulator)
        self.hosts: dict[str, Host] = {}
        self.missing = Missing()
        self._aws, self._authority = aws, trustme.CA()
        self._closing = ExitStack()
        self._databases: dict[str, Databases] = {}
        self.world.organization()
        self.world.templates()
        service_role = "AWSBackupDefaultServiceRole"
        self.world.role(BACKUP, service_role, ["backup.amazonaws.com"], "/service-role/")

    def close(self) -> None:
        """Remove all running servers and hosts."""
        for server in self.simulator.rds.servers.values():
            server.close()
        self.simulator.rds.servers.clear()
        self._closing.close()

    # The state of the world.

    def stack(self, word: str) -> Stack | None:
        """Return the stack of a deployment."""
        return self.simulator.cloudformation.stack(ACCOUNTS[word], REGION, STACK_NAMES[word])

    def buckets(self, word: str) -> dict[str, str]:
        """Return the names of a deployment's buckets by kind of content."""
        return {kind: f"codeocean-{word}-{kind}" for kind in self.kinds}

    def _has_buckets(self, word: str) -> bool:
        return all(map(backends.find_bucket, self.buckets(word).values()))

    def _names(self) -> list[str]:
        """Return the kinds of buckets in the spelling of the templates."""
        return [name for name in templates.BUCKETS if name.lower() in self.kinds]

    def database(self, word: str) -> Database | None:
        """Return a deployment's own database, if PostgreSQL is installed."""
        found = self.simulator.rds.servers.get(_database_arn(word))
        return found if isinstance(found, Database) else None

    def points(self, word: str) -> dict[str, RecoveryPoint]:
        """Return the newest recovery points in a deployment's vault, by type."""
        stack = self.stack(word)
        vault = self.world.vault_of(stack) if stack else ""
        found = [one for one in self.simulator.backup.points.values() if one.vault_arn == vault]
        return {one.resource_type: one for one in sorted(found, key=lambda one: one.completed)}

    # Events.

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.simulator.clock.advance(seconds)

    def build_source(self) -> None:
        """Build a source deployment that is in use."""
        self.world.stack(
            SOURCE, "codeocean", templates.PRIMARY_URL, pDnsRootDomain="codeocean.example.com"
        )
        self.furnish("source")
        for number, kind in enumerate(kind for kind in self.kinds if kind != _EMPTY):
            for key in range(3 + number % 3):
                for age in range(key % 3 + 1, 0, -1):
                    self._write_old(kind, f"data/{key}", age * 24 + number)
            self._age_versions(kind)
        host = self.hosts.get("source")
        if host:
            plant(host.path("/data"))
            host.root("sync")
        for name, (kind_of, value) in PARAMETERS.items():
            self._put_parameter("source", name, kind_of, value)

    def _write_old(self, kind: str, key: str, hours: int, size: int = 0) -> None:
        bucket = backends.find_bucket(f"codeocean-source-{kind}")
        modified = self.simulator.clock.now() - timedelta(hours=hours)
        if bucket:
            content = f"{kind} {key}, {hours} hours old".encode().ljust(size)
            self.world.version(
                bucket, key, content=content, modified=modified, metadata={"age": str(hours)}
            )

    def _age_versions(self, kind: str) -> None:
        """Write old versions into a bucket, and apply its lifecycle rules to them."""
        bucket = backends.find_bucket(f"codeocean-source-{kind}")
        if bucket is None:
            return
        for key, days in (("kept", 30), ("changed", 200), ("changed", 190), ("deleted", 200)):
            self._write_old(kind, f"old/{key}", days * 24, lifecycle.SMALLEST_MOVED)
        long_ago = self.simulator.clock.now() - timedelta(days=190)
        self.world.delete_marker(bucket, "old/deleted", modified=long_ago)
        rules = self.simulator.s3.lifecycle[bucket.name]["Rules"]
        lifecycle.carry_out(bucket, rules, self.simulator.clock.now())

    def build_backup(self) -> None:
        """Build a backup stack, and back up the source to it."""
        self.world.stack(BACKUP, "codeocean-backup", templates.BACKUP_URL, pSourceAccountId=SOURCE)
        self.furnish("backup")
        self._point_source_to_backup()
        self.apply()
        for kind in self.kinds:
            self._replicate_all(f"codeocean-source-{kind}")

    def _point_source_to_backup(self) -> None:
        """Set the parameters of the source's stack that name the backup's vault and buckets."""
        source, backup = self.stack("source"), self.stack("backup")
        if source and backup:
            prefix = "pDestinationBackup"
            for name in self._names():
                arn = f"arn:aws:s3:::{backup.physical_ids[f'S3{name}Bucket']}"
                source.parameters[f"{prefix}{name}BucketArn"] = arn
            source.parameters[f"{prefix}S3KmsKey"] = f"arn:aws:kms:{REGION}:{BACKUP}:alias/aws/s3"
            source.parameters[f"{prefix}VaultArn"] = self.world.vault_of(backup)

    def _replicate_all(self, name: str) -> None:
        bucket = backends.find_bucket(name)
        if bucket:
            for key in list(bucket.keys):
                for version in bucket.keys.getlist(key):
                    replication.replicate_new(self.simulator.s3, bucket, version)

    def furnish(self, word: str) -> None:
        """Create the resources of a complete stack, unless they exist."""
        stack = self.stack(word)
        buckets = self.buckets(word)
        if stack is None or self._has_buckets(word):
            return
        for name in self._names():
            stack.physical_ids[f"S3{name}Bucket"] = buckets[name.lower()]
            bucket = self.world.bucket(stack.account, buckets[name.lower()])
            self.world.lifecycle(bucket, vendor_lifecycle(name.lower()))
        if word == "backup":
            stack.physical_ids["BackupVault"] = "codeocean-backup-v1"
            self.world.vault(BACKUP, "codeocean-backup-v1", copied_from=SOURCE)
            return
        instance = self._boot(word)
        self.world.furnish(
            stack,
            database=DATABASES[word],
            copied_from=stack.parameters["pRestoreSourceAccountId"],
            password=PASSWORDS[word],
            **instance,
        )
        self._serve(word, stack)

    def _boot(self, word: str) -> dict[str, str]:
        """Boot the services instance; return its ID and that of its data volume."""
        named = {"AnalyticsDB": {"Host": database_host(word), "Port": "5432"}}
        try:
            host = Host(self.simulator, ACCOUNTS[word], aws=self._aws, stack_json=named)
        except HostUnavailableError as reason:
            self.missing = Missing(str(reason), str(reason))
            tags = {"codeocean:deployment": STACK_NAMES[word]}
            ec2, zone = self.simulator.ec2, f"{REGION}a"
            return {
                "instance": ec2.instance(ACCOUNTS[word], zone, tags=tags),
                "data_volume": ec2.volume(ACCOUNTS[word], zone, tags=tags),
            }
        self.hosts[word] = self._closing.enter_context(host)
        return {"instance": host.instance_id, "data_volume": host.data_volume_id}

    def _serve(self, word: str, stack: Stack) -> None:
        """Run a database server in the network of the instance."""
        if word not in self.hosts:
            return
        try:
            databases = Databases(self.hosts[word], self._authority)
            contents = (example_contents if word == "source" else new_contents)(PASSWORDS[word])
            serve(self.simulator, databases, _database_arn(word), contents)
        except HostUnavailableError as reason:
            self.missing = Missing(self.missing.host, str(reason))
            return
        self._databases[stack.account] = databases
        self._closing.callback(databases.close)
        self.simulator.rds.start = lambda instance, contents: self._databases[
            instance.account
        ].start(instance, contents)

    def apply(self) -> None:
        """Apply the stacks' parameters as the vendor's templates do."""
        for word in ("source", "backup"):
            stack = self.stack(word)
            if stack and self._has_buckets(word):
                self._replicate_to(word, stack)
        for word in ("source", "target"):
            stack = self.stack(word)
            if stack and "BackupVault" in stack.physical_ids:
                self._copy_to(stack)

    def _replicate_to(self, word: str, stack: Stack) -> None:
        role = f"arn:aws:iam::{stack.account}:role/{_ROLES[word]}"
        for kind, destination in _destinations(stack).items():
            source = backends.find_bucket(self.buckets(word).get(kind, ""))
            target = backends.find_bucket(BucketArn(destination).name)
            known = self.simulator.s3.replication.get(source.name, {"Rules": []}) if source else {}
            there = {rule["Destination"]["Bucket"] for rule in known.get("Rules", ())}
            if source and target and destination not in there:
                if backends.find_role(role) is None:
                    self.world.role(stack.account, _ROLES[word], _SERVICES)
                self.simulator.s3.replication.pop(source.name, None)
                storage_class = stack.parameters.get("pDestinationBackupS3StorageClass")
                self.world.replication_rule(
                    source, target, role=role, storage_class=storage_class or "STANDARD"
                )
            elif source and not destination:
                self.simulator.s3.replication.pop(source.name, None)

    def _copy_to(self, stack: Stack) -> None:
        own = self.world.vault_of(stack)
        destination = stack.parameters["pDestinationBackupVaultArn"]
        copies = self.simulator.backup.automatic_copies
        copies.pop(own, None)
        if destination:
            copies[own] = destination
        allowed = stack.parameters["pRestoreSourceAccountId"]
        self.world.allow(own, allowed)

    def back_up(self) -> dict[str, RecoveryPoint]:
        """Do what the vendor's backup plan does every night; return the copied recovery points."""
        stack = self.stack("source")
        assert stack  # noqa: S101 - it is in use
        client = self.simulator.account(SOURCE).client("backup")
        volume = stack.physical_ids["DataVolume"]
        for arn in (f"arn:aws:ec2:{REGION}:{SOURCE}:volume/{volume}", _database_arn("source")):
            client.start_backup_job(
                BackupVaultName=stack.physical_ids["BackupVault"],
                ResourceArn=arn,
                IamRoleArn=f"arn:aws:iam::{SOURCE}:role/{stack.physical_ids['BackupRole']}",
                Lifecycle={"DeleteAfterDays": 1},
            )
        while len(self.points("backup")) < 2:  # noqa: PLR2004 - volume and database
            self.wait(_STEP)
        return self.points("backup")

    def write(self, word: str, note: str) -> None:
        """Let people work: create, overwrite and delete objects; write files, rows and secrets."""
        for kind in self.kinds:
            if kind != _EMPTY:
                self.write_object(word, kind, f"new/{note}", note)
                self.write_object(word, kind, "data/0", note)
        self._delete_object(word, "capsules", "data/1")
        self._delete_object(word, "datasets", "data/0")
        host = self.hosts.get(word)
        if host:
            host.path(f"/data/gitea/{note}").write_text(note, encoding="utf-8")
            host.path("/data/couchdb/shard").write_text(note, encoding="utf-8")
            host.root("sync")  # as the kernel does within half a minute
        database = self.database(word)
        if database:
            database.sql(f"INSERT INTO logins VALUES ('{note}')")  # noqa: S608 - our own text
        self._put_parameter(word, f"notes/{note}", "String", note)

    def write_object(self, word: str, kind: str, key: str, content: str) -> None:
        """Write an object into a bucket of a deployment."""
        bucket = backends.find_bucket(f"codeocean-{word}-{kind}")
        if bucket:
            version = self.world.version(bucket, key, content=content.encode())
            replication.replicate_new(self.simulator.s3, bucket, version)

    def _delete_object(self, word: str, kind: str, key: str) -> None:
        bucket = backends.find_bucket(f"codeocean-{word}-{kind}")
        if bucket:
            marker = self.world.delete_marker(bucket, key)
            replication.replicate_new(self.simulator.s3, bucket, marker)

    def _put_parameter(self, word: str, name: str, kind: str, value: str) -> None:
        self.simulator.account(ACCOUNTS[word]).client("ssm").put_parameter(
            Name=f"/{STACK_NAMES[word]}/{name}", Type=kind, Value=value, Overwrite=True
        )

    def destroy_source(self) -> None:
        """Lose the source's account with everything in it."""
        host = self.hosts.pop("source", None)
        database = self.simulator.rds.servers.pop(_database_arn("source"), None)
        if database:
            database.close()
        if host:
            host.close()
        self.world.lose(SOURCE)

    # The state that is compared.

    def state(self, word: str) -> dict[str, Any]:
        """Return the current content of a deployment."""
        database = self.database(word) if word in DATABASES else None
        host = self.hosts.get(word)
        found: dict[str, Any] = {
            "object versions": proof.objects(self.buckets(word)),
        }
        if host:
            host.root("sync")
            found["files"] = fingerprint(host.path("/data"))
        if database:
            found["rows"] = rows(database.snapshot())
        if host:
            found["secrets"] = proof.secrets(
                self.simulator, ACCOUNTS[word], REGION, STACK_NAMES[word]
            )
        return found

    def state_of(self, points: dict[str, RecoveryPoint], word: str) -> dict[str, Any]:
        """Return the content of recovery points; ``word`` names the instance that mounts them."""
        found: dict[str, Any] = {}
        if points["EBS"].contents and word in self.hosts:
            with self._mounted(points["EBS"], self.hosts[word]) as root:
                found["files"] = fingerprint(root)
                found["secrets"] = proof.saved_secrets(root / _SAVED)
        contents: Contents | None = points["RDS"].contents
        if contents:
            found["rows"] = rows(contents)
        return found

    @contextmanager
    def _mounted(self, point: RecoveryPoint, host: Host) -> Iterator[Path]:
        """Mount the content of a volume's recovery point."""
        ec2 = self.simulator.ec2
        volume = ec2.volume(host.account_id, host.zone, snapshot_id=point.contents)
        folder = "/run/rehearsal"
        device = host.attach(volume, "/dev/sdz")
        host.root("mkdir", "--parents", folder)
        host.root("mount", "--options=nouuid", device, folder)
        try:
            yield host.path(folder)
        finally:
            host.root("umount", folder)
            client = self.simulator.account(host.account_id).client("ec2")
            client.detach_volume(VolumeId=volume)
            self.wait(_STEP)
            client.delete_volume(VolumeId=volume)


def without_work(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without the files that a running application writes."""
    files = {
        name: file
        for name, file in state.get("files", {}).items()
        if name.split(b"/")[0] not in {b".", _AT_WORK}
    }
    return {**state, **({"files": files} if "files" in state else {})}


def database_host(word: str) -> str:
    """Return the name of a deployment's database server."""
    return f"{DATABASES[word]}.example.{REGION}.rds.amazonaws.com"


def _database_arn(word: str) -> str:
    return f"arn:aws:rds:{REGION}:{ACCOUNTS[word]}:db:{DATABASES[word]}"


def _destinations(stack: Stack) -> dict[str, str]:
    """Return the ARNs of the buckets that a stack replicates to, empty for the others."""
    return {
        name.lower(): next(
            (
                stack.parameters[parameter]
                for parameter in (f"pDestinationBackup{name}BucketArn", f"pMadeUp{name}")
                if parameter in stack.parameters
            ),
            "",
        )
        for name in templates.BUCKETS
    }
