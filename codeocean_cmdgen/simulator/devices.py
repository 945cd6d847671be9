"""An instance's volumes as block devices of its simulated host."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from codeocean_cmdgen.simulator.loop import LoopDevice

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.simulator.machine import Machine

_BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}"
_UDEV = "/run/udev/data"


class Devices:
    """Loop devices, each with the node, link and serial number that udev gives to an EBS volume.

    Source: EC2 User Guide, "Map Amazon EBS volumes to NVMe device names". The serial number is in
    udev's database, where lsblk and udevadm read it.
    """

    def __init__(self, machine: Machine, *, by_id: bool = True) -> None:
        """Start without devices; ``by_id`` sets whether they have links."""
        self._machine = machine
        self._by_id = by_id
        self._loops: dict[str, LoopDevice] = {}

    def close(self) -> None:
        """Detach all devices."""
        for loop in self._loops.values():
            loop.close()
        self._loops.clear()

    def path(self, volume_id: str) -> str:
        """Return the path of a volume's device on the host; raise KeyError if it has none."""
        return f"/dev/{self._loops[volume_id].name}"

    def plug(self, volume_id: str, image: Path) -> None:
        """Create a device for a volume's image."""
        loop = self._loops[volume_id] = LoopDevice(image)
        os.mknod(self._machine.path(f"/dev/{loop.name}"), stat.S_IFBLK | 0o660, loop.number)
        (self._machine.block / loop.name).symlink_to(f"../devices/virtual/block/{loop.name}")
        if self._by_id:
            self._link(volume_id).symlink_to(f"../../{loop.name}")
        if self._machine.init:
            self._write_serial_number(volume_id)

    def unplug(self, volume_id: str) -> None:
        """Detach a volume's device, if it has one; existing mounts keep it."""
        if volume_id in self._loops:
            self._loops[volume_id].close()

    def busy(self, volume_id: str) -> bool:
        """Return whether a detached device still exists; remove its node if it does not."""
        loop = self._loops.get(volume_id)
        if loop is None or loop.attached:
            return loop is not None
        del self._loops[volume_id]
        self._machine.path(f"/dev/{loop.name}").unlink()
        self._link(volume_id).unlink(missing_ok=True)
        (self._machine.block / loop.name).unlink()
        return False

    def write_serial_numbers(self) -> None:
        """Write all serial numbers into udev's database; they are lost in a boot."""
        for volume_id in self._loops:
            self._write_serial_number(volume_id)

    def _write_serial_number(self, volume_id: str) -> None:
        number, serial = self._loops[volume_id].number, _serial(volume_id)
        folder = self._machine.path(_UDEV)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"b{os.major(number)}:{os.minor(number)}").write_text(
            f"I:1\nE:ID_SERIAL=Amazon_Elastic_Block_Store_{serial}\nE:ID_SERIAL_SHORT={serial}\n",
            encoding="utf-8",
        )

    def _link(self, volume_id: str) -> Path:
        return self._machine.path(_BY_ID.format(_serial(volume_id)))


def _serial(volume_id: str) -> str:
    return volume_id.replace("-", "")
