"""An `aws` that has its call made by the server beside it, see aws_server.py.

It runs for each call of a script, so it imports little: `socket`, `json` and `pathlib` would take
twice as long as all the rest.
"""

from __future__ import annotations

import _socket
import os
import sys


def call(arguments: list[str]) -> int:
    """Have a call made with this process's files, folder, umask and environment.

    Returns the exit code.
    """
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(f"{os.path.realpath(sys.argv[0]).rpartition('/')[0]}/socket")
    mask = os.umask(0)
    fields = [
        b"%d" % len(arguments),
        *map(os.fsencode, arguments),
        os.getcwdb(),  # noqa: PTH109 - pathlib costs more than the call
        b"%d" % mask,
        *(name + b"=" + value for name, value in os.environb.items()),
    ]
    message = b"\0".join(fields)
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    header = len(message).to_bytes(4, "big")
    connection.sendmsg([header], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    connection.sendall(message)
    answer = connection.recv(4)
    return int.from_bytes(answer, "big") if answer else 255


if __name__ == "__main__":
    sys.exit(call(sys.argv[1:]))
