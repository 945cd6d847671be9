"""EC2's instances and volumes: what moto does not refuse, and changes that take time.

Sources: ec2 service model; EC2 API Reference, "AttachVolume", "DetachVolume", "Error codes"; EC2
User Guide, "Device names for volumes" and "Detach a volume". Times are chosen.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Volume

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from datetime import datetime

    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance

    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call, HttpResponse

GIB = 1 << 30
_DEVICE = re.compile(r"/dev/(sd[b-z]|xvd[b-z]|xvd[b-d][a-z])")
_VOLUME_ID = re.compile(r"vol-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_ATTACHABLE = {"running", "stopped"}
_CREATING = timedelta(seconds=3)
_ATTACHING = timedelta(seconds=4)
_PLUGGING = timedelta(seconds=6)  # after the call; the device comes later than the state
_DETACHING = timedelta(seconds=4)


class Slots(Protocol):
    """Where an instance's volumes become devices."""

    def plug(self, volume_id: str, image: Path) -> None:
        """Make a device of a volume's image."""

    def unplug(self, volume_id: str) -> None:
        """Let go of the device; what has it mounted keeps it."""

    def busy(self, volume_id: str) -> bool:
        """Tell whether a device that was let go of is still there."""


class SimulatedVolume(Volume):  # type: ignore[misc]
    """A volume of moto that is not ready at once."""

    available_at: datetime | None = None

    @property
    def status(self) -> str:
        """The State of the volume."""
        return "creating" if self.available_at else str(super().status)


@dataclass
class _Change:
    """An attachment on its way in or out."""

    volume: Volume
    asked: datetime
    detaching: bool = False


class Ec2:
    """Volumes and instances of all accounts."""

    def __init__(self, clock: Clock, images: Path) -> None:
        """Start without any; what is on volumes goes to files in the folder ``images``."""
        self._clock = clock
        self._images = images
        self._slots: dict[str, Slots] = {}
        self._plugged: set[str] = set()
        self._changes: list[_Change] = []
        self._creating: list[SimulatedVolume] = []
        self._operations = {
            "AttachVolume": self._attach_volume,
            "CreateVolume": self._create_volume,
            "DeleteVolume": self._delete_volume,
            "DetachVolume": self._detach_volume,
        }

    def answer(self, call: Call) -> dict[str, Any] | HttpResponse:
        """Carry out an operation; raise AwsError when EC2 refuses."""
        _check_ids(call)
        operation = self._operations.get(call.operation, backends.answer)
        return operation(call)

    def volume(
        self,
        account_id: str,
        zone: str,
        *,
        gib: int = 1,
        tags: dict[str, str] | None = None,
        volume_id: str | None = None,
    ) -> str:
        """Create an encrypted gp3 volume, available at once; return its id."""
        backend = _backend(account_id, zone[:-1])
        volume = backend.create_volume(gib, zone, volume_type="gp3", encrypted=True)
        if volume_id:
            backend.volumes[volume_id] = backend.volumes.pop(volume.id)
            volume.id = volume_id
        volume.create_time = self._now()
        volume.add_tags(tags or {})
        return str(volume.id)

    def instance(
        self,
        account_id: str,
        zone: str,
        slots: Slots | None = None,
        *,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Create a running instance, with a root volume at /dev/xvda; return its id.

        slots: where volumes that are attached to it become devices; none by default.
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
        instance.root_device_name = "/dev/xvda"
        root = self.volume(account_id, zone, gib=8)
        backend.attach_volume(root, instance.id, "/dev/xvda", delete_on_termination=True)
        if slots:
            self._slots[instance.id] = slots
        return str(instance.id)

    def terminate(self, instance_id: str) -> None:
        """Forget the slots of an instance, which are gone."""
        self._slots.pop(instance_id, None)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Attach a volume, at once."""
        volume = _find_volume(volume_id)
        volume.ec2_backend.attach_volume(volume_id, instance_id, device)
        self._plug(volume)

    def image(self, volume_id: str) -> Path:
        """Return the file with what is on a volume, made when first asked for."""
        image = self._images / f"{volume_id}.img"
        if not image.exists():
            self._images.mkdir(exist_ok=True)
            image.touch(0o600)
            with image.open("r+b") as file:
                file.truncate(_find_volume(volume_id).size * GIB)
        return image

    def copy_volume(
        self,
        volume_id: str,
        account_id: str,
        zone: str,
        *,
        gib: int | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Create a volume with what is on another at one moment, as if from a snapshot of it.

        The other may be of any account, attached, mounted and written to: then its file system is
        copied as a power cut would leave it. gib: the size, by default the other's. Return the id.
        """
        size = gib or _find_volume(volume_id).size
        copy = self.volume(account_id, zone, gib=size, tags=tags)
        source, target = self.image(volume_id), self.image(copy)
        while not _copy_image(source, target):
            pass
        return copy

    def settle(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        for volume in self._creating[:]:
            if volume.available_at and volume.available_at <= now:
                volume.available_at = None
                self._creating.remove(volume)
        for change in self._changes[:]:
            done = self._finish_detaching if change.detaching else self._finish_attaching
            if done(change, now - change.asked):
                self._changes.remove(change)

    def _finish_attaching(self, change: _Change, passed: timedelta) -> bool:
        if passed >= _ATTACHING:
            change.volume.attachment.status = "attached"
        if passed < _PLUGGING:
            return False
        self._plug(change.volume)
        return True

    def _plug(self, volume: Volume) -> None:
        slots = self._slots.get(volume.attachment.instance.id)
        if slots:
            slots.plug(volume.id, self.image(volume.id))
            self._plugged.add(volume.id)

    def _finish_detaching(self, change: _Change, passed: timedelta) -> bool:
        volume, attachment = change.volume, change.volume.attachment
        slots = self._slots.get(attachment.instance.id)
        busy = slots is not None and slots.busy(volume.id)
        if passed < _DETACHING or busy:
            return False
        volume.ec2_backend.detach_volume(volume.id, attachment.instance.id, attachment.device)
        return True

    def _create_volume(self, call: Call) -> HttpResponse:
        backend = _backend(call.account, call.region)
        before = set(backend.volumes)
        response = backends.answer(call)
        for volume_id in set(backend.volumes) - before:
            volume = backend.volumes[volume_id]
            volume.__class__ = SimulatedVolume
            volume.create_time = self._now()
            volume.available_at = self._clock.now() + _CREATING
            self._creating.append(volume)
        return response

    def _attach_volume(self, call: Call) -> HttpResponse:
        volume, instance = _volume(call), _instance(call)
        device = call.parameters["Device"]
        _check_attachable(volume, instance, device)
        response = backends.answer(call)
        volume.attachment.status = "attaching"
        volume.attachment.attach_time = self._now()
        self._changes.append(_Change(volume, self._clock.now()))
        return response

    def _detach_volume(self, call: Call) -> dict[str, Any]:
        volume = _volume(call)
        attachment = volume.attachment
        if attachment is None:
            message = f"Volume '{volume.id}' is in the '{volume.status}' state."
            raise AwsError(message, "IncorrectState")
        for name, given in (("InstanceId", attachment.instance.id), ("Device", attachment.device)):
            if call.parameters.get(name, given) != given:
                message = f"The volume '{volume.id}' is not attached to {call.parameters[name]}"
                raise AwsError(message, "InvalidAttachment.NotFound")
        if attachment.device == attachment.instance.root_device_name:
            message = f"Unable to detach root volume '{attachment.device}'"
            raise AwsError(message, "OperationNotPermitted")
        if attachment.status != "detaching":
            self._begin_detaching(volume)
        return {
            "VolumeId": volume.id,
            "InstanceId": attachment.instance.id,
            "Device": attachment.device,
            "State": attachment.status,
            "AttachTime": attachment.attach_time,
        }

    def _begin_detaching(self, volume: Volume) -> None:
        volume.attachment.status = "detaching"
        self._changes = [change for change in self._changes if change.volume is not volume]
        self._changes.append(_Change(volume, self._clock.now(), detaching=True))
        slots = self._slots.get(volume.attachment.instance.id)
        if slots and volume.id in self._plugged:
            self._plugged.remove(volume.id)
            slots.unplug(volume.id)

    def _delete_volume(self, call: Call) -> HttpResponse:
        volume = _volume(call)
        if volume.attachment:
            message = f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}"
            raise AwsError(message, "VolumeInUse")
        response = backends.answer(call)
        (self._images / f"{volume.id}.img").unlink(missing_ok=True)
        return response

    def _now(self) -> datetime:
        """Return the time as moto keeps it."""
        return self._clock.now().astimezone(timezone.utc).replace(tzinfo=None)


def _copy_image(source: Path, target: Path) -> bool:
    """Copy an image; tell whether the copy is what it was at one moment.

    It is when the whole image is still the same after the copy: then nothing was written between.
    """
    size = target.stat().st_size
    subprocess.run(["/bin/cp", "--sparse=always", source, target], check=True)
    same = subprocess.run(["/usr/bin/cmp", "--silent", source, target], check=False)
    os.truncate(target, size)
    return same.returncode == 0


def _backend(account_id: str, region: str) -> EC2Backend:
    return ec2_backends[account_id][region]


def _find_volume(volume_id: str) -> Volume:
    """Return a volume of any account; raise KeyError when there is none."""
    for regions in list(ec2_backends.values()):
        for backend in list(regions.values()):
            if volume_id in backend.volumes:
                return backend.volumes[volume_id]
    raise KeyError(volume_id)


def _check_ids(call: Call) -> None:
    """Refuse ids that cannot be any."""
    for name, pattern, code in (
        ("Volume", _VOLUME_ID, "InvalidVolumeID.Malformed"),
        ("Instance", _INSTANCE_ID, "InvalidInstanceID.Malformed"),
    ):
        given = [*call.parameters.get(f"{name}Ids", []), call.parameters.get(f"{name}Id")]
        for one in given:
            if one is not None and not pattern.fullmatch(one):
                raise AwsError(f'Invalid id: "{one}"', code)


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


def _check_attachable(volume: Volume, instance: Instance, device: str) -> None:
    if volume.attachment:
        message = f"{volume.id} is already attached to an instance"
        raise AwsError(message, "VolumeInUse")
    if volume.status != "available":
        message = f"Volume '{volume.id}' is not 'available'."
        raise AwsError(message, "IncorrectState")
    if instance.state not in _ATTACHABLE:
        message = f"Instance '{instance.id}' is not 'running'."
        raise AwsError(message, "IncorrectState")
    if volume.availability_zone != instance.placement.zone:
        message = (
            f"The volume '{volume.id}' is not in the same availability zone as instance "
            f"'{instance.id}'"
        )
        raise AwsError(message, "InvalidVolume.ZoneMismatch")
    if not _DEVICE.fullmatch(device):
        message = (
            f"Value ({device}) for parameter device is invalid. It is not a valid EBS device name."
        )
        raise AwsError(message, "InvalidParameterValue")
    if device in instance.block_device_mapping:
        message = (
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
        raise AwsError(message, "InvalidParameterValue")
