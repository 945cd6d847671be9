"""One fault for each rule of `check`, and what is found of it."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from codeocean_cmdgen.check import Result, look_over
from codeocean_cmdgen.simulator.world import (
    BACKUP,
    DATA_VOLUME,
    DATABASE,
    EBS_POINT,
    RDS_POINT,
    REGION,
    SOURCE,
    TARGET,
)

if TYPE_CHECKING:
    from codeocean_cmdgen.check import Facts

VAULTS = {"source": "codeocean-v1", "backup": "codeocean-backup-v1", "target": "codeocean-v1"}
STACKS = {"source": "codeocean", "backup": "codeocean-backup", "target": "codeocean"}
BATCH_ROLE = f"arn:aws:iam::{BACKUP}:role/codeocean-backup-S3RestoreRole-1ABC"
COPY_ROLE = f"arn:aws:iam::{BACKUP}:role/service-role/AWSBackupDefaultServiceRole"
OTHER_ACCOUNT = "999999999999"


class World:
    """Facts to spoil."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def put(self, role: str, name: str, *texts: str, step: str = "") -> None:
        """Change a value of the deployment file; without texts, remove it."""
        table = f"{role}.{step}" if step else role
        self.facts.deployments[role].file.tables.setdefault(table, {})[name] = texts

    def add(self, role: str, name: str, text: str) -> None:
        self.put(role, name, *self.facts.deployments[role].texts(name), text)

    def drop(self, role: str, name: str, word: str) -> None:
        """Take out the texts that hold a word."""
        kept = [one for one in self.facts.deployments[role].texts(name) if word not in one]
        self.put(role, name, *kept)

    def answer(self, role: str, operation: str, subject: str = "") -> Any:
        return self.facts.deployments[role].answers[operation, subject]

    def say(self, role: str, operation: str, subject: str, answer: object) -> None:
        """Let AWS answer something else."""
        assert (operation, subject) in self.facts.deployments[role].answers
        self.facts.deployments[role].answers[operation, subject] = answer

    def vault(self, role: str) -> Any:
        return self.answer(role, "DescribeBackupVault", VAULTS[role])

    def key(self, role: str) -> Any:
        return self.answer(role, "DescribeKey", self.vault(role)["EncryptionKeyArn"])["KeyMetadata"]

    def parameter(self, role: str, name: str, value: str) -> None:
        stack = self.answer(role, "DescribeStacks", STACKS[role])["Stacks"][0]
        for one in stack["Parameters"]:
            if one["ParameterKey"] == name:
                one["ParameterValue"] = value
                return
        raise AssertionError(name)

    def rule(self, role: str = "backup") -> Any:
        found = self.answer(role, "GetBucketReplication", f"codeocean-{role}-capsules")
        return found["ReplicationConfiguration"]["Rules"][0]

    def lifecycle(self, role: str, **rule: Any) -> None:
        rules = {"Rules": [{"ID": "Bites", "Status": "Enabled", **rule}]}
        self.say(role, "GetBucketLifecycleConfiguration", f"codeocean-{role}-capsules", rules)

    def encrypt(self, key: str, role: str = "backup") -> None:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rules = [{"ApplyServerSideEncryptionByDefault": default}]
        answer = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        self.say(role, "GetBucketEncryption", f"codeocean-{role}-capsules", answer)

    def point(self, arn: str = EBS_POINT) -> Any:
        return self.answer("backup", "DescribeRecoveryPoint", arn)

    def volume(self) -> Any:
        return self.answer("target", "DescribeVolumes", DATA_VOLUME)["Volumes"][0]

    def database(self, role: str = "target") -> Any:
        return self.answer(role, "DescribeDBInstances", DATABASE)["DBInstances"][0]

    def group(self) -> Any:
        return self.answer("target", "DescribeAutoScalingGroups")["AutoScalingGroups"][0]


Seed = Callable[[World], object]


class Fault(NamedTuple):
    """One thing that is wrong; ``also`` are other rules that cannot but find it, too."""

    rule: str
    procedure: str
    seed: Seed
    also: frozenset[str] = frozenset()


def fault(rule: str, procedure: str, seed: Seed, *also: str) -> Fault:
    return Fault(rule, procedure, seed, frozenset(also))


def all_of(*seeds: Seed) -> Seed:
    def seed(world: World) -> None:
        for one in seeds:
            one(world)

    return seed


POLICY_OF_NOBODY = {
    "Policy": json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": OTHER_ACCOUNT}, "Action": "*"},
            ],
        }
    )
}
CAPSULES = {role: f"codeocean-{role}-capsules" for role in VAULTS}
AWAY = {"Bucket": "arn:aws:s3:::strange"}

FAULTS = (
    fault("F01", "restore", lambda w: w.put("backup", "region")),
    fault("F02", "backup", lambda w: w.put("backup", "region", "cn-north-1"), "F06", "F08"),
    fault("F03", "migration", lambda w: w.put("target", "region", "eu-west-3"), "F08"),
    fault(
        "F04",
        "backup",
        all_of(
            lambda w: w.put("backup", "account_id", SOURCE),
            lambda w: w.put(
                "source",
                "destination_vault_arn",
                f"arn:aws:backup:{REGION}:{SOURCE}:backup-vault:codeocean-backup-v1",
                step="stack-parameters",
            ),
        ),
    ),
    fault(
        "F05",
        "migration",
        lambda w: w.put("source", "account_id", TARGET),
        "F07",
        "F17",
    ),
    fault("F06", "backup", lambda w: w.add("backup", "bucket_arn", "arn:aws-cn:s3:::one")),
    fault("F07", "restore", lambda w: w.put("target", "role_arn", COPY_ROLE)),
    fault(
        "F08",
        "restore",
        lambda w: w.put(
            "target",
            "destination_vault_arn",
            f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:another",
        ),
    ),
    fault(
        "F09",
        "backup",
        lambda w: w.add("source", "bucket_arn", f"arn:aws:s3:::{CAPSULES['source']}"),
    ),
    fault(
        "F10",
        "restore",
        lambda w: w.add("target", "bucket_arn", f"arn:aws:s3:::{CAPSULES['backup']}"),
    ),
    fault("F11", "restore", lambda w: w.drop("target", "bucket_arn", "-mlflow"), "F12", "F13"),
    fault(
        "F12",
        "restore",
        all_of(
            lambda w: w.drop("target", "bucket_arn", "-mlflow"),
            lambda w: w.drop("backup", "bucket_arn", "-mlflow"),
        ),
        "F13",
    ),
    fault(
        "F13",
        "backup",
        lambda w: w.put(
            "source", "destination_bucket_arn", "arn:aws:s3:::strange", step="stack-parameters"
        ),
    ),
    fault(
        "F14",
        "backup",
        lambda w: w.put("source", "preset", "migration-destination", step="stack-parameters"),
    ),
    fault(
        "F15",
        "restore",
        lambda w: w.put(
            "target", "set", "pDestinationBackupVaultArn=arn:of:another", step="stack-create"
        ),
    ),
    fault(
        "F16",
        "backup",
        lambda w: w.put(
            "source",
            "set",
            "pDestinationBackupS3StorageClass=DEEP_ARCHIVE",
            step="stack-parameters",
        ),
    ),
    fault(
        "F17",
        "restore",
        lambda w: w.put(
            "target", "restore_source_account_id", OTHER_ACCOUNT, step="stack-parameters"
        ),
    ),
    fault(
        "F18",
        "restore",
        lambda w: w.put("backup", "ebs_snapshot_arn", EBS_POINT.replace(REGION, "us-west-2")),
    ),
    fault(
        "F19",
        "restore",
        lambda w: w.put("backup", "rds_snapshot_arn", RDS_POINT.replace("copyjob-", "job-")),
    ),
    fault(
        "F20",
        "restore",
        lambda w: w.put("target", "until", "2019-11-24T03:00:00Z", step="s3-point-in-time"),
    ),
    fault(
        "F21",
        "restore",
        lambda w: w.put("target", "master_password_secret_id", "/old/password", step="db-restore"),
    ),
    fault(
        "F22",
        "restore",
        lambda w: w.put("target", "from_host", *w.facts.target.texts("to_host")),
    ),
    fault("F23", "restore", lambda w: w.put("target", "restored_volume_id", DATA_VOLUME)),
    fault("F24", "backup", lambda w: w.put("source", "retention_days", "1")),
    fault("F25", "restore", lambda w: w.put("backup", "only_missing", "yes")),
    fault(
        "F26",
        "restore",
        lambda w: w.put(
            "target",
            "template_url",
            "https://example.s3.amazonaws.com/v3.9.0/codeocean.template.yaml",
            step="stack-parameters",
        ),
    ),
    fault("A01", "restore", lambda w: vars(w.facts.target).update(credentials=OTHER_ACCOUNT)),
    fault("A02", "restore", lambda w: w.say("target", "DescribeOrganization", "", None)),
    fault("A03", "restore", lambda w: w.say("backup", "GetRole", COPY_ROLE, None)),
    fault(
        "A04",
        "restore",
        lambda w: w.answer("backup", "GetRole", BATCH_ROLE)["Role"].update(
            AssumeRolePolicyDocument={"Statement": []}
        ),
    ),
    fault("S01", "restore", lambda w: w.say("target", "DescribeStacks", "codeocean", None)),
    fault(
        "S02",
        "restore",
        lambda w: w.answer("target", "DescribeStacks", "codeocean")["Stacks"][0].update(
            StackStatus="UPDATE_ROLLBACK_FAILED"
        ),
    ),
    fault(
        "S03",
        "restore",
        lambda w: w.answer("target", "GetTemplateSummary", "codeocean")["Parameters"].pop(),
    ),
    fault("S04", "restore", lambda w: w.parameter("target", "pRestoreSourceAccountId", "")),
    fault(
        "S05", "restore", lambda w: w.parameter("target", "pDestinationBackupVaultArn", "arn:back")
    ),
    fault(
        "S06",
        "backup",
        lambda w: w.parameter(
            "source",
            "pDestinationBackupVaultArn",
            f"arn:aws:backup:{REGION}:{BACKUP}:backup-vault:another",
        ),
    ),
    fault(
        "S07",
        "backup",
        lambda w: w.parameter(
            "source", "pDestinationBackupMLflowBucketArn", "arn:aws:s3:::codeocean-backup-results"
        ),
        "S11",
    ),
    fault(
        "S08",
        "migration",
        lambda w: w.parameter("source", "pDestinationBackupS3KmsKey", "arn:of:a:key"),
    ),
    fault(
        "S09",
        "backup",
        lambda w: w.parameter("source", "pDestinationBackupVaultCrossRegion", "yes"),
    ),
    fault(
        "S10",
        "migration",
        lambda w: w.parameter("source", "pDnsRootDomain", "codeocean.example.com"),
    ),
    fault(
        "S11",
        "backup",
        lambda w: w.parameter(
            "source",
            "pDestinationBackupCapsulesBucketArn",
            "arn:aws:s3:::codeocean-backup-capsules",
        ),
    ),
    fault("V01", "restore", lambda w: w.say("target", "DescribeBackupVault", "codeocean-v1", None)),
    fault(
        "V02",
        "restore",
        lambda w: w.say("target", "GetBackupVaultAccessPolicy", "codeocean-v1", None),
    ),
    fault("V03", "restore", lambda w: w.key("target").update(KeyManager="AWS")),
    fault("V04", "restore", lambda w: w.key("target").update(KeyState="PendingDeletion")),
    fault(
        "V05",
        "restore",
        lambda w: w.say(
            "backup", "GetKeyPolicy", w.vault("backup")["EncryptionKeyArn"], POLICY_OF_NOBODY
        ),
    ),
    fault("V06", "restore", lambda w: w.vault("target").update(MinRetentionDays=30)),
    fault(
        "V07",
        "backup",
        lambda w: w.answer("backup", "ListRecoveryPointsByBackupVault", "codeocean-backup-v1")[
            "RecoveryPoints"
        ].pop(),
    ),
    fault("R01", "restore", lambda w: w.say("backup", "DescribeRecoveryPoint", RDS_POINT, None)),
    fault("R02", "restore", lambda w: w.point().update(Status="EXPIRED")),
    fault(
        "R03",
        "restore",
        lambda w: w.point()["CalculatedLifecycle"].update(
            DeleteAt=w.facts.now + timedelta(hours=3)
        ),
    ),
    fault("R04", "restore", lambda w: age(w.point(RDS_POINT), hours=10)),
    fault("R05", "restore", lambda w: age(w.point(RDS_POINT), hours=30)),
    fault("R06", "restore", lambda w: w.point().update(EncryptionKeyArn="arn:of:another")),
    fault("R07", "restore", lambda w: w.point().update(StorageClass="COLD")),
    fault(
        "R08",
        "restore",
        lambda w: w.point().update(
            ResourceArn=f"arn:aws:ec2:{REGION}:{OTHER_ACCOUNT}:volume/{DATA_VOLUME}"
        ),
    ),
    fault(
        "R09",
        "restore",
        lambda w: w.put("target", "at", "2019-11-24T03:59:59Z", step="s3-point-in-time"),
    ),
    fault(
        "R10",
        "restore",
        all_of(
            lambda w: age(w.point(EBS_POINT), days=2),
            lambda w: age(w.point(RDS_POINT), days=2),
        ),
    ),
    fault(
        "B01", "restore", lambda w: w.say("backup", "GetBucketLocation", CAPSULES["backup"], None)
    ),
    fault(
        "B02",
        "restore",
        lambda w: w.answer("backup", "GetBucketLocation", CAPSULES["backup"]).update(
            LocationConstraint="EU"
        ),
    ),
    fault(
        "B03",
        "backup",
        lambda w: w.answer("backup", "GetBucketVersioning", CAPSULES["backup"]).pop("Status"),
    ),
    fault(
        "B04",
        "restore",
        lambda w: w.say("backup", "GetBucketReplication", CAPSULES["backup"], None),
    ),
    fault("B05", "restore", lambda w: w.rule()["Destination"].update(AWAY)),
    fault(
        "B06",
        "restore",
        lambda w: w.answer("backup", "GetBucketReplication", CAPSULES["backup"])[
            "ReplicationConfiguration"
        ]["Rules"].append({**w.rule(), "Destination": AWAY}),
    ),
    fault(
        "B07", "restore", lambda w: w.rule()["DeleteMarkerReplication"].update(Status="Disabled")
    ),
    fault("B08", "restore", lambda w: w.rule()["Filter"].update(Prefix="data/")),
    fault(
        "B09", "backup", lambda w: w.rule("source")["Destination"].update(StorageClass="GLACIER")
    ),
    fault("B10", "restore", lambda w: w.encrypt("arn:aws:kms:us-east-1:222222222222:key/customer")),
    fault(
        "B11",
        "restore",
        all_of(
            lambda w: w.encrypt("arn:aws:kms:us-east-1:222222222222:key/customer"),
            lambda w: w.rule().pop("SourceSelectionCriteria"),
            lambda w: w.rule()["Destination"].pop("EncryptionConfiguration"),
        ),
    ),
    fault("B12", "restore", lambda w: w.encrypt("arn:aws:kms:us-east-1:2:alias/aws/s3"), "B10"),
    fault(
        "B13",
        "restore",
        lambda w: w.say("target", "GetBucketPolicy", CAPSULES["target"], POLICY_OF_NOBODY),
    ),
    fault(
        "B14",
        "restore",
        lambda w: w.say("target", "GetBucketOwnershipControls", CAPSULES["target"], None),
    ),
    fault(
        "B15",
        "restore",
        lambda w: w.lifecycle("target", Expiration={"ExpiredObjectDeleteMarker": True}),
    ),
    fault(
        "B16",
        "restore",
        lambda w: w.lifecycle("target", NoncurrentVersionExpiration={"NoncurrentDays": 1}),
    ),
    fault(
        "B17",
        "restore",
        lambda w: w.lifecycle(
            "backup",
            NoncurrentVersionTransitions=[{"NoncurrentDays": 1, "StorageClass": "DEEP_ARCHIVE"}],
        ),
    ),
    fault(
        "B18",
        "backup",
        lambda w: w.lifecycle("backup", Transitions=[{"Days": 9, "StorageClass": "GLACIER"}]),
    ),
    fault(
        "B19",
        "restore",
        lambda w: w.answer("target", "GetBucketVersioning", CAPSULES["target"]).update(
            MFADelete="Enabled"
        ),
    ),
    fault(
        "B20",
        "restore",
        lambda w: w.say(
            "target",
            "GetObjectLockConfiguration",
            CAPSULES["target"],
            {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
                }
            },
        ),
    ),
    fault(
        "B21",
        "restore",
        lambda w: w.say(
            "target",
            "GetBucketReplication",
            CAPSULES["target"],
            {"ReplicationConfiguration": {"Rules": [{**w.rule(), "Destination": AWAY}]}},
        ),
    ),
    fault("M01", "restore", lambda w: w.say("target", "DescribeVolumes", DATA_VOLUME, None)),
    fault("M02", "restore", lambda w: w.volume().update(Tags=[])),
    fault("M03", "restore", lambda w: w.volume().update(AvailabilityZone="us-east-1b")),
    fault("M04", "restore", lambda w: w.volume().update(Size=499)),
    fault("M05", "restore", lambda w: w.say("target", "DescribeDBInstances", DATABASE, None)),
    fault("M06", "restore", lambda w: w.database().update(DBInstanceStatus="storage-full")),
    fault("M07", "restore", lambda w: w.database().update(EngineVersion="14.9")),
    fault("M08", "migration", lambda w: w.database("source").update(EngineVersion="16.1")),
    fault(
        "M09",
        "restore",
        lambda w: w.say(
            "target", "DescribeDBInstances", "tmp-codeocean-restore", {"DBInstances": [{}]}
        ),
    ),
    fault(
        "M10",
        "restore",
        lambda w: w.say("target", "DescribeSecret", "/codeocean/analytics/master-password-0", None),
    ),
    fault("M11", "restore", lambda w: w.group()["Instances"].clear()),
    fault("M12", "migration", lambda w: w.database("source").update(AllocatedStorage=1000)),
)


def age(point: Any, **by: float) -> None:
    point["CreationDate"] -= timedelta(**by)


def names(result: Result) -> set[str]:
    return {finding.rule.name for finding in result.findings}


def spoiled(clean: dict[str, Facts], fault: Fault) -> Facts:
    facts = copy.deepcopy(clean[fault.procedure])
    fault.seed(World(facts))
    return facts


def result_of(facts: Facts, fault: Fault, file: str = "deployment.toml") -> Result:
    return look_over(facts, file, offline=fault.rule.startswith("F"))
