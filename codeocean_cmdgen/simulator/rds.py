"""RDS: database instances, their states, and changes that take time.

Sources: rds service model; RDS User Guide, "Viewing DB instance status" and "Deleting a DB
instance"; hashicorp/terraform-provider-aws#31445 on the state after a modification. Times are
chosen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Callable, Protocol

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call

_PASSWORD_LENGTHS = range(8, 129)
_DELETING = timedelta(minutes=1)


@dataclass
class Modification:
    """A pending change: it shows some time after the request, and is applied after that."""

    noticed: datetime
    applied: datetime
    password: str | None
    security_groups: list[str] | None


@dataclass
class Instance:
    """One DB instance. It is usable from ``available_at`` to ``gone_at``."""

    account: str
    region: str
    identifier: str
    available_at: datetime
    subnet_group: str = "default"
    security_groups: list[str] = field(default_factory=list)
    parameter_group: str = "default.postgres15"
    instance_class: str = "db.t4g.small"
    engine_version: str = "15.7"
    gib: int = 20
    multi_az: bool = False
    public: bool = False
    iam_authentication: bool = False
    deletion_protection: bool = False
    backup_retention_days: int = 0
    storage_type: str = "gp3"
    password: str = "as it was when the backup was made"  # noqa: S105 - nobody's
    tags: dict[str, str] = field(default_factory=dict)
    modification: Modification | None = None
    gone_at: datetime | None = None
    retains_backups: bool = False

    @property
    def arn(self) -> str:
        """The DBInstanceArn."""
        partition = backends.partition_of(self.region)
        return f"arn:{partition}:rds:{self.region}:{self.account}:db:{self.identifier}"

    @property
    def resource_id(self) -> str:
        """The DbiResourceId, which differs even between instances of the same name."""
        digest = hashlib.sha256(f"{self.arn} {self.available_at}".encode()).hexdigest()
        return f"db-{digest[:26].upper()}"

    @property
    def family(self) -> str:
        """The DBParameterGroupFamily that fits the engine version."""
        return f"postgres{self.engine_version.partition('.')[0]}"

    @property
    def address(self) -> str:
        """The address of the endpoint."""
        return f"{self.identifier}.example.{self.region}.rds.amazonaws.com"

    def status(self, now: datetime) -> str:
        """Return the DBInstanceStatus."""
        if self.gone_at:
            return "deleting"
        if now < self.available_at:
            return "creating"
        if self.modification and now >= self.modification.noticed:
            return "resetting-master-credentials" if self.modification.password else "modifying"
        return "available"


class Server(Protocol):
    """The server behind an instance's endpoint."""

    def snapshot(self) -> object:
        """Return its content."""

    def set_password(self, password: str) -> None:
        """Change the password of the master user."""

    def close(self) -> None:
        """Stop, and delete its content."""


class Rds:
    """The DB instances of all accounts.

    ``servers`` holds the servers behind the endpoints, by the instance's ARN. When a restored
    instance becomes available, ``start`` creates its server from the result of
    ``Server.snapshot``.

    ``seconds_unnoticed`` is how long a modified instance is still shown as available, and
    ``seconds_modifying`` how long the change then takes. With ``shows_pending`` off, pending
    changes are not shown. ``quota`` is the number of instances that an account may have.
    """

    def __init__(self, clock: Clock) -> None:
        """Start without instances."""
        self.seconds_unnoticed = 20.0
        self.seconds_modifying = 20.0
        self.shows_pending = True
        self.quota = 40
        self.instances: list[Instance] = []
        self.retained: list[Instance] = []
        self.servers: dict[str, Server] = {}
        self.start: Callable[[Instance, Any], Server] | None = None
        self.vpcs: dict[str, str] = {}
        """Subnet group or security group -> its VPC."""
        self._clock = clock
        self.operations = {
            "AddTagsToResource": self._add_tags,
            "DeleteDBInstance": self._delete,
            "DescribeDBInstanceAutomatedBackups": self._describe_automated_backups,
            "DescribeDBInstances": self._describe,
            "ModifyDBInstance": self._modify,
        }

    def database(self, account: str, region: str, identifier: str, **facts: Any) -> Instance:  # noqa: ANN401 - of Instance
        """Create an instance that is available at once; ``facts`` are fields of Instance."""
        instance = Instance(account, region, identifier, self._clock.now(), **facts)
        for group in (instance.subnet_group, *instance.security_groups):
            self.vpcs.setdefault(group, "vpc-0123456789abcdef0")
        self.instances.append(instance)
        return instance

    def find(self, account: str, region: str, name: str) -> Instance | None:
        """Return an instance by its identifier or ARN."""
        for one in self.instances:
            if (one.account, one.region) == (account, region) and name in {one.identifier, one.arn}:
                return one
        return None

    def snapshot(self, arn: str) -> object:
        """Return the current content of an instance; None if no server runs."""
        return self.servers[arn].snapshot() if arn in self.servers else None

    def launch(self, arn: str, contents: object) -> None:
        """Start the server behind a restored instance, if it has one."""
        for one in self.instances:
            if one.arn == arn and self.start and contents is not None:
                self.servers[arn] = self.start(one, contents)

    def why_not_create(self, instance: Instance) -> str | None:
        """Return why an instance cannot be created, in the words of RDS."""
        groups = {self.vpcs.get(group) for group in instance.security_groups}
        families = {one.parameter_group: one.family for one in self.instances}
        family = families.get(instance.parameter_group, instance.family)
        of_account = [one for one in self.instances if one.account == instance.account]
        taken = self.find(instance.account, instance.region, instance.identifier)
        reasons = {
            f"DBSubnetGroup {instance.subnet_group} not found.": (
                instance.subnet_group not in self.vpcs
            ),
            "The DB instance and EC2 security group are in different VPCs.": (
                groups != {self.vpcs.get(instance.subnet_group)}
            ),
            f"The parameter group {instance.parameter_group} with DBParameterGroupFamily {family} "
            f"cannot be used for this instance. Please use one with {instance.family}": (
                family != instance.family
            ),
            "DB instance already exists": taken is not None,
            "Instance quota exceeded: you have reached the maximum number of DB instances": (
                len(of_account) >= self.quota
            ),
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def settle(self) -> None:
        """Apply due changes, and remove deleted instances."""
        now = self._clock.now()
        for one in self.instances[:]:
            change = one.modification
            if change and change.applied <= now:
                if change.password and one.arn in self.servers:
                    self.servers[one.arn].set_password(change.password)
                one.password = change.password or one.password
                one.security_groups = change.security_groups or one.security_groups
                one.modification = None
            if one.gone_at and one.gone_at <= now:
                self.instances.remove(one)
                if one.arn in self.servers:
                    self.servers.pop(one.arn).close()
                if one.retains_backups:
                    self.retained.append(one)

    def _find(self, call: Call, name: str) -> Instance:
        instance = self.find(call.account, call.region, name)
        if instance is None:
            message = f"DBInstance {name} not found."
            raise AwsError(message, "DBInstanceNotFound", 404)
        return instance

    def _describe(self, call: Call) -> dict[str, Any]:
        if call.parameters.get("Filters"):
            message = "the simulator does not filter DB instances"
            raise AwsError(message, "NotImplemented", 501)
        name = call.parameters.get("DBInstanceIdentifier")
        own = [
            one
            for one in self.instances
            if (one.account, one.region) == (call.account, call.region)
        ]
        chosen = [self._find(call, name)] if name else own
        return {"DBInstances": [self._description(one) for one in chosen]}

    def _description(self, one: Instance) -> dict[str, Any]:
        now = self._clock.now()
        change, pending = one.modification, {}
        if change and change.password and self.shows_pending:
            pending["MasterUserPassword"] = "****"
        groups = change.security_groups if change and change.security_groups else []
        joining = [group for group in groups if group not in one.security_groups]
        return {
            "DBInstanceIdentifier": one.identifier,
            "DBInstanceArn": one.arn,
            "DbiResourceId": one.resource_id,
            "DBInstanceClass": one.instance_class,
            "DBInstanceStatus": one.status(now),
            "Engine": "postgres",
            "EngineVersion": one.engine_version,
            "MasterUsername": "root",
            "AllocatedStorage": one.gib,
            "StorageType": one.storage_type,
            "StorageEncrypted": True,
            "MultiAZ": one.multi_az,
            "PubliclyAccessible": one.public,
            "IAMDatabaseAuthenticationEnabled": one.iam_authentication,
            "DeletionProtection": one.deletion_protection,
            "BackupRetentionPeriod": one.backup_retention_days,
            "PendingModifiedValues": pending,
            "DBSubnetGroup": {
                "DBSubnetGroupName": one.subnet_group,
                "VpcId": self.vpcs.get(one.subnet_group),
            },
            "VpcSecurityGroups": [
                *({"VpcSecurityGroupId": one, "Status": "active"} for one in one.security_groups),
                *({"VpcSecurityGroupId": one, "Status": "adding"} for one in joining),
            ],
            "DBParameterGroups": [
                {"DBParameterGroupName": one.parameter_group, "ParameterApplyStatus": "in-sync"}
            ],
            "TagList": [{"Key": key, "Value": value} for key, value in one.tags.items()],
            # An instance has these only after its creation.
            **(
                {
                    "Endpoint": {"Address": one.address, "Port": 5432},
                    "InstanceCreateTime": one.available_at,
                }
                if one.status(now) != "creating"
                else {}
            ),
        }

    def _modify(self, call: Call) -> dict[str, Any]:
        given = call.parameters
        instance = self._find(call, given["DBInstanceIdentifier"])
        known = {
            "ApplyImmediately",
            "DBInstanceIdentifier",
            "MasterUserPassword",
            "VpcSecurityGroupIds",
        }
        if set(given) - known:
            message = f"the simulator does not modify {', '.join(sorted(set(given) - known))}"
            raise AwsError(message, "NotImplemented", 501)
        _demand_available(instance, self._clock.now())
        password = given.get("MasterUserPassword")
        if password is not None:
            _check_password(password)
        for group in given.get("VpcSecurityGroupIds", []):
            if self.vpcs.get(group) != self.vpcs.get(instance.subnet_group):
                message = "The DB instance and EC2 security group are in different VPCs."
                raise AwsError(message, "InvalidVPCNetworkStateFault")
        noticed = self._clock.now() + timedelta(seconds=self.seconds_unnoticed)
        instance.modification = Modification(
            noticed,
            noticed + timedelta(seconds=self.seconds_modifying),
            password,
            given.get("VpcSecurityGroupIds"),
        )
        return {"DBInstance": self._description(instance)}

    def _delete(self, call: Call) -> dict[str, Any]:
        given = call.parameters
        instance = self._find(call, given["DBInstanceIdentifier"])
        if bool(given.get("SkipFinalSnapshot")) == ("FinalDBSnapshotIdentifier" in given):
            message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            raise AwsError(message, "InvalidParameterCombination")
        if instance.deletion_protection:
            message = (
                "Cannot delete protected DB Instance, please disable deletion protection and try "
                "again."
            )
            raise AwsError(message, "InvalidParameterCombination")
        now = self._clock.now()
        if instance.status(now) in {"creating", "deleting"}:
            message = f"Instance {instance.identifier} is currently {instance.status(now)}."
            raise AwsError(message, "InvalidDBInstanceState")
        instance.gone_at = now + _DELETING
        keeps = not given.get("DeleteAutomatedBackups", True)
        instance.retains_backups = keeps and instance.backup_retention_days > 0
        return {"DBInstance": self._description(instance)}

    def _describe_automated_backups(self, call: Call) -> dict[str, Any]:
        wanted = call.parameters.get("DbiResourceId")
        kept = [one for one in self.instances if one.backup_retention_days] + self.retained
        found = [
            {
                "DBInstanceIdentifier": one.identifier,
                "DbiResourceId": one.resource_id,
                "Status": "retained" if one in self.retained else "active",
            }
            for one in kept
            if (one.account, one.region) == (call.account, call.region)
            and wanted in {None, one.resource_id}
        ]
        if wanted and not found:
            message = f"There is no automated backup of {wanted}."
            raise AwsError(message, "DBInstanceAutomatedBackupNotFound", 404)
        return {"DBInstanceAutomatedBackups": found}

    def _add_tags(self, call: Call) -> dict[str, Any]:
        instance = self._find(call, call.parameters["ResourceName"])
        for tag in call.parameters["Tags"]:
            if tag["Key"].lower().startswith("aws:"):
                message = "Tag keys starting with 'aws:' are reserved for internal use"
                raise AwsError(message, "InvalidParameterValue")
            instance.tags[tag["Key"]] = tag.get("Value", "")
        return {}


def _demand_available(instance: Instance, now: datetime) -> None:
    status = instance.status(now)
    if status != "available":
        message = f"Database instance is not in available state: {status}."
        raise AwsError(message, "InvalidDBInstanceState")


def _check_password(password: str) -> None:
    """Refuse a password that RDS does not allow for PostgreSQL (rds model, MasterUserPassword)."""
    plain = password.isascii() and password.isprintable()
    if not plain or set(password) & set('/"@ ') or len(password) not in _PASSWORD_LENGTHS:
        message = (
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII "
            "characters besides '/', '@', '\"', ' ' may be used."
        )
        raise AwsError(message, "InvalidParameterValue")
