"""Instances and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeocean_cmdgen.simulator import Simulator

ZONE = "us-east-1a"
MIB = 1 << 20
UNKNOWN_VOLUME = "vol-0123456789abcdef0"
UNKNOWN_INSTANCE = "i-0123456789abcdef0"


class Shelf:
    """Slots that remember what is plugged in, and whether it is in use."""

    def __init__(self) -> None:
        self.plugged: dict[str, Path] = {}
        self.used: set[str] = set()

    def plug(self, volume_id: str, image: Path) -> None:
        self.plugged[volume_id] = image

    def unplug(self, volume_id: str) -> None:
        self.plugged.pop(volume_id, None)

    def busy(self, volume_id: str) -> bool:
        return volume_id in self.used


@pytest.fixture
def ec2(sim: Simulator) -> Any:
    return sim.account(ACCOUNT).client("ec2")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def instance(sim: Simulator, shelf: Shelf) -> str:
    return sim.ec2.instance(ACCOUNT, ZONE, shelf, tags={"codeocean:deployment": "codeocean"})


@pytest.fixture
def volume(sim: Simulator) -> str:
    return sim.ec2.volume(ACCOUNT, ZONE, tags={"codeocean:deployment": "codeocean"})


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def described(ec2: Any, volume: str) -> tuple[str, str]:
    """Return a volume's state and its attachment's."""
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return found["State"], "".join(one["State"] for one in found.get("Attachments", []))


def test_an_instance_shows_whose_it_is(ec2: Any, instance: str) -> None:
    (reservation,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    (found,) = reservation["Instances"]
    assert (reservation["OwnerId"], found["State"]["Name"]) == (ACCOUNT, "running")
    assert found["Placement"]["AvailabilityZone"] == ZONE
    assert found["Tags"] == [{"Key": "codeocean:deployment", "Value": "codeocean"}]
    assert [one["DeviceName"] for one in found["BlockDeviceMappings"]] == ["/dev/xvda"]


def test_attaching_takes_time(
    sim: Simulator, ec2: Any, instance: str, volume: str, shelf: Shelf
) -> None:
    answer = ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdg")
    assert answer["State"] == "attaching"
    assert (described(ec2, volume), shelf.plugged) == (("in-use", "attaching"), {})
    sim.clock.advance(5)
    assert (described(ec2, volume), shelf.plugged) == (("in-use", "attached"), {})
    sim.clock.advance(5)
    assert shelf.plugged == {volume: sim.ec2.image(volume)}


def test_detaching_waits_for_who_uses_it(
    sim: Simulator, ec2: Any, instance: str, volume: str, shelf: Shelf
) -> None:
    sim.ec2.attach(volume, instance, "/dev/sdg")
    shelf.used.add(volume)
    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    assert shelf.plugged == {}
    sim.clock.advance(3600)
    assert described(ec2, volume) == ("in-use", "detaching")
    shelf.used.clear()
    assert described(ec2, volume) == ("available", "")
    assert ec2.delete_volume(VolumeId=volume)
    assert refusal(ec2.describe_volumes, VolumeIds=[volume]) == "InvalidVolume.NotFound"


def test_a_volume_that_is_being_attached_can_be_detached(
    sim: Simulator, ec2: Any, instance: str, volume: str, shelf: Shelf
) -> None:
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdg")
    ec2.detach_volume(VolumeId=volume)
    sim.clock.advance(60)
    assert (described(ec2, volume), shelf.plugged) == (("available", ""), {})


def test_creating_takes_time(sim: Simulator, ec2: Any, instance: str) -> None:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "run", "Value": "first"}]}]
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=2, TagSpecifications=tags)["VolumeId"]
    attach = {"VolumeId": volume, "InstanceId": instance, "Device": "/dev/sdg"}
    assert described(ec2, volume) == ("creating", "")
    assert refusal(ec2.attach_volume, **attach) == "IncorrectState"
    sim.clock.advance(5)
    assert described(ec2, volume) == ("available", "")
    by_tag = [{"Name": "tag:run", "Values": ["first"]}]
    assert len(ec2.describe_volumes(Filters=by_tag)["Volumes"]) == 1
    assert ec2.attach_volume(**attach)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"VolumeId": UNKNOWN_VOLUME}, "InvalidVolume.NotFound"),
        ({"VolumeId": "vol-1"}, "InvalidVolumeID.Malformed"),
        ({"InstanceId": UNKNOWN_INSTANCE}, "InvalidInstanceID.NotFound"),
        ({"InstanceId": "i-1"}, "InvalidInstanceID.Malformed"),
        ({"Device": "/dev/sdg1"}, "InvalidParameterValue"),
        ({"Device": "/dev/nvme3n1"}, "InvalidParameterValue"),
        ({"Device": "sdg"}, "InvalidParameterValue"),
        ({"Device": "/dev/sde"}, "InvalidParameterValue"),
        ({"Device": "/dev/xvde"}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_attached(
    sim: Simulator, ec2: Any, instance: str, volume: str, changes: dict[str, str], code: str
) -> None:
    sim.ec2.attach(sim.ec2.volume(ACCOUNT, ZONE), instance, "/dev/sde")
    attach = {"VolumeId": volume, "InstanceId": instance, "Device": "/dev/sdg", **changes}
    assert refusal(ec2.attach_volume, **attach) == code
    assert described(ec2, volume) == ("available", "")


def test_what_is_elsewhere_cannot_be_attached(sim: Simulator, ec2: Any, instance: str) -> None:
    def attach(volume: str) -> str:
        return refusal(ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdg")

    assert attach(sim.ec2.volume(ACCOUNT, "us-east-1b")) == "InvalidVolume.ZoneMismatch"
    assert attach(sim.ec2.volume(ACCOUNT, "eu-west-1a")) == "InvalidVolume.NotFound"
    foreign = sim.ec2.volume(OTHER, ZONE)
    assert attach(foreign) == "InvalidVolume.NotFound"
    assert refusal(ec2.describe_volumes, VolumeIds=[foreign]) == "InvalidVolume.NotFound"
    taken = sim.ec2.volume(ACCOUNT, ZONE)
    sim.ec2.attach(taken, sim.ec2.instance(ACCOUNT, ZONE), "/dev/sdg")
    assert attach(taken) == "VolumeInUse"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InstanceId": UNKNOWN_INSTANCE}, "InvalidAttachment.NotFound"),
        ({"Device": "/dev/sdh"}, "InvalidAttachment.NotFound"),
        ({"VolumeId": UNKNOWN_VOLUME}, "InvalidVolume.NotFound"),
    ],
)
def test_what_cannot_be_detached(
    sim: Simulator, ec2: Any, instance: str, volume: str, changes: dict[str, str], code: str
) -> None:
    assert refusal(ec2.detach_volume, VolumeId=volume) == "IncorrectState"
    sim.ec2.attach(volume, instance, "/dev/sdg")
    assert refusal(ec2.detach_volume, **{"VolumeId": volume, **changes}) == code
    assert refusal(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"


def test_the_root_volume_stays(ec2: Any, instance: str) -> None:
    is_root = [{"Name": "attachment.instance-id", "Values": [instance]}]
    (root,) = ec2.describe_volumes(Filters=is_root)["Volumes"]
    assert refusal(ec2.detach_volume, VolumeId=root["VolumeId"]) == "OperationNotPermitted"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AvailabilityZone": "us-east-1x"}, "InvalidZone.NotFound"),
        ({"AvailabilityZone": "us-east-1"}, "InvalidZone.NotFound"),
        ({"Size": 0}, "InvalidParameterValue"),
        ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidSnapshot.NotFound"),
    ],
)
def test_what_cannot_be_created(ec2: Any, changes: dict[str, Any], code: str) -> None:
    request = {"AvailabilityZone": ZONE, "Size": 1, **changes}
    assert refusal(ec2.create_volume, **request) == code


def test_tags_can_be_added_to_what_is_there(ec2: Any, volume: str) -> None:
    tags = [{"Key": "run", "Value": "first"}]
    ec2.create_tags(Resources=[volume], Tags=tags)
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert {one["Key"] for one in found["Tags"]} == {"codeocean:deployment", "run"}
    assert refusal(ec2.create_tags, Resources=[UNKNOWN_VOLUME], Tags=tags).endswith("NotFound")
    reserved = [{"Key": "aws:run", "Value": "first"}]
    assert refusal(ec2.create_tags, Resources=[volume], Tags=reserved) == "InvalidParameterValue"


def test_an_unknown_filter_is_refused(ec2: Any) -> None:
    filters = [{"Name": "colour", "Values": ["red"]}]
    assert refusal(ec2.describe_volumes, Filters=filters) == "InvalidParameterValue"


def test_a_snapshot_keeps_what_was_on_the_volume(sim: Simulator, volume: str) -> None:
    image = sim.ec2.image(volume)
    with image.open("r+b") as file:
        file.seek(5 * MIB)
        file.write(b"old")
    sim.ec2.keep_snapshot("snap-0123456789abcdef0", volume)
    with image.open("r+b") as file:
        file.write(b"new")
    copy = sim.ec2.image(sim.ec2.volume(OTHER, ZONE, gib=2, snapshot_id="snap-0123456789abcdef0"))
    with copy.open("rb") as file:
        assert file.read(3) == bytes(3)
        file.seek(5 * MIB)
        assert file.read(3) == b"old"
    assert copy.stat().st_size == 2048 * MIB
    assert copy.stat().st_blocks * 512 < MIB  # holes stay holes


def test_a_dry_run_changes_nothing(sim: Simulator, ec2: Any, instance: str, volume: str) -> None:
    sim.ec2.attach(volume, instance, "/dev/sdg")
    assert refusal(ec2.detach_volume, VolumeId=volume, DryRun=True) == "DryRunOperation"
    assert described(ec2, volume) == ("in-use", "attached")
