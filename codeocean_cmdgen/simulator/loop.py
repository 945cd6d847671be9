"""Loop devices: image files as block devices of the machine."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

# Source: the kernel's header loop.h
_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
_AUTOCLEAR = 4
_CONFIG = struct.Struct("=II 40x 12xI 64s 112x 64x")  # file, block size; flags, name
_ATTEMPTS = 100


class LoopDevice:
    """An image file as a block device, as long as it is open here or mounted anywhere.

    After that the kernel detaches it, so nothing remains after a crash.
    """

    def __init__(self, image: Path) -> None:
        """Attach an image to a free device; raise OSError if that is not possible."""
        self._image = image
        file = os.open(image, os.O_RDWR)
        try:
            self.name, device = _attach(file, image)
        finally:
            os.close(file)
        self.number = os.fstat(device).st_rdev
        self._device: int | None = device

    def close(self) -> None:
        """Detach it, at once or when its last mount is removed. Repeating this has no effect."""
        device, self._device = self._device, None
        if device is not None:
            os.close(device)

    @property
    def attached(self) -> bool:
        """Whether the device holds the image."""
        try:
            holds = Path(f"/sys/block/{self.name}/loop/backing_file").read_text("utf-8")
        except FileNotFoundError:
            return False
        return holds.strip() == str(self._image)


def _attach(file: int, image: Path) -> tuple[str, int]:
    """Return the name of a device that now holds the file, and the device, open."""
    config = _CONFIG.pack(file, 0, _AUTOCLEAR, str(image).encode()[-63:])
    for _ in range(_ATTEMPTS):
        name = f"loop{_free_number()}"
        device = os.open(f"/dev/{name}", os.O_RDWR)
        try:
            fcntl.ioctl(device, _CONFIGURE, config)
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:  # somebody else took the device
                raise
        else:
            return name, device
    raise OSError(errno.EBUSY, "no loop device is free")


def _free_number() -> int:
    control = os.open("/dev/loop-control", os.O_RDWR)
    try:
        return fcntl.ioctl(control, _GET_FREE)
    finally:
        os.close(control)
