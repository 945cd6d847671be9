"""The real AWS CLI v2, loaded once and forked for each call.

One start of the CLI costs about a second, most of it imports. This server has them behind it: it
is a plugin of the CLI, so it runs in the CLI's own Python, whichever that is. It takes a call from
the `aws` of aws_shim.py, with that one's files, folder, umask and environment, and runs the CLI's
unchanged `main` in a fork.
What it waits between its attempts passes at once, as all waiting does in the simulator.
A call from other namespaces, as of a simulated host, runs in those, as the user who calls.
Whoever may reach the socket may call: the folder around it decides who that is. A call runs in a
process that has the server's memory, so there must be nothing of the operator's in it.

    aws SOCKET          the CLI, which loads this plugin: serves, until its standard input ends
"""

from __future__ import annotations

import array
import ctypes
import gc
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from select import select
from typing import Any, NamedTuple

LENGTH = struct.Struct("!I")
CALLER = struct.Struct("3i")  # process, user, group
SERVICES = (
    *("autoscaling", "backup", "cloudformation", "ec2", "iam", "kms", "organizations", "rds"),
    *("s3", "s3control", "secretsmanager", "ssm", "sts"),
)


def awscli_initialize(_: object) -> None:
    """Serve instead of the command line that the CLI was started with. The CLI calls this."""
    os.environ["AWS_CONFIG_FILE"] = os.devnull  # or the CLI would load this plugin again
    serve(sys.argv[1])
    os._exit(0)


def serve(path: str) -> None:
    """Take calls at a socket, for as long as who started this keeps its standard input open."""
    from awscli.clidriver import create_clidriver, main  # noqa: PLC0415 - the shim does without

    _remember_signatures(create_clidriver().session)
    session = create_clidriver().session
    _remember_models(session)
    time.sleep = lambda _: None
    # A fork that collects garbage would copy all that it has inherited.
    gc.collect()
    gc.freeze()
    gc.disable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o666)  # a host's users call; the folder around it keeps others out
    listener.listen(64)
    waited: list[Any] = [listener, sys.stdin]
    while sys.stdin not in select(waited, [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection, main)
        connection.close()


def _remember_signatures(session: Any) -> None:  # noqa: ANN401 - the CLI has no types
    """Inspect each event handler once: the CLI registers hundreds of them for each call."""
    hooks: Any = sys.modules[type(session.get_component("event_emitter")).__module__]
    if hasattr(hooks, "accepts_kwargs"):  # newer versions inspect nothing
        remembered = cache(hooks.accepts_kwargs)
        # A bound method is another one for each session, but not its function.
        hooks.accepts_kwargs = lambda handler: remembered(getattr(handler, "__func__", handler))


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
    session.get_available_services()


def _answer(connection: socket.socket, main: object) -> None:
    """Run one call in a process of its own, and tell the shim how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    call = receive(connection)
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CALLER.size)
    process, user, group = CALLER.unpack(peer)
    _enter(process, "pid")  # which only a fork has entered then
    ended, running = os.pipe()  # not all builds of Python have pidfd_open
    runner = os.fork()
    if runner == 0:
        take_files(call)
        _enter(process, "net", "mnt")
        _act_as(user, group)
        # Set by the CLI's own import: where its models are.
        data_path = os.environ["AWS_DATA_PATH"]
        take_place(call)
        os.environ["AWS_DATA_PATH"] = data_path
        sys.argv = ["aws", *call.arguments]
        try:
            code = main()  # type: ignore[operator]
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
    os.close(running)
    report_end(connection, runner, ended)


class Call(NamedTuple):
    """What the shim was called with: it is the caller's process in all but this."""

    files: array.array[int]
    arguments: list[str]
    folder: bytes
    umask: int
    environment: dict[bytes, bytes]


def receive(connection: socket.socket) -> Call:
    """Receive a call from the shim."""
    files = array.array("i")
    size, ancillary, _, _ = connection.recvmsg(LENGTH.size, socket.CMSG_LEN(3 * files.itemsize))
    files.frombytes(ancillary[0][2])
    (length,) = LENGTH.unpack(size)
    fields = connection.recv(length, socket.MSG_WAITALL).split(b"\0")
    behind = int(fields[0]) + 1
    arguments = [os.fsdecode(one) for one in fields[1:behind]]
    folder, umask, *variables = fields[behind:]
    environment = dict(one.split(b"=", 1) for one in variables)
    return Call(files, arguments, folder, int(umask), environment)


def take_files(call: Call) -> None:
    """Take over the caller's input, output and errors."""
    for target, file in enumerate(call.files):
        os.dup2(file, target)


def take_place(call: Call) -> None:
    """Take over the caller's folder, umask and environment."""
    os.chdir(call.folder)
    os.umask(call.umask)
    os.environ.clear()
    os.environb.update(call.environment)


def report_end(connection: socket.socket, runner: int, ended: int) -> None:
    """Tell the shim how a process ended, whose end closes a pipe; kill it if the shim is gone."""
    waited: list[Any] = [connection, ended]
    if ended not in select(waited, [], [])[0]:
        os.kill(runner, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
    with suppress(OSError):
        connection.sendall(LENGTH.pack(code % 256))
    os._exit(0)


def _enter(process: int, *kinds: str) -> None:
    """Enter a process's namespaces, where they are others."""
    for kind in kinds:
        theirs = f"/proc/{process}/ns/{kind}"
        if os.readlink(theirs) != os.readlink(f"/proc/self/ns/{kind}"):  # noqa: PTH115 - a name
            with open(theirs) as namespace:  # noqa: PTH123 - a path of the kernel
                ctypes.CDLL(None).setns(namespace.fileno(), 0)


def _act_as(user: int, group: int) -> None:
    if user != os.geteuid():
        os.setgroups([group])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
