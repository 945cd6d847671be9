"""The real AWS CLI v2, loaded once and forked for each call.

One start of the CLI costs about a second, most of it imports. This server has them behind it: it
runs under the interpreter that the CLI is installed for, takes a call from the `aws` shim below,
with the shim's own files, folder and environment, and runs the CLI's unchanged `main` in a fork.
What it waits between its attempts passes at once, as all waiting does in the simulator.
A call from other namespaces, as of a simulated host, runs in those, as the user who calls.

    aws_server.py SOCKET    serves
    aws [ARGUMENT...]       the shim, a link to this file; finds the socket beside itself
"""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Any

LENGTH = struct.Struct("!I")
CALLER = struct.Struct("3i")  # process, user, group
SERVICES = (
    *("autoscaling", "backup", "cloudformation", "ec2", "iam", "kms", "organizations", "rds"),
    *("s3", "s3control", "secretsmanager", "ssm", "sts"),
)


def serve(path: str) -> None:
    """Take calls at a socket, for ever."""
    from awscli.clidriver import create_clidriver, main  # noqa: PLC0415 - the shim does without

    _remember_models(create_clidriver().session)
    time.sleep = lambda _: None
    # A fork that collects garbage would copy all that it has inherited.
    gc.collect()
    gc.freeze()
    gc.disable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o666)
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection, main)
        connection.close()


def _remember_models(session: Any) -> None:  # noqa: ANN401 - the CLI has no types
    """Read each service's models once: a fork inherits what was read before it."""
    loader = session.get_component("data_loader")
    kind, remembered = type(loader), loader._cache  # noqa: SLF001 - it takes no other
    create = kind.__init__

    def created(self: Any, *arguments: object, **settings: object) -> None:  # noqa: ANN401
        create(self, *arguments, **settings)
        self._cache = remembered

    kind.__init__ = created
    for service in SERVICES:
        session.create_client(service, region_name="us-east-1")
        loader.load_service_model(service, "paginators-1")
    for kind_of_model in ("service-2", "paginators-1", "waiters-2"):
        loader.list_available_services(kind_of_model)


def _answer(connection: socket.socket, main: object) -> None:
    """Run one call in a process of its own, and tell the shim how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    files = array.array("i")
    size, ancillary, _, _ = connection.recvmsg(LENGTH.size, socket.CMSG_LEN(3 * files.itemsize))
    files.frombytes(ancillary[0][2])
    (length,) = LENGTH.unpack(size)
    call = json.loads(connection.recv(length, socket.MSG_WAITALL))
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CALLER.size)
    process, user, group = CALLER.unpack(peer)
    _enter(process, "pid")  # which only a fork has entered then
    runner = os.fork()
    if runner == 0:
        for target, file in enumerate(files):
            os.dup2(file, target)
        _enter(process, "net", "mnt")
        _act_as(user, group)
        os.chdir(call["folder"])
        # Set by the CLI's own import: where its models are.
        data_path = os.environ["AWS_DATA_PATH"]
        os.environ.clear()
        os.environ.update({**call["environment"], "AWS_DATA_PATH": data_path})
        sys.argv = ["aws", *call["arguments"]]
        try:
            code = main()  # type: ignore[operator]
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
    ended = os.pidfd_open(runner)
    waited: list[Any] = [connection, ended]
    if ended not in select(waited, [], [])[0]:
        os.kill(runner, signal.SIGKILL)  # the shim is gone: the CLI would be too
    code = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
    with suppress(OSError):
        connection.sendall(LENGTH.pack(code % 256))
    os._exit(0)


def _enter(process: int, *kinds: str) -> None:
    """Enter a process's namespaces, where they are others."""
    for kind in kinds:
        theirs = f"/proc/{process}/ns/{kind}"
        if os.readlink(theirs) != os.readlink(f"/proc/self/ns/{kind}"):  # noqa: PTH115 - a name
            with open(theirs) as namespace:  # noqa: PTH123 - as below
                ctypes.CDLL(None).setns(namespace.fileno(), 0)


def _act_as(user: int, group: int) -> None:
    if user != os.geteuid():
        os.setgroups([group])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)


def call(arguments: list[str]) -> int:
    """Have a call made; return its exit code."""
    here = Path(sys.argv[0]).resolve().parent
    message = json.dumps(
        {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - pathlib costs more than the call
    ).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(here / "socket"))
    files = array.array("i", [0, 1, 2])
    connection.sendmsg([LENGTH.pack(len(message))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    connection.sendall(message)
    answer = connection.recv(LENGTH.size)
    return LENGTH.unpack(answer)[0] if answer else 255


if __name__ == "__main__":
    if Path(sys.argv[0]).name == "aws":
        sys.exit(call(sys.argv[1:]))
    serve(sys.argv[1])
