"""volume-delete, run by the real AWS CLI in a target with a restored volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import DATA_VOLUME, REGION, TARGET
from tests.support.people import Person, PersonOf, script, writes

if TYPE_CHECKING:
    from pathlib import Path

ZONE = f"{REGION}a"
RUN, OF = "codeocean-cmdgen:run", "codeocean-cmdgen:data-volume-id"


class Mounted:
    """An instance that has its volumes mounted."""

    mounted = True

    def plug(self, volume_id: str, image: Path) -> None: ...

    def unplug(self, volume_id: str) -> None: ...

    def busy(self, volume_id: str) -> bool:
        return self.mounted and volume_id != DATA_VOLUME


@pytest.fixture
def restored(simulator: Simulator) -> str:
    """Restore a volume as volume-restore does; return its id."""
    World(simulator).deployment(TARGET)
    point = simulator.backup.add_recovery_point(
        TARGET, REGION, "codeocean-v1", "EBS", simulator.clock.now(), size_bytes=2**30
    )
    simulator.account(TARGET).client("backup", REGION).start_restore_job(
        RecoveryPointArn=point,
        Metadata={"availabilityZone": ZONE, "volumeSize": "1"},
        IamRoleArn=f"arn:aws:iam::{TARGET}:role/codeocean-BackupRole-1ABC",
    )
    simulator.clock.advance(3600)
    (job,) = simulator.backup_jobs.restores.values()
    assert job.made
    volume = job.made.rpartition("/")[2]
    tag(simulator, volume, **{RUN: "first", OF: DATA_VOLUME})
    simulator.clear_requests()
    return volume


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(TARGET)


def ec2(simulator: Simulator) -> Any:
    return simulator.account(TARGET).client("ec2", REGION)


def tag(simulator: Simulator, volume: str, **tags: str) -> None:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    ec2(simulator).create_tags(Resources=[volume], Tags=pairs)


def volumes(simulator: Simulator) -> set[str]:
    return {one["VolumeId"] for one in ec2(simulator).describe_volumes()["Volumes"]}


def test_deletes_it_and_proves_that_it_is_gone(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("volume-delete"), CONFIRM=restored)
    assert outcome.done, outcome
    assert volumes(simulator) == {DATA_VOLUME}
    simulator.clear_requests()
    again = operator.run(script("volume-delete"))
    assert again.output == outcome.output
    assert writes(simulator) == []


def test_detaches_it_first(restored: str, simulator: Simulator, operator: Person) -> None:
    instance = simulator.ec2.instance(TARGET, ZONE)
    simulator.ec2.attach(restored, instance, "/dev/sdg")
    outcome = operator.run(script("volume-delete"), CONFIRM=restored)
    assert outcome.done, outcome
    assert f"attached to {instance}" in outcome.errors
    assert "Continue only if volume-release of run first has ended" in outcome.errors
    assert restored not in volumes(simulator)
    (call,) = simulator.calls("ec2:DetachVolume")
    assert "Force" not in call.parameters


def test_a_volume_in_use_is_not_deleted_until_the_instance_lets_go(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    slots = Mounted()
    instance = simulator.ec2.instance(TARGET, ZONE, slots)
    simulator.ec2._slots[instance] = slots  # noqa: SLF001 - no image is needed
    simulator.ec2.attach(restored, instance, "/dev/sdg")
    simulator.clear_requests()
    outcome = operator.run(script("volume-delete"), CONFIRM=restored)
    assert outcome.code == 1
    assert f"{restored} is still detaching, so the instance uses it. Run volume-release" in (
        outcome.errors
    )
    assert restored in volumes(simulator)
    assert simulator.calls("ec2:DeleteVolume") == []
    slots.mounted = False
    assert operator.run(script("volume-delete"), CONFIRM=restored).done
    assert len(simulator.calls("ec2:DetachVolume")) == 1


@pytest.mark.parametrize("confirmed", ["", DATA_VOLUME])
def test_wants_the_very_id_typed(
    restored: str, simulator: Simulator, operator: Person, confirmed: str
) -> None:
    outcome = operator.run(script("volume-delete"), CONFIRM=confirmed)
    assert outcome.code == 2
    assert writes(simulator) == []


def test_plan_deletes_nothing(restored: str, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("volume-delete"), PLAN="1")
    assert outcome.output.startswith(f"plan: would delete {restored}, 1 GiB")
    simulator.ec2.attach(restored, simulator.ec2.instance(TARGET, ZONE), "/dev/sdg")
    simulator.clear_requests()
    outcome = operator.run(script("volume-delete"), PLAN="1")
    assert outcome.output.startswith(f"plan: would detach and delete {restored}, 1 GiB")
    assert writes(simulator) == []


@pytest.mark.parametrize(
    "how", ["another run's", "another volume's", "no tags", "no restore job", "a data volume"]
)
def test_what_is_not_proved_to_be_temporary_is_left_alone(
    restored: str, simulator: Simulator, operator: Person, how: str
) -> None:
    if how == "another run's":
        tag(simulator, restored, **{RUN: "second"})
    elif how == "another volume's":
        tag(simulator, restored, **{OF: "vol-00000000000000001"})
    elif how == "no tags":
        ec2(simulator).delete_tags(Resources=[restored], Tags=[{"Key": RUN}])
    elif how == "a data volume":
        simulator.ec2.attach(restored, simulator.ec2.instance(TARGET, ZONE), "/dev/sde")
    else:
        simulator.backup_jobs.restores.clear()
    simulator.clear_requests()
    text = script("volume-delete", restored_volume_id=restored)
    outcome = operator.run(text, CONFIRM=restored)
    assert outcome.code == 1
    assert f"{restored} is left alone" in outcome.errors
    assert writes(simulator) == []


def test_a_volume_that_nobody_deleted_here_is_not_called_deleted(
    simulator: Simulator, operator: Person
) -> None:
    World(simulator).deployment(TARGET)
    outcome = operator.run(script("volume-delete"))
    assert outcome.code == 1
    assert "no volume has the tags of run first" in outcome.errors


def test_among_several_a_person_chooses(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    simulator.ec2.volume(TARGET, ZONE, tags={RUN: "first", OF: DATA_VOLUME})
    outcome = operator.run(script("volume-delete"), CONFIRM=restored)
    assert outcome.code == 1
    assert "Name one with --restored-volume-id" in outcome.errors
    chosen = script("volume-delete", restored_volume_id=restored)
    assert operator.run(chosen, CONFIRM=restored).done


def test_killed_between_deletion_and_answer_it_knows_what_it_did(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("ec2:DeleteVolume", "disconnect-after", times=None)
    operator.run(script("volume-delete"), CONFIRM=restored)
    simulator.faults.clear()
    assert operator.run(script("volume-delete")).done


def test_all_that_a_person_must_know_is_said_before_the_confirmation(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("volume-delete"))
    (job,) = simulator.backup_jobs.restores.values()
    assert job.point
    assert outcome.code == 2
    said = outcome.errors.partition("This deletes for good: ")
    assert f"proof that {restored} is of run first: it has the tags of this run" in said[0]
    assert f"restore job {job.job_id} created it from {job.point.arn}" in said[0]
    assert said[2].startswith(f"{restored}, 1 GiB, created ")


def test_watch_0_returns_once_the_volume_is_being_detached(
    restored: str, simulator: Simulator, operator: Person
) -> None:
    slots = Mounted()
    instance = simulator.ec2.instance(TARGET, ZONE, slots)
    simulator.ec2._slots[instance] = slots  # noqa: SLF001 - no image is needed
    simulator.ec2.attach(restored, instance, "/dev/sdg")
    outcome = operator.run(script("volume-delete"), CONFIRM=restored, WATCH="0")
    assert outcome.code == 4
    assert outcome.output.startswith(f"started: {restored} is being detached")
    assert simulator.calls("ec2:DeleteVolume") == []
    slots.mounted = False
    assert operator.run(script("volume-delete"), CONFIRM=restored).done


def test_what_was_put_to_use_while_it_was_detached_is_left_alone(
    restored: str, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was proved before a wait is proved again after it."""
    simulator.ec2.attach(restored, simulator.ec2.instance(TARGET, ZONE), "/dev/sdg")
    operations = simulator.ec2._operations  # noqa: SLF001 - another person acts in between
    detach = operations["DetachVolume"]

    def detach_and_claim(call: Any) -> Any:
        answer = detach(call)
        tag(simulator, restored, **{RUN: "second"})
        return answer

    monkeypatch.setitem(operations, "DetachVolume", detach_and_claim)
    outcome = operator.run(script("volume-delete"), CONFIRM=restored)
    assert outcome.code == 1
    assert f"{restored} has changed, and is left alone" in outcome.errors
    assert simulator.calls("ec2:DeleteVolume") == []
