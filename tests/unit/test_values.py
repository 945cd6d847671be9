"""Each kind of value knows its own, and says kindly what is wrong with the rest."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeocean_cmdgen import values
from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.values import (
    AccountId,
    Arn,
    BucketArn,
    Days,
    DbInstanceClass,
    EbsSnapshotArn,
    HostName,
    Instant,
    RdsSnapshotArn,
    Region,
    RoleArn,
    RunName,
    StackName,
    Switch,
    Value,
    VaultArn,
    VaultName,
)

KINDS = sorted({argument.kind for argument in VOCABULARY.values()}, key=lambda kind: kind.__name__)

UUID = "11111111-2222-3333-4444-555555555555"
ROLE = "arn:aws:iam::111111111111:role"
EBS = "arn:aws:ec2:us-east-1::snapshot"
RDS = "arn:aws:rds:us-east-1:222222222222:snapshot"
VAULT = "arn:aws:backup:us-east-1:333333333333:backup-vault"

ACCEPTED: list[tuple[type[Value], str]] = [
    *((kind, kind.example) for kind in KINDS),
    (AccountId, "000000000000"),
    (Region, "ap-southeast-7"),
    (Region, "cn-northwest-1"),
    (Region, "us-gov-west-1"),
    (RoleArn, f"{ROLE}/service-role/AWSBackupDefaultServiceRole"),
    (RoleArn, f"{ROLE}/a/b/c/{'x' * 64}"),
    (RoleArn, f"{ROLE}/{'p/' * 8}{'x' * 64}"),
    (StackName, "s" * 128),
    (DbInstanceClass, f"db.{'t' * 20}.{'x' * 20}"),
    (RoleArn, f"{ROLE}/dash-dot.plus+equals=comma,at@under_score"),
    (RoleArn, "arn:aws-cn:iam::111111111111:role/r"),
    (RoleArn, "arn:aws-us-gov:iam::111111111111:role/r"),
    (BucketArn, "arn:aws:s3:::abc"),
    (BucketArn, f"arn:aws-cn:s3:::{'a' * 63}"),
    (BucketArn, "arn:aws-us-gov:s3:::1.2.3"),
    (VaultName, "AB"),
    (VaultName, "a" * 50),
    (VaultArn, "arn:aws-cn:backup:cn-north-1:333333333333:backup-vault:Default"),
    (VaultArn, "arn:aws-us-gov:backup:us-gov-east-1:333333333333:backup-vault:Default"),
    (EbsSnapshotArn, f"{EBS}/snap-01234567"),
    (EbsSnapshotArn, "arn:aws-us-gov:ec2:us-gov-west-1::snapshot/snap-0123456789abcdef0"),
    (RdsSnapshotArn, f"{RDS}:awsbackup:job-{UUID}"),
    (RdsSnapshotArn, f"arn:aws-cn:rds:cn-north-1:222222222222:snapshot:awsbackup:job-{UUID}"),
    (Days, "1"),
    (Days, "36500"),
    (Switch, "no"),
    (RunName, "2025-06-01_b.2"),
    (Instant, "2024-02-29T23:59:59.123456+14:00"),
    (Instant, "2025-11-24t04:00:00z"),
    (Instant, "2025-11-24T04:00:00-00:00"),
]


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
def test_accepted_as_it_is(kind: type[Value], text: str) -> None:
    assert kind.why_not(text) == ""


REFUSED: list[tuple[type[Value], str, str]] = [
    (AccountId, "0123456789", "expected 12 digits, such as 111111111111"),
    (AccountId, "0123456789", "the sample from the vendor's guide, which has only 10"),
    (AccountId, "1111-1111-1111", "without dashes or spaces; this one has 12"),
    (AccountId, "11111111111", "this one has 11"),
    (AccountId, "\uff11" * 12, "is not an AWS account ID"),
    (AccountId, "\u0661" * 12, "is not an AWS account ID"),
    (AccountId, "111111111111\n", "'111111111111\\n' is not an AWS account ID"),
    (AccountId, "us-east-1", "this is an AWS Region"),
    (AccountId, "", "'' is not an AWS account ID"),
    (Region, "us-east-1a", "this is an Availability Zone of us-east-1"),
    (Region, "us-east-\u0661", "is not an AWS Region"),
    (Region, "us-east-1\n", "is not an AWS Region"),
    (Region, "US-EAST-1", "is not an AWS Region"),
    (Region, "N. Virginia", "a Region code, such as us-east-1"),
    (Region, "us-iso-east-1", "is not an AWS Region"),
    (RoleArn, "arn:aws:sts::111111111111:assumed-role/Admin/me", "the ARN of a session"),
    (RoleArn, "arn:aws:iam::111111111111:instance-profile/p", "the ARN of an instance profile"),
    (RoleArn, "arn:aws:iam::111111111111:user/me", "is not an IAM role ARN"),
    (RoleArn, f"{ROLE}/{'x' * 65}", "is not an IAM role ARN"),
    (RoleArn, f"{ROLE}/{'p/' * 9}name", "is not an IAM role ARN"),
    (RoleArn, f"{ROLE}/{'p' * 129}/name", "is not an IAM role ARN"),
    (StackName, "s" * 129, "is not"),
    (DbInstanceClass, "db.t3.mic", "is not"),
    (DbInstanceClass, f"db.t3.{'x' * 21}", "is not"),
    (DbInstanceClass, f"db.{'t' * 21}.micro", "is not"),
    (RoleArn, f"{ROLE}/", "is not an IAM role ARN"),
    (RoleArn, "codeocean-S3BackupRole", "expected arn:PARTITION:iam::ACCOUNT:role/PATH/NAME"),
    (RoleArn, "arn:aws-iso:iam::111111111111:role/r", "is not an IAM role ARN"),
    (RoleArn, f"{ROLE}/\u0430dmin", "is not an IAM role ARN"),
    (RoleArn, f"{ROLE}/r\n", "is not an IAM role ARN"),
    (BucketArn, "my-bucket", "did you mean arn:aws:s3:::my-bucket?"),
    (BucketArn, "s3://my-bucket", "did you mean arn:aws:s3:::my-bucket?"),
    (BucketArn, "s3://my-bucket/key", "did you mean arn:aws:s3:::my-bucket?"),
    (BucketArn, "arn:aws:s3:::my-bucket/key", "did you mean arn:aws:s3:::my-bucket?"),
    (BucketArn, "arn:aws:s3:us-east-1:111111111111:accesspoint/a", "is not an S3 bucket ARN"),
    (VaultName, f"{VAULT}:codeocean-v1", "this is a backup vault ARN: use its name, codeocean-v1"),
    (VaultName, "a", "2 to 50 letters"),
    (VaultName, "a" * 51, "2 to 50 letters"),
    (VaultName, "a b", "is not a backup vault name"),
    (VaultName, "x:backup-vault:\x1b[2J", "'x:backup-vault:\\x1b[2J' is not a backup vault name"),
    (VaultArn, "codeocean-v1", "expected arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:NAME"),
    (VaultArn, f"{EBS}/snap-01234567", "this is an EBS snapshot ARN"),
    (VaultArn, VAULT.replace("us-east-1", "cn-north-1") + ":v1", "in partition aws-cn, not in aws"),
    (
        EbsSnapshotArn,
        "arn:aws:ec2:us-east-1:222222222222:snapshot/snap-01234567",
        "leave out the account ID",
    ),
    (EbsSnapshotArn, "snap-0123456789abcdef0", "copy the recovery point's ARN"),
    (EbsSnapshotArn, f"{RDS}:awsbackup:job-{UUID}", "this is an RDS snapshot ARN of AWS Backup"),
    (EbsSnapshotArn, f"{EBS}/snap-0123456g", "is not an EBS snapshot ARN"),
    (
        EbsSnapshotArn,
        f"{EBS}/snap-\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
        "is not an EBS",
    ),
    (
        EbsSnapshotArn,
        EBS.replace("aws:", "aws-cn:") + "/snap-01234567",
        "partition aws, not in aws",
    ),
    (RdsSnapshotArn, f"{EBS}/snap-01234567", "this is an EBS snapshot ARN"),
    (RdsSnapshotArn, f"{RDS}:rds:db-2025-06-01-04-11", "AWS Backup did not create this snapshot"),
    (RdsSnapshotArn, f"{RDS}:mine", "AWS Backup did not create this snapshot"),
    (
        RdsSnapshotArn,
        "arn:aws:rds:us-east-1:222222222222:auto-backup:ab-x",
        "continuous backups cannot be copied: choose a snapshot",
    ),
    (
        RdsSnapshotArn,
        f"arn:aws:backup:us-east-1:222222222222:recovery-point:continuous:db-{UUID}",
        "continuous backups cannot be copied: choose a snapshot",
    ),
    (Days, "0", "a whole number from 1 to 36500"),
    (Days, "36501", "a whole number from 1 to 36500"),
    (Days, "014", "is not a number of days"),
    (Days, "1.5", "is not a number of days"),
    (Days, "\u0661", "is not a number of days"),
    (Days, "14 days", "is not a number of days"),
    (Switch, "true", "expected yes or no"),
    (RunName, "a" * 33, "up to 32 letters"),
    (RunName, ".hidden", "is not a name for a run"),
    (RunName, "two words", "is not a name for a run"),
    (Instant, "2025-11-24T04:00:00", "add the time zone: Z for UTC"),
    (Instant, "2025-11-24 04:00:00Z", "expected date, time and offset from UTC as in RFC 3339"),
    (Instant, "2025-11-24", "is not a time"),
    (Instant, "2025-02-29T04:00:00Z", "is not a valid date and time: day is out of range"),
    (Instant, "2025-11-24T24:00:00Z", "is not a valid date and time: hour must be in 0..23"),
    (Instant, "2025-11-24T04:00:60Z", "is not a valid date and time: second must be in 0..59"),
    (Instant, "2025-11-24T04:00:00+24:00", "is not a valid date and time: "),
    (Instant, "0001-01-01T00:00:00+01:00", "is not a valid date and time: "),
]


@pytest.mark.parametrize(("kind", "text", "words"), REFUSED)
def test_refused_with_words_that_help(kind: type[Value], text: str, words: str) -> None:
    assert words in kind.why_not(text)


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ab", "has 3 to 63 characters"),
        ("a" * 64, "has 3 to 63 characters"),
        ("My-bucket", "contains only lower-case letters"),
        ("my_bucket", "contains only lower-case letters"),
        ("b\u00fccket", "contains only lower-case letters"),
        ("my-bucket\n", "contains only lower-case letters"),
        ("-bucket", "begins and ends with a letter or digit"),
        ("bucket-", "begins and ends with a letter or digit"),
        (".bucket", "begins and ends with a letter or digit"),
        ("my..bucket", "never contains two dots in a row"),
        ("192.168.5.4", "is not an IP address"),
        ("xn--bucket", "does not begin with xn--"),
        ("sthree-bucket", "does not begin with xn--, sthree-"),
        ("amzn-s3-demo-bucket", "does not begin with xn--, sthree-, amzn-s3-demo-"),
        ("bucket-s3alias", "does not end with -s3alias"),
        ("bucket--ol-s3", "does not end with -s3alias, --ol-s3"),
        ("bucket.mrap", "does not end with -s3alias, --ol-s3, .mrap"),
        ("bucket--x-s3", "does not end with -s3alias, --ol-s3, .mrap, --x-s3"),
        ("bucket--table-s3", "does not end with -s3alias, --ol-s3, .mrap, --x-s3, --table-s3"),
    ],
)
def test_bucket_names_keep_the_rules(name: str, rule: str) -> None:
    assert values.bucket_name_problem(name).startswith(rule)
    assert rule in BucketArn.why_not(f"arn:aws:s3:::{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_describes_itself(kind: type[Value]) -> None:
    assert all((kind.what, kind.expected, kind.example, kind.metavar))


def test_parts() -> None:
    role = RoleArn("arn:aws-cn:iam::111111111111:role/path/to/name")
    assert (role.aws_partition, role.region, role.account_id) == ("aws-cn", "", "111111111111")
    assert role.name == "name"
    vault = VaultArn(VaultArn.example)
    assert (vault.region, vault.account_id, vault.name) == (
        "us-east-1",
        "333333333333",
        "codeocean-v1",
    )
    assert BucketArn("arn:aws:s3:::my.bucket").name == "my.bucket"
    assert EbsSnapshotArn(EbsSnapshotArn.example).account_id == ""


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_a_region_knows_its_partition(region: str, partition: str) -> None:
    assert Region(region).aws_partition == partition


def near(kind: type[Value]) -> st.SearchStrategy[str]:
    """Make texts around the valid ones: any text, and the example cut, doubled, interspersed."""
    cut = st.integers(0, len(kind.example))
    spliced = st.builds(
        lambda middle, left, right: kind.example[:left] + middle + kind.example[right:],
        st.text(max_size=4),
        cut,
        cut,
    )
    return st.text() | spliced | st.from_regex(rf"(?:{kind.pattern})\Z")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_text_is_refused_in_one_line_or_is_plain(
    kind: type[Value], data: st.DataObject
) -> None:
    text = data.draw(near(kind))
    if message := kind.why_not(text):
        assert message.isascii()
        assert message.isprintable()
    else:
        assert text.isascii()
        assert text.isprintable()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-11-24T04:00:00.999Z", "2025-11-24T04:00:00Z"),
        ("2025-11-24t04:00:00-00:00", "2025-11-24T04:00:00Z"),
        ("2024-03-01T01:30:00+02:00", "2024-02-29T23:30:00Z"),
        ("0999-12-31T23:00:00-01:00", "1000-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_told_in_utc_by_whole_seconds(text: str, utc: str) -> None:
    assert Instant(text).utc() == utc


def test_a_moment_is_the_same_as_text_and_as_time() -> None:
    instant = Instant("2019-11-24T06:00:00.9+02:00")
    assert instant.moment == datetime(2019, 11, 24, 4, tzinfo=timezone.utc)
    assert Instant.of(instant.moment) == "2019-11-24T04:00:00Z"
    assert Instant.of(instant.moment.replace(year=999)) == "0999-11-24T04:00:00Z"


def test_a_snapshot_knows_whether_it_is_a_copy() -> None:
    copy = RdsSnapshotArn(RdsSnapshotArn.example)
    assert copy.is_copy
    assert not RdsSnapshotArn(copy.replace("copyjob-", "job-")).is_copy


def test_digits_are_counted_where_there_are_digits() -> None:
    assert "this one has 11" in str(AccountId.why_not("1111-1111-111"))
    assert "this one has" not in str(AccountId.why_not("production"))


def test_arns_are_built_as_they_are_parsed() -> None:
    region = Region("cn-north-1")
    bucket = BucketArn.named("codeocean-bucket", region)
    assert (BucketArn.why_not(bucket), bucket) == ("", "arn:aws-cn:s3:::codeocean-bucket")
    vault = VaultArn.named("codeocean-v1", region, "333333333333")
    assert (VaultArn.why_not(vault), vault.name, vault.region) == ("", "codeocean-v1", region)
    key = Arn.of("kms", "alias/aws/s3", vault)
    assert key == "arn:aws-cn:kms:cn-north-1:333333333333:alias/aws/s3"
    assert (Arn.why_not(key), key.resource, key.resource_id) == ("", "alias/aws/s3", "s3")
    assert Arn.why_not("codeocean-v1")


@pytest.mark.parametrize(
    "domain",
    [
        "c9akciq32.us-east-1.rds.amazonaws.com",
        "c9akciq32.us-gov-west-1.rds.amazonaws.com",
        "c9akciq32.rds.cn-north-1.amazonaws.com.cn",
    ],
)
def test_an_endpoint_of_rds_names_its_instance(domain: str) -> None:
    host = HostName(f"one.{domain}")
    assert (host.db_instance_id, host.rds_domain) == ("one", domain)


@pytest.mark.parametrize(
    "text",
    ["one.example.com", "one.a.us-east-1.rds.amazonaws.com.example.com", "rds.amazonaws.com"],
)
def test_another_host_names_no_instance(text: str) -> None:
    assert (HostName(text).db_instance_id, HostName(text).rds_domain) == ("", "")
