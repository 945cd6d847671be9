"""The kinds of value in a script: pattern, parts, example.

A kind is a `str` whose text matched the kind's pattern when it was checked. The named groups of
the pattern are the parts of the value.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, ClassVar

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
"""Prefix of a Region's code -> partition; every other Region is in `aws`.

Source: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
"""

_PARTITION = r"(?:aws|aws-cn|aws-us-gov)"
_REGION = (
    r"[a-z]{2}(?:-gov)?"
    r"-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]"
)
_ACCOUNT = r"[0-9]{12}"
_VAULT = r"(?P<name>[A-Za-z0-9_-]{2,50})"


class Value(str):
    """A text of one kind. Create it only of a text for which `why_not` says nothing."""

    __slots__ = ()

    what: ClassVar[str]
    """The kind in words, with an article."""
    expected: ClassVar[str]
    """The form in words."""
    example: ClassVar[str]
    metavar: ClassVar[str]
    """Its placeholder in `--help`."""
    pattern: ClassVar[str]

    @classmethod
    def why_not(cls, text: str) -> str:
        """Return why the text is not of this kind; empty if it is."""
        if not cls._match(text):
            advice = ": ".join(filter(None, [_recognized(text, cls), cls.advice(text)]))
            return (
                f"{shown(text)} is not {cls.what}: expected {cls.expected}, such as {cls.example}"
                + (f"; {advice}" if advice else "")
            )
        return cls.rule_broken(text)

    @classmethod
    def advice(cls, text: str) -> str:  # noqa: ARG003 - for kinds with a common mistake
        """Return advice if the text is a common mistake for this kind; otherwise empty."""
        return ""

    @classmethod
    def rule_broken(cls, text: str) -> str:  # noqa: ARG003 - for kinds with further rules
        """Return which further rule a text that matches the pattern breaks; empty if none."""
        return ""

    @classmethod
    def _match(cls, text: str) -> re.Match[str] | None:
        return re.fullmatch(cls.pattern, text, re.ASCII)

    def _part(self, name: str) -> str:
        match = self._match(self)
        if match is None:
            message = f"{self!r} was not checked"
            raise AssertionError(message)
        return match[name]


class Arn(Value):
    """An Amazon Resource Name; empty parts are empty strings."""

    __slots__ = ()
    what = "an ARN"
    expected = "arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"
    example = "arn:aws:rds:us-east-1:111111111111:db:codeocean-analyticsdbinstance-1abc"
    metavar = "ARN"
    pattern = r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+"

    @classmethod
    def of(cls, service: str, resource: str, place: Arn) -> Arn:
        """Return the ARN of a resource in the partition, Region and account of another."""
        where = f"{place.region}:{place.account_id}"
        return Arn(f"arn:{place.aws_partition}:{service}:{where}:{resource}")

    @classmethod
    def rule_broken(cls, text: str) -> str:
        """Compare the partition with that of the Region."""
        arn = cls(text)
        home = Region(arn.region).aws_partition
        if arn.region and arn.aws_partition != home:
            return (
                f"{shown(text)} cannot exist: Region {arn.region} is in partition {home}, not in "
                f"{arn.aws_partition}"
            )
        return ""

    @property
    def aws_partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.split(":")[1]

    @property
    def region(self) -> str:
        """The Region field; empty for IAM and S3."""
        return self.split(":")[3]

    @property
    def account_id(self) -> str:
        """The account field; empty for S3 buckets and EBS snapshots."""
        return self.split(":")[4]

    @property
    def resource(self) -> str:
        """The resource, with its type: `volume/vol-0123456789abcdef0`."""
        return self.split(":", 5)[5]

    @property
    def resource_id(self) -> str:
        """The last word of the resource, as consoles show it: `vol-0123456789abcdef0`."""
        return re.split("[:/]", self)[-1]


class AccountId(Value):
    """The ID of an AWS account."""

    __slots__ = ()
    what = "an AWS account ID"
    expected = "12 digits"
    example = "111111111111"
    metavar = "ID"
    pattern = _ACCOUNT

    @classmethod
    def advice(cls, text: str) -> str:
        """Count the digits: even the sample in the vendor's guide has only ten."""
        digits = text.replace("-", "").replace(" ", "")
        if digits == "0123456789":
            return "this is the sample from the vendor's guide, which has only 10"
        if digits.isascii() and digits.isdigit():
            return f"without dashes or spaces; this one has {len(digits)}"
        return ""


class Region(Value):
    """The code of an AWS Region."""

    __slots__ = ()
    what = "an AWS Region"
    expected = "a Region code"
    example = "us-east-1"
    metavar = "REGION"
    pattern = _REGION

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize an Availability Zone."""
        if re.fullmatch(_REGION + "[a-z]", text, re.ASCII):
            return f"this is an Availability Zone of {text[:-1]}"
        return ""

    @property
    def aws_partition(self) -> str:
        """The partition that the Region belongs to."""
        for prefix, partition in PARTITIONS.items():
            if self.startswith(prefix):
                return partition
        return "aws"


class RoleArn(Arn):
    """An IAM role, with its path.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """

    __slots__ = ()
    what = "an IAM role ARN"
    expected = "arn:PARTITION:iam::ACCOUNT:role/PATH/NAME"
    example = "arn:aws:iam::111111111111:role/codeocean-" + vendor.S3_BACKUP_ROLE + "-1ABC"
    pattern = (
        rf"arn:{_PARTITION}:iam::{_ACCOUNT}:role/"
        r"(?:(?:[\w+=,.@-]{1,128}/){0,8})(?P<name>[\w+=,.@-]{1,64})"
    )

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize the ARN of a session or of an instance profile."""
        if ":assumed-role/" in text:
            return "this is the ARN of a session: copy the role's ARN from IAM > Roles"
        if ":instance-profile/" in text:
            return "this is the ARN of an instance profile: copy its role's ARN from IAM > Roles"
        return ""

    @property
    def name(self) -> str:
        """The role's name, without its path."""
        return self._part("name")


class BucketArn(Arn):
    """An S3 general purpose bucket.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    """

    __slots__ = ()
    what = "an S3 bucket ARN"
    expected = "arn:PARTITION:s3:::BUCKET"
    example = "arn:aws:s3:::codeocean-s3capsulesbucket-1abc"
    pattern = rf"arn:{_PARTITION}:s3:::[^/:]+"

    @classmethod
    def advice(cls, text: str) -> str:
        """Suggest the bucket's ARN for a bucket name, a URL or an ARN with a key."""
        name = text.rpartition(":::")[2].replace("s3://", "").split("/")[0]
        mistaken = ":" not in text or "/" in text
        return f"did you mean arn:aws:s3:::{name}?" if mistaken and is_bucket_name(name) else ""

    @classmethod
    def rule_broken(cls, text: str) -> str:
        """Return the broken bucket naming rule."""
        problem = bucket_name_problem(cls(text).name)
        return f"{shown(text)} cannot be a bucket: a bucket name {problem}" if problem else ""

    @classmethod
    def named(cls, name: str, region: Region) -> BucketArn:
        """Return the ARN of a bucket of this name, in the partition of a Region."""
        return cls(f"arn:{region.aws_partition}:s3:::{name}")

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self.rpartition(":::")[2]


def is_bucket_name(name: str) -> bool:
    """Return whether a bucket may have this name."""
    return not bucket_name_problem(name)


def bucket_name_problem(name: str) -> str:
    """Return the bucket naming rule that a name breaks; empty if it breaks none."""
    for broken, rule in _bucket_name_rules(name):
        if broken:
            return rule
    return ""


def _bucket_name_rules(name: str) -> Iterator[tuple[bool, str]]:
    allowed = r"[a-z0-9.-]+"
    prefixes = ("xn--", "sthree-", "amzn-s3-demo-")
    suffixes = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
    yield not 3 <= len(name) <= 63, "has 3 to 63 characters"  # noqa: PLR2004 - the text says it
    yield (
        not re.fullmatch(allowed, name, re.ASCII),
        "contains only lower-case letters, digits, dots and hyphens",
    )
    yield not (name[:1].isalnum() and name[-1:].isalnum()), "begins and ends with a letter or digit"
    yield ".." in name, "never contains two dots in a row"
    yield bool(re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name)), "is not an IP address"
    yield name.startswith(prefixes), f"does not begin with {', '.join(prefixes)}"
    yield name.endswith(suffixes), f"does not end with {', '.join(suffixes)}"


class VaultName(Value):
    """The name of a backup vault. Source: the AWS Backup API, BackupVaultName."""

    __slots__ = ()
    what = "a backup vault name"
    expected = "2 to 50 letters, digits, hyphens and underscores"
    example = "codeocean-backup-v1"
    metavar = "NAME"
    pattern = _VAULT

    @classmethod
    def advice(cls, text: str) -> str:
        """Suggest the name in an ARN."""
        return f"use its name, {VaultArn(text).name}" if not VaultArn.why_not(text) else ""


class VaultArn(Arn):
    """The ARN of a backup vault."""

    __slots__ = ()
    what = "a backup vault ARN"
    expected = "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:NAME"
    example = "arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1"
    pattern = rf"arn:{_PARTITION}:backup:{_REGION}:{_ACCOUNT}:backup-vault:{_VAULT}"

    @classmethod
    def named(cls, name: str, region: Region, account_id: str) -> VaultArn:
        """Return the ARN of a vault of this name."""
        place = f"arn:{region.aws_partition}:backup:{region}:{account_id}"
        return cls(f"{place}:backup-vault:{name}")

    @property
    def name(self) -> str:
        """The vault's name."""
        return self._part("name")


class EbsSnapshotArn(Arn):
    """An EBS recovery point; its account field is empty.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
    """

    __slots__ = ()
    what = "an EBS snapshot ARN"
    expected = "arn:PARTITION:ec2:REGION::snapshot/snap-HEX with an empty account field"
    example = "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
    pattern = rf"arn:{_PARTITION}:ec2:{_REGION}::snapshot/snap-[0-9a-f]{{8,17}}"

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize an ARN with an account ID, and a bare snapshot ID."""
        if re.fullmatch(r"arn:[^:]+:ec2:[^:]+:[0-9]{12}:snapshot/.+", text):
            return "leave out the account ID"
        if re.fullmatch(r"snap-[0-9a-f]+", text):
            return "this is the snapshot's ID: copy the recovery point's ARN"
        return ""


class RdsSnapshotArn(Arn):
    """An RDS recovery point, created by a backup job or by a copy job.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
    """

    __slots__ = ()
    what = "an RDS snapshot ARN of AWS Backup"
    expected = "arn:PARTITION:rds:REGION:ACCOUNT:snapshot:awsbackup:copyjob-UUID (or job-UUID)"
    example = (
        "arn:aws:rds:us-east-1:222222222222:snapshot:"
        "awsbackup:copyjob-11111111-2222-3333-4444-555555555555"
    )
    pattern = (
        rf"arn:{_PARTITION}:rds:{_REGION}:{_ACCOUNT}:"
        r"snapshot:awsbackup:(?P<copy>copy)?job-[0-9A-Za-z-]{1,200}"
    )

    @property
    def is_copy(self) -> bool:
        """Whether a copy job created it, and not a backup job."""
        return bool(self._part("copy"))

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize continuous backups, and snapshots that AWS Backup did not create."""
        if ":continuous:" in text or ":auto-backup:" in text:
            return "continuous backups cannot be copied: choose a snapshot"
        if re.fullmatch(r"arn:[^:]+:rds:[^:]+:[0-9]+:snapshot:.+", text):
            return "AWS Backup did not create this snapshot: choose a recovery point in the vault"
        return ""


class Days(Value):
    """A whole number of days, 1 to 36,500."""

    __slots__ = ()
    what = "a number of days"
    expected = "a whole number from 1 to 36500"
    example = "14"
    metavar = "DAYS"
    pattern = r"[1-9][0-9]{0,3}|[12][0-9]{4}|3[0-5][0-9]{3}|36[0-4][0-9]{2}|36500"


class Switch(Value):
    """A setting that is on or off; its option without a value turns it on."""

    __slots__ = ()
    what = "yes or no"
    expected = "yes or no"
    example = "yes"
    metavar = "yes|no"
    pattern = r"yes|no"

    @property
    def on(self) -> bool:
        """Whether it is on."""
        return self == "yes"


class RunName(Value):
    """The name of a run. It becomes part of tokens, tags and names."""

    __slots__ = ()
    what = "a name for a run"
    expected = "up to 32 letters, digits, dots, hyphens and underscores"
    example = "second"
    metavar = "NAME"
    pattern = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"


class StackName(Value):
    """The name of a CloudFormation stack. Source: the CloudFormation API, CreateStack."""

    __slots__ = ()
    what = "a stack name"
    expected = "a letter, then up to 127 letters, digits and hyphens"
    example = "codeocean"
    metavar = "NAME"
    pattern = r"[A-Za-z][A-Za-z0-9-]{0,127}"


class VolumeId(Value):
    """The ID of an EBS volume."""

    __slots__ = ()
    what = "an EBS volume ID"
    expected = "vol- and 8 or 17 hexadecimal digits"
    example = "vol-0123456789abcdef0"
    metavar = "ID"
    pattern = r"vol-(?:[0-9a-f]{8}|[0-9a-f]{17})"

    @classmethod
    def advice(cls, text: str) -> str:
        """Suggest the ID in an ARN, and recognize a snapshot."""
        found = re.fullmatch(r"arn:.*:volume/(vol-[0-9a-f]+)", text)
        if found:
            return f"use its ID, {found[1]}"
        return "this is a snapshot: restore it to a volume" if text.startswith("snap-") else ""


class InstanceId(Value):
    """The ID of an EC2 instance."""

    __slots__ = ()
    what = "an EC2 instance ID"
    expected = "i- and 8 or 17 hexadecimal digits"
    example = "i-0123456789abcdef0"
    metavar = "ID"
    pattern = r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})"


class Zone(Value):
    """The name of an Availability Zone."""

    __slots__ = ()
    what = "an Availability Zone"
    expected = "a Region code and a letter"
    example = "us-east-1a"
    metavar = "ZONE"
    pattern = _REGION + "[a-z]"


class DbInstanceId(Value):
    """The identifier of a DB instance, in lower case, as RDS stores it.

    Source: the RDS API, CreateDBInstance.
    """

    __slots__ = ()
    what = "the identifier of a DB instance"
    expected = "a lower-case letter, then up to 62 lower-case letters, digits and single hyphens"
    example = "codeocean-analyticsdbinstance-1abc"
    metavar = "ID"
    pattern = r"(?=.{1,63}\Z)[a-z](?:-?[a-z0-9])*"

    @classmethod
    def advice(cls, text: str) -> str:
        """Suggest the identifier in an ARN or an endpoint."""
        found = re.fullmatch(r"arn:.*:db:([a-z0-9-]+)|([a-z0-9-]+)\..*\.rds\..*", text)
        return f"use its identifier, {found[1] or found[2]}" if found else ""


class DbInstanceClass(Value):
    """The class of a DB instance."""

    __slots__ = ()
    what = "a DB instance class"
    expected = "db.FAMILY.SIZE"
    example = "db.t3.micro"
    metavar = "CLASS"
    pattern = r"db\.[a-z0-9-]{2,20}\.[a-z0-9-]{4,20}"


class KmsKeyId(Value):
    """A KMS key: its ID or ARN. AWS does not document whether AWS Backup accepts an alias."""

    __slots__ = ()
    what = "a KMS key"
    expected = "its ID or its ARN"
    example = "arn:aws:kms:us-east-1:333333333333:key/11111111-2222-3333-4444-555555555555"
    metavar = "KEY"
    pattern = (
        rf"(?:arn:{_PARTITION}:kms:{_REGION}:{_ACCOUNT}:key/)?"
        r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
    )

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize an alias."""
        return "this is an alias: use the ID or ARN of its key" if "alias/" in text else ""


_RDS_ENDPOINT = r"([^.]+)\.([^.]+\.(?:[^.]+\.rds|rds\.[^.]+)\.amazonaws\.com(?:\.cn)?)"
"""An endpoint of RDS: the instance, and what all endpoints of an account in a Region share.

In China, the Region comes after `rds`. Sources:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.html and
https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-Beijing.html
"""


class HostName(Value):
    """A DNS name, without a port. Source: RFC 1123, section 2.1."""

    __slots__ = ()
    what = "a host name"
    expected = "a DNS name without a port"
    example = "codeocean-analytics.c9akciq32.us-east-1.rds.amazonaws.com"
    metavar = "NAME"
    pattern = r"(?=.{1,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.(?=.)|\Z))+"

    @classmethod
    def advice(cls, text: str) -> str:
        """Recognize a name with a port."""
        name, _, port = text.partition(":")
        return f"leave out the port: {name}" if port.isdigit() and not cls.why_not(name) else ""

    @property
    def db_instance_id(self) -> str:
        """The DB instance whose endpoint this is; empty if it is not an endpoint of RDS."""
        return self._endpoint[0]

    @property
    def rds_domain(self) -> str:
        """What follows the instance in the endpoints of an account in a Region; or else empty."""
        return self._endpoint[1]

    @property
    def _endpoint(self) -> tuple[str, str]:
        match = re.fullmatch(_RDS_ENDPOINT, self)
        return (match[1], match[2]) if match else ("", "")


class Port(Value):
    """A TCP port."""

    __slots__ = ()
    what = "a port"
    expected = "a whole number from 1 to 65535"
    example = "5432"
    metavar = "PORT"
    pattern = r"[1-9][0-9]{0,4}"

    @classmethod
    def rule_broken(cls, text: str) -> str:
        """Compare with the largest port."""
        largest = 65535
        return f"{text} is not a port: expected {cls.expected}" if int(text) > largest else ""


class DatabaseWord(Value):
    """The name of a database or its user: valid in SQL, and short enough to append a date.

    Source: https://www.postgresql.org/docs/15/sql-syntax-lexical.html
    """

    __slots__ = ()
    what = "a name in PostgreSQL"
    expected = "a letter or underscore, then up to 39 letters, digits, hyphens and underscores"
    example = "codeocean"
    metavar = "NAME"
    pattern = r"[A-Za-z_][A-Za-z0-9_-]{0,39}"


class SecretId(Value):
    """The name or the ARN of a secret. Source: the Secrets Manager API, CreateSecret."""

    __slots__ = ()
    what = "a secret of Secrets Manager"
    expected = "its name or its ARN"
    example = vendor.MASTER_PASSWORD.format(stack_name="codeocean")
    metavar = "ID"
    pattern = (
        rf"arn:{_PARTITION}:secretsmanager:{_REGION}:{_ACCOUNT}:secret:[\w/+=.@-]{{1,519}}"
        r"|(?!arn:)[\w/+=.@-]{1,512}"
    )

    @property
    def name(self) -> str:
        """The secret's name; in an ARN, a suffix of six characters follows it."""
        return self.rpartition(":secret:")[2]


class Folder(Value):
    """An absolute path of plain characters that is not the root folder."""

    __slots__ = ()
    what = "a folder"
    expected = "an absolute path of letters, digits, dots, hyphens and underscores"
    example = vendor.DATA_MOUNT
    metavar = "PATH"
    pattern = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+"


class LocalUrl(Value):
    """A URL on the services instance itself."""

    __slots__ = ()
    what = "a local URL"
    expected = "http://localhost:PORT/PATH"
    example = vendor.HEALTH_URL
    metavar = "URL"
    pattern = r"https?://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?/[\w./-]*"


class CommandLine(Value):
    """A command for bash, on one line."""

    __slots__ = ()
    what = "a command"
    expected = "one line of printable ASCII"
    example = "docker exec codeocean ./migrate --example"
    metavar = "COMMAND"
    pattern = r"(?=.*\S)[\x20-\x7e]{1,2000}"


class ParameterKey(Value):
    """The name of a CloudFormation parameter. Source: the User Guide, "Parameters"."""

    __slots__ = ()
    what = "the name of a stack parameter"
    expected = "letters and digits"
    example = vendor.RESTORE_SOURCE
    metavar = "KEY"
    pattern = r"[A-Za-z0-9]{1,255}"


class StackParameter(Value):
    """A CloudFormation parameter and its value. Source: the User Guide, "Parameters"."""

    __slots__ = ()
    what = "a stack parameter and its value"
    expected = "KEY=VALUE in printable ASCII"
    example = f"{vendor.BACKUP_RETENTION}=30"
    metavar = "KEY=VALUE"
    pattern = r"(?P<key>[A-Za-z0-9]{1,255})=(?P<value>[\x20-\x7e]{0,4096})"

    @property
    def key(self) -> str:
        """The parameter's name."""
        return self._part("key")

    @property
    def value(self) -> str:
        """The parameter's value."""
        return self._part("value")


class TemplateUrl(Value):
    """The URL of a template in S3. Source: the CloudFormation API, CreateStack."""

    __slots__ = ()
    what = "the URL of a template in S3"
    expected = "https://BUCKET.s3.amazonaws.com/PATH"
    example = vendor.BACKUP_TEMPLATE_URL
    metavar = "URL"
    pattern = r"https://[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?/[\w.~/+-]{1,900}"


class Preset(Value):
    """A set of parameters that the vendor's guide sets or clears together."""

    __slots__ = ()
    what = "a preset"
    names = (
        "backup-destination",
        "migration-destination",
        "clear-replication",
        "restore-source",
        "clear-restore-source",
        "restore-destination",
        "clear-restore-destination",
    )
    expected = ", ".join(names[:-1]) + f" or {names[-1]}"
    example = "clear-restore-source"
    metavar = "NAME"
    pattern = "|".join(names)


class Instant(Value):
    """A moment in time. Source: RFC 3339, section 5.6."""

    __slots__ = ()
    what = "a time"
    expected = "date, time and offset from UTC as in RFC 3339"
    example = "2019-11-24T04:00:00Z"
    metavar = "TIME"
    pattern = (
        r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
        r"(?:\.[0-9]+)?(?P<offset>[Zz]|[+-][0-9]{2}:[0-9]{2})"
    )

    @classmethod
    def advice(cls, text: str) -> str:
        """Ask for the offset: without one, the time is ambiguous."""
        if cls._match(f"{text}Z"):
            return "add the time zone: Z for UTC, or an offset such as +02:00"
        return ""

    @classmethod
    def rule_broken(cls, text: str) -> str:
        """Return why date or time do not exist."""
        try:
            cls(text).utc()
        except (ValueError, OverflowError) as error:
            return f"{shown(text)} is not a valid date and time: {error}"
        return ""

    @classmethod
    def of(cls, moment: datetime) -> Instant:
        """Return a moment in UTC in whole seconds, the resolution of times in S3."""
        utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
        return cls(f"{utc.isoformat(timespec='seconds')}Z")

    @property
    def moment(self) -> datetime:
        """The moment in whole seconds, in UTC."""
        offset = self._part("offset").upper().replace("Z", "+00:00")
        local = datetime.fromisoformat(f"{self._part('date')}T{self._part('time')}{offset}")
        return local.astimezone(timezone.utc)

    def utc(self) -> Instant:
        """Return the same moment in UTC in whole seconds."""
        return Instant.of(self.moment)


_RECOGNIZED: tuple[type[Value], ...] = (
    AccountId,
    Region,
    RoleArn,
    BucketArn,
    VaultArn,
    EbsSnapshotArn,
    RdsSnapshotArn,
    VolumeId,
)
"""The kinds that can be recognized by their form alone."""


def _recognized(text: str, wanted: type[Value]) -> str:
    for kind in _RECOGNIZED:
        if kind is not wanted and re.fullmatch(kind.pattern, text, re.ASCII):
            return f"this is {kind.what}"
    return ""
