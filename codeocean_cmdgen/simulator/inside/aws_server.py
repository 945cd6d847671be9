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
import traceback
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from select import select
from typing import Any, Callable, NamedTuple, NoReturn

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
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o666)  # a host's users call; the folder around it keeps others out
    listener.listen(64)
    take_calls(listener, partial(_run, main))


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


def _run(main: Callable[[], object], call: Call) -> object:
    """Run the CLI as the caller's process would."""
    _enter(call.process, "net", "mnt")
    _act_as(call.user, call.group)
    data_path = os.environ["AWS_DATA_PATH"]  # where the CLI's models are: its own import sets it
    take_place(call)
    os.environ["AWS_DATA_PATH"] = data_path
    sys.argv = ["aws", *call.arguments]
    return main()


class Running(NamedTuple):
    """A call that runs: its process, and a pipe that ends with it."""

    connection: socket.socket
    process: int
    end: int  # not all builds of Python have pidfd_open


def take_calls(listener: socket.socket, run: Callable[[Call], object]) -> None:
    """Run each call in a process of its own, until the standard input ends.

    run: returns the exit code, or raises SystemExit. Its process is killed if the shim is gone.
    """
    running: list[Running] = []
    while True:
        waited = [file for one in running for file in (one.connection, one.end)]
        ready = select([sys.stdin, listener, *waited], [], [])[0]
        if sys.stdin in ready:
            return
        for one in [one for one in running if one.connection in ready or one.end in ready]:
            running.remove(one)
            _report_end(one, killed=one.end not in ready)
        if listener in ready:
            connection, _ = listener.accept()
            try:
                running.append(_begin(connection, run))
            except (OSError, IndexError, ValueError, struct.error):
                connection.close()  # the caller may be killed at any moment


def _begin(connection: socket.socket, run: Callable[[Call], object]) -> Running:
    """Start a process that runs a call."""
    call = _receive(connection)
    end, held_by_process = os.pipe()
    try:
        _enter(call.process, "pid")  # where only a fork will be
        process = os.fork()
        if process == 0:
            take_files(call)
            _exit_as(partial(run, call))
    finally:
        _set_namespace("/proc/self/ns/pid")  # the caller's may end
        for file in (held_by_process, *call.files):
            os.close(file)
    return Running(connection, process, end)


def _exit_as(run: Callable[[], object]) -> NoReturn:
    """End this process as the interpreter would that runs a program."""
    code: object = 1
    try:
        code = run()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - the end of a process
        traceback.print_exc()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # An interpreter that ends would touch all that it has inherited.
    os._exit(code if isinstance(code, int) else int(code is not None))


def _report_end(call: Running, *, killed: bool) -> None:
    """Tell the shim how its call ended; kill it if nobody waits for that."""
    if killed:
        os.kill(call.process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(call.process, 0)[1])
    with suppress(OSError):
        call.connection.sendall(LENGTH.pack(code % 256))
    call.connection.close()
    os.close(call.end)


class Call(NamedTuple):
    """What the shim was called with: it is the caller's process in all but this."""

    process: int
    user: int
    group: int
    files: array.array[int]
    arguments: list[str]
    folder: bytes
    umask: int
    environment: dict[bytes, bytes]


def _receive(connection: socket.socket) -> Call:
    """Receive a call from the shim."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CALLER.size)
    process, user, group = CALLER.unpack(peer)
    files = array.array("i")
    size, ancillary, _, _ = connection.recvmsg(LENGTH.size, socket.CMSG_LEN(3 * files.itemsize))
    files.frombytes(ancillary[0][2])
    (length,) = LENGTH.unpack(size)
    fields = connection.recv(length, socket.MSG_WAITALL).split(b"\0")
    behind = int(fields[0]) + 1
    arguments = [os.fsdecode(one) for one in fields[1:behind]]
    folder, umask, *variables = fields[behind:]
    environment = dict(one.split(b"=", 1) for one in variables)
    return Call(process, user, group, files, arguments, folder, int(umask), environment)


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


def _enter(process: int, *kinds: str) -> None:
    """Enter a process's namespaces, where they are others."""
    for kind in kinds:
        theirs = f"/proc/{process}/ns/{kind}"
        if os.readlink(theirs) != os.readlink(f"/proc/self/ns/{kind}"):  # noqa: PTH115 - a name
            _set_namespace(theirs)


def _set_namespace(path: str) -> None:
    """Enter a namespace; without the right to, stay where one is."""
    with open(path) as namespace:  # noqa: PTH123 - a path of the kernel
        ctypes.CDLL(None).setns(namespace.fileno(), 0)


def _act_as(user: int, group: int) -> None:
    if user != os.geteuid():
        os.setgroups([group])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
