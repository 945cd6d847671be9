"""EC2's instances and volumes: refusals that moto lacks, and changes that take time.

Sources: ec2 service model; EC2 API Reference, "AttachVolume", "CreateVolume", "DetachVolume" and
"Error codes"; EC2 User Guide, "Device names for volumes". Times are chosen.
"""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, Protocol

from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Volume

from codeocean_cmdgen.simulator import backends, images
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.values import Arn

if TYPE_CHECKING:
    from pathlib import Path

    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_block_store import VolumeAttachment
    from moto.ec2.models.instances import Instance

    from codeocean_cmdgen.simulator.backup import Backup
    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call, HttpResponse

# Moto's 1300 images, each with a snapshot, belong to no account here, and are slow to load.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

# /dev/sdg and /dev/xvdg are the same attachment point.
_DEVICE = re.compile(r"/dev/(?:sd|xvd)(?P<point>[b-z])|/dev/xvd(?P<far_point>[b-d][a-z])")
_ID = "{}-(?:[0-9a-f]{{8}}|[0-9a-f]{{17}})"
_ATTACHABLE = {"running", "stopped"}
_CREATING = timedelta(seconds=3)
_ATTACHING = timedelta(seconds=4)
_PLUGGING = timedelta(seconds=6)  # like _ATTACHING, from the call: the device comes last
_DETACHING = timedelta(seconds=4)
_GP3_GIB = range(1, 65537)
_GP3_IOPS, _GP3_THROUGHPUT = 3000, 125  # of a volume for which nothing else is asked


class Slots(Protocol):
    """The place where an instance's volumes become devices."""

    def plug(self, volume_id: str, image: Path) -> None:
        """Create a device for a volume's image."""

    def unplug(self, volume_id: str) -> None:
        """Detach the device, if there is one; existing mounts keep it."""

    def busy(self, volume_id: str) -> bool:
        """Return whether a detached device still exists."""


class SlowVolume(Volume):
    """A moto volume that becomes available only after some time."""

    available_at = datetime.min.replace(tzinfo=timezone.utc)
    clock: Clock

    @property
    def status(self) -> str:
        """The State of the volume."""
        return super().status if self.available_at <= self.clock.now() else "creating"


@dataclass
class _Change:
    """An attachment that is being attached or detached."""

    attachment: VolumeAttachment
    asked: datetime
    leaving: bool = False


class Ec2:
    """Volumes and instances of all accounts."""

    def __init__(self, clock: Clock, folder: Path, backup: Backup) -> None:
        """Start without any; the content of volumes is stored in files in the folder.

        The snapshots are those of the recovery points in ``backup``.
        """
        self._clock, self._backup = clock, backup
        self._folder = folder
        self._slots: dict[str, Slots] = {}
        self._changes: list[_Change] = []
        self._operations: dict[str, Callable[[Call], dict[str, Any] | HttpResponse]] = {
            "AttachVolume": self._attach_volume,
            "CreateVolume": self._create_volume,
            "DeleteVolume": self._delete_volume,
            "DescribeSnapshots": self._describe_snapshots,
            "DetachVolume": self._detach_volume,
        }

    def answer(self, call: Call) -> dict[str, Any] | HttpResponse:
        """Carry out an operation; raise AwsError if EC2 refuses it."""
        if call.parameters.get("DryRun"):
            message = "Request would have succeeded, but DryRun flag is set."
            raise AwsError(message, "DryRunOperation", 412)
        _check_ids(call)
        _check_filters(call)
        _check_tags(call)
        return self._operations.get(call.operation, backends.answer)(call)

    def volume(
        self,
        account_id: str,
        zone: str,
        *,
        gib: int = 1,
        tags: dict[str, str] | None = None,
        snapshot_id: str | None = None,
        volume_id: str | None = None,
        iops: int | None = None,
        throughput: int | None = None,
        kms_key_id: str | None = None,
    ) -> str:
        """Create an encrypted gp3 volume, available at once; return its ID.

        snapshot_id: its content, as stored by ``keep_snapshot``; it need not exist in EC2.
        volume_id: its ID; without it, moto chooses one.
        """
        region = zone[:-1]
        key = f"arn:{backends.partition_of(region)}:kms:{region}:{account_id}:key/aws-ebs"
        backend = _backend(account_id, region)
        volume = backend.create_volume(
            gib,
            zone,
            volume_type="gp3",
            encrypted=True,
            kms_key_id=kms_key_id or key,
            iops=iops or _GP3_IOPS,
            throughput=throughput or _GP3_THROUGHPUT,
        )
        if volume_id:
            backend.volumes[volume_id] = backend.volumes.pop(volume.id)
            volume.id = volume_id
        volume.snapshot_id = snapshot_id
        volume.create_time = self._now()
        volume.add_tags(tags or {})
        return volume.id

    def instance(
        self,
        account_id: str,
        zone: str,
        slots: Slots | None = None,
        *,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Create a running instance, with a root volume at /dev/xvda; return its ID.

        slots: where its attached volumes become devices; by default they do not.
        """
        backend = _backend(account_id, zone[:-1])
        reservation = backend.run_instances(
            "ami-0123456789abcdef0",
            1,
            None,
            [],
            block_device_mappings=[],
            instance_type="m7i.large",
            is_instance_type_default=True,
            placement=zone,
            tags={"instance": tags or {}},
        )
        (instance,) = reservation.instances
        instance.root_device_name, instance.virtualization_type = "/dev/xvda", "hvm"
        self.attach(self.volume(account_id, zone, gib=8), instance.id, "/dev/xvda")
        if slots:
            self._slots[instance.id] = slots
        return instance.id

    def unslot(self, instance_id: str) -> None:
        """Create no more devices for an instance."""
        self._slots.pop(instance_id, None)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Attach a volume, at once."""
        attachment = _find_volume(volume_id).ec2_backend.attach_volume(
            volume_id, instance_id, device
        )
        self._plug(attachment)

    def has_volume(self, region: str, account_id: str, volume_id: str) -> bool:
        """Return whether an account has a volume in a Region."""
        return volume_id in _backend(account_id, region).volumes

    def gib(self, region: str, account_id: str, volume_id: str) -> int:
        """Return the size of a volume of an account in a Region."""
        return int(_backend(account_id, region).volumes[volume_id].size)

    def image(self, volume_id: str) -> Path:
        """Return the file with the content of a volume; it is created when first needed."""
        image = self._folder / f"{volume_id}.img"
        if not image.exists():
            volume = _find_volume(volume_id)
            snapshot = self._folder / f"{volume.snapshot_id}.img"
            if snapshot.exists():
                images.copy(snapshot, image, volume.size * images.GIB)
            else:
                images.make(image, volume.size * images.GIB)
        return image

    def keep_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Store the current content of a volume as that of a snapshot.

        The volume may belong to any account. If it is attached, mounted and written to, its file
        system is stored as a power cut would leave it.
        """
        image = self.image(volume_id)
        images.copy(image, self._folder / f"{snapshot_id}.img", image.stat().st_size)

    def snapshot(self, volume_id: str) -> str:
        """Store the content of a volume as a snapshot; return its name, or "" if it has none."""
        if not (self._folder / f"{volume_id}.img").exists():
            return ""
        name = f"snap-{uuid.uuid4().hex[:17]}"
        self.keep_snapshot(name, volume_id)
        return name

    def share_snapshot(self, snapshot_id: str, other_id: str) -> None:
        """Give another snapshot the same content."""
        other = self._folder / f"{other_id}.img"
        if not other.exists():
            other.hardlink_to(self._folder / f"{snapshot_id}.img")

    def settle(self) -> None:
        """Do the work that is due."""
        for change in self._changes[:]:
            finish = self._finish_detaching if change.leaving else self._finish_attaching
            if finish(change.attachment, self._clock.now() - change.asked):
                self._changes.remove(change)

    def _finish_attaching(self, attachment: VolumeAttachment, passed: timedelta) -> bool:
        if passed >= _ATTACHING:
            attachment.status = "attached"
        if passed < _PLUGGING:
            return False
        self._plug(attachment)
        return True

    def _plug(self, attachment: VolumeAttachment) -> None:
        slots = self._slots.get(attachment.instance_id)
        if slots:
            slots.plug(attachment.volume_id, self.image(attachment.volume_id))

    def _finish_detaching(self, attachment: VolumeAttachment, passed: timedelta) -> bool:
        slots = self._slots.get(attachment.instance_id)
        busy = slots is not None and slots.busy(attachment.volume_id)
        if passed < _DETACHING or busy:
            return False
        attachment.volume.ec2_backend.detach_volume(
            attachment.volume_id, attachment.instance_id, attachment.device
        )
        return True

    def _create_volume(self, call: Call) -> HttpResponse:
        backend = _backend(call.account, call.region)
        _check_creatable(backend, call.parameters)
        before = set(backend.volumes)
        response = backends.answer(call)
        for volume_id in set(backend.volumes) - before:
            volume: Any = backend.volumes[volume_id]
            volume.__class__ = SlowVolume
            volume.clock, volume.available_at = self._clock, self._clock.now() + _CREATING
            volume.create_time = self._now()
        return response

    def _attach_volume(self, call: Call) -> HttpResponse:
        volume = _volume(call)
        _check_attachable(volume, _instance(call), call.parameters["Device"])
        response = backends.answer(call)
        (attachment,) = volume.attachments
        attachment.status = "attaching"
        attachment.attach_time = self._now()
        self._changes.append(_Change(attachment, self._clock.now()))
        return response

    def _detach_volume(self, call: Call) -> dict[str, Any]:
        volume = _volume(call)
        _check_detachable(volume, call.parameters)
        (attachment,) = volume.attachments
        if attachment.status != "detaching":
            attachment.status = "detaching"
            kept = [change for change in self._changes if change.attachment is not attachment]
            self._changes = [*kept, _Change(attachment, self._clock.now(), leaving=True)]
            if attachment.instance_id in self._slots:
                self._slots[attachment.instance_id].unplug(volume.id)
        return {
            "VolumeId": volume.id,
            "InstanceId": attachment.instance_id,
            "Device": attachment.device,
            "State": attachment.status,
            "AttachTime": attachment.attach_time,
        }

    def _delete_volume(self, call: Call) -> HttpResponse:
        volume = _volume(call)
        for attachment in volume.attachments:
            message = f"Volume {volume.id} is currently attached to {attachment.instance_id}"
            raise AwsError(message, "VolumeInUse")
        response = backends.answer(call)
        (self._folder / f"{volume.id}.img").unlink(missing_ok=True)
        return response

    def _describe_snapshots(self, call: Call) -> dict[str, Any]:
        points = {
            Arn(point.arn).resource_id: point
            for point in self._backup.points.values()
            if point.resource_type == "EBS" and Arn(point.vault_arn).account_id == call.account
        }
        missing = [one for one in call.parameters.get("SnapshotIds", ()) if one not in points]
        if missing:
            message = f"The snapshot '{missing[0]}' does not exist."
            raise AwsError(message, "InvalidSnapshot.NotFound")
        return {
            "Snapshots": [
                {
                    "SnapshotId": snapshot_id,
                    "OwnerId": call.account,
                    "State": "completed",
                    "VolumeSize": points[snapshot_id].size_bytes // images.GIB,
                }
                for snapshot_id in call.parameters.get("SnapshotIds") or points
            ]
        }

    def _now(self) -> datetime:
        """Return the time as moto stores it: in UTC, but naive."""
        return self._clock.now().astimezone(timezone.utc).replace(tzinfo=None)


def _backend(account_id: str, region: str) -> EC2Backend:
    return ec2_backends[account_id][region]


def _find_volume(volume_id: str) -> Volume:
    """Return a volume of any account; raise KeyError if there is none."""
    for regions in list(ec2_backends.values()):
        for backend in list(regions.values()):
            if volume_id in backend.volumes:
                return backend.volumes[volume_id]
    raise KeyError(volume_id)


def _volume(call: Call) -> Volume:
    volume_id = call.parameters["VolumeId"]
    volume = _backend(call.account, call.region).volumes.get(volume_id)
    if volume is None:
        message = f"The volume '{volume_id}' does not exist."
        raise AwsError(message, "InvalidVolume.NotFound")
    return volume


def _instance(call: Call) -> Instance:
    instance_id = call.parameters["InstanceId"]
    for instance in _backend(call.account, call.region).all_instances():
        if instance.id == instance_id:
            return instance
    message = f"The instance ID '{instance_id}' does not exist"
    raise AwsError(message, "InvalidInstanceID.NotFound")


def _check_ids(call: Call) -> None:
    """Refuse IDs that no volume and no instance can have."""
    for name, pattern, code in (
        ("Volume", _ID.format("vol"), "InvalidVolumeID.Malformed"),
        ("Instance", _ID.format("i"), "InvalidInstanceID.Malformed"),
    ):
        single = call.parameters.get(f"{name}Id")
        for given in [*call.parameters.get(f"{name}Ids", []), *([single] if single else [])]:
            if not re.fullmatch(pattern, given):
                message = f'Invalid id: "{given}"'
                raise AwsError(message, code)


def _check_filters(call: Call) -> None:
    """Refuse filters that the operation's documentation does not list."""
    members = call.model.input_shape.members if call.model.input_shape else {}
    if "Filters" not in members:
        return
    known = set(re.findall(r"<li> <p> <code>([^<]*)</code>", members["Filters"].documentation))
    for given in call.parameters.get("Filters", []):
        name = given["Name"]
        if name not in known and not (name.startswith("tag:") and "tag" in known):
            message = f"The filter '{name}' is invalid"
            raise AwsError(message, "InvalidParameterValue")


def _check_tags(call: Call) -> None:
    specifications = [call.parameters, *call.parameters.get("TagSpecifications", [])]
    for specification in specifications:
        for tag in specification.get("Tags", []):
            if tag["Key"].lower().startswith("aws:"):
                message = "Tag keys starting with 'aws:' are reserved for internal use"
                raise AwsError(message, "InvalidParameterValue")


def _check_creatable(backend: EC2Backend, given: dict[str, Any]) -> None:
    zone, size = given.get("AvailabilityZone"), given.get("Size")
    if zone not in {one.name for one in backend.describe_availability_zones()}:
        message = f"The zone '{zone}' does not exist."
        raise AwsError(message, "InvalidZone.NotFound")
    if size is not None and size not in _GP3_GIB:
        message = f"Volume of {size}GiB is invalid. It must be between 1 and {_GP3_GIB[-1]}GiB."
        raise AwsError(message, "InvalidParameterValue")
    snapshot = backend.snapshots.get(given.get("SnapshotId", ""))
    if snapshot and size is not None and size < snapshot.volume_size:
        message = f"The volume size is invalid for the snapshot: {size} < {snapshot.volume_size}"
        raise AwsError(message, "InvalidParameterValue")


def _check_attachable(volume: Volume, instance: Instance, device: str) -> None:
    if volume.attachments:
        message = f"{volume.id} is already attached to an instance"
        raise AwsError(message, "VolumeInUse")
    if volume.status != "available":
        message = f"Volume '{volume.id}' is not 'available'."
        raise AwsError(message, "IncorrectState")
    if instance.state not in _ATTACHABLE:
        message = f"Instance '{instance.id}' is not 'running'."
        raise AwsError(message, "IncorrectState")
    if volume.availability_zone != instance.availability_zone:
        message = (
            f"The volume '{volume.id}' is not in the same availability zone as instance "
            f"'{instance.id}'"
        )
        raise AwsError(message, "InvalidVolume.ZoneMismatch")
    if not _DEVICE.fullmatch(device):
        message = (
            f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device "
            "name."
        )
        raise AwsError(message, "InvalidParameterValue")
    if _point(device) in {_point(taken) for taken in instance.block_device_mapping}:
        message = (
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
        raise AwsError(message, "InvalidParameterValue")


def _point(device: str) -> str:
    """Return the part of a device name that identifies the attachment point."""
    found = _DEVICE.fullmatch(device)
    return found["point"] or found["far_point"] if found else device


def _check_detachable(volume: Volume, given: dict[str, Any]) -> None:
    if not volume.attachments:
        message = f"Volume '{volume.id}' is in the '{volume.status}' state."
        raise AwsError(message, "IncorrectState")
    (attachment,) = volume.attachments
    for name, present in (("InstanceId", attachment.instance_id), ("Device", attachment.device)):
        if given.get(name, present) != present:
            message = f"The volume '{volume.id}' is not attached to '{given[name]}'"
            raise AwsError(message, "InvalidAttachment.NotFound")
    if attachment.device == attachment.instance.root_device_name:
        message = (
            f"Unable to detach root volume '{attachment.device}' from instance "
            f"'{attachment.instance_id}'"
        )
        raise AwsError(message, "OperationNotPermitted")
