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
    """Loop devices, each with what udev makes of an EBS volume: node, link and serial number.

    Source: EC2 User Guide, "Map Amazon EBS volumes to NVMe device names". The serial number lies
    where lsblk and udevadm look, in udev's database.
    """

    def __init__(self, machine: Machine, *, by_id: bool = True) -> None:
        """Start without any; ``by_id`` tells whether they have links."""
        self._machine = machine
        self._by_id = by_id
        self._loops: dict[str, LoopDevice] = {}

    def close(self) -> None:
        """Let go of all."""
        for loop in self._loops.values():
            loop.close()
        self._loops.clear()

    def path(self, volume_id: str) -> str:
        """Return the path of a volume's device on the host; raise KeyError when it has none."""
        return f"/dev/{self._loops[volume_id].name}"

    def plug(self, volume_id: str, image: Path) -> None:
        """Make a device of a volume's image."""
        loop = self._loops[volume_id] = LoopDevice(image)
        os.mknod(self._machine.path(f"/dev/{loop.name}"), stat.S_IFBLK | 0o660, loop.number)
        (self._machine.block / loop.name).symlink_to(f"../devices/virtual/block/{loop.name}")
        if self._by_id:
            self._link(volume_id).symlink_to(f"../../{loop.name}")
        if self._machine.init:
            self._tell(volume_id)

    def unplug(self, volume_id: str) -> None:
        """Let go of a volume's device, if it has one; what has it mounted keeps it."""
        if volume_id in self._loops:
            self._loops[volume_id].close()

    def busy(self, volume_id: str) -> bool:
        """Tell whether a device that was let go of is still there; forget it when it is not."""
        loop = self._loops.get(volume_id)
        if loop is None or loop.attached:
            return loop is not None
        del self._loops[volume_id]
        self._machine.path(f"/dev/{loop.name}").unlink()
        self._link(volume_id).unlink(missing_ok=True)
        (self._machine.block / loop.name).unlink()
        return False

    def tell_all(self) -> None:
        """Put all serial numbers where programs look; a boot forgets them."""
        for volume_id in self._loops:
            self._tell(volume_id)

    def _tell(self, volume_id: str) -> None:
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
