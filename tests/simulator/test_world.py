"""The example world and the simulated clock."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator import Simulator, example_world

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
KINDS = "capsules datasets dockerregistry inputfiles licenses mlflow packages public results"


def test_the_example_world() -> None:
    with Simulator(start=START) as sim:
        example_world(sim, objects_per_bucket=8)
        source = sim.account("111111111111").client("s3")
        backup = sim.account("222222222222")
        target = sim.account("333333333333")
        names = {bucket["Name"] for bucket in source.list_buckets()["Buckets"]}
        assert names == {f"codeocean-source-{kind}" for kind in KINDS.split()}
        (rule,) = source.get_bucket_replication(Bucket="codeocean-source-public")[
            "ReplicationConfiguration"
        ]["Rules"]
        assert (rule["ID"], rule["Destination"]["StorageClass"]) == ("Backup", "GLACIER_IR")
        assert rule["Destination"]["Account"] == backup.id
        listing = backup.client("s3").list_object_versions(Bucket="codeocean-backup-mlflow")
        assert len(listing["Versions"]) > 8
        assert listing["DeleteMarkers"]
        head = backup.client("s3").head_object(
            Bucket="codeocean-backup-mlflow", Key=listing["Versions"][0]["Key"]
        )
        assert head["ReplicationStatus"] == "REPLICA"
        empty = source.list_object_versions(Bucket="codeocean-source-licenses")
        assert "Versions" not in empty
        points = backup.client("backup").list_recovery_points_by_backup_vault(
            BackupVaultName="codeocean-backup-v1"
        )["RecoveryPoints"]
        times = [point["CreationDate"].astimezone(timezone.utc) for point in points]
        assert times == [START - timedelta(hours=31, minutes=40), START - timedelta(hours=32)]
        policy = target.client("backup").get_backup_vault_access_policy(
            BackupVaultName="codeocean-v1"
        )["Policy"]
        assert backup.id in policy


def test_a_simulator_forgets_the_one_before() -> None:
    for _ in range(2):
        with Simulator() as sim:
            example_world(sim, objects_per_bucket=1)


def test_time_runs_at_its_speed() -> None:
    with Simulator(clock_speed=1000, start=START) as sim:
        time.sleep(0.02)
        assert sim.clock.now() > START + timedelta(seconds=20)
        with pytest.raises(ValueError, match="moves only forward"):
            sim.clock.advance(-1)
        with pytest.raises(ValueError, match="moves only forward"):
            sim.clock.advance(float("inf"))


@pytest.fixture
def far_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process live in a time zone away from UTC."""
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_zone")
def test_times_do_not_depend_on_the_machines_time_zone() -> None:
    with Simulator(start=START) as sim:
        world = example_world(sim, objects_per_bucket=0)
        bucket = world.bucket("111111111111", "mine")
        world.version(bucket, "a", modified=START)
        s3 = sim.account("111111111111").client("s3")
        (version,) = s3.list_object_versions(Bucket="mine")["Versions"]
        assert version["LastModified"] == START
        backup = sim.account("222222222222").client("backup")
        before = datetime(2026, 3, 3, 4, 10, tzinfo=timezone.utc)
        points = backup.list_recovery_points_by_backup_vault(
            BackupVaultName="codeocean-backup-v1", ByCreatedBefore=before
        )["RecoveryPoints"]
        assert [point["ResourceType"] for point in points] == ["EBS"]
