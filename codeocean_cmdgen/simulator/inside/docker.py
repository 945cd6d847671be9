#!/usr/bin/python3 -IS
"""Stands in for `docker`: containers are systemd units that run programs of the host.

It knows the words in COMMANDS as docker 25 does, as far as the options that they take; `boot`,
`shutdown` and `supervise` are for units only. Containers are described in containers.json. Of what
containers are made of, it has a mount namespace: with the container's bind mounts, and without the
host's volumes.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = Path("/var/lib/docker/containers.json")
VOLUMES = Path("/var/lib/docker/volumes")
ROOT = Path("/etc/docker/data-root")
SOCKET = Path("/run/docker.sock")
RESTARTING = {"always", "unless-stopped", "on-failure"}
SYSTEMCTL = "/usr/bin/systemctl"
# FOLDER BIND... -- COMMAND...: binds are set aside, the host's volumes let go, binds put in place.
CONTAIN = """
aside=$(mktemp --directory) number=0 binds=()
mount -t tmpfs tmpfs "${aside}"
while [[ $1 != -- ]]; do
  IFS=: read -r source target mode <<<"$1"
  mkdir -p "${source}" "${aside}/${#binds[@]}"
  mount --bind --options "${mode:-rw}" "${source}" "${aside}/${#binds[@]}"
  binds+=("${target}")
  shift
done
findmnt --noheadings --raw --types xfs --output TARGET | while read -r volume; do
  [[ ${volume} == "${aside}"/* ]] || umount --lazy "${volume}"
done
for number in "${!binds[@]}"; do
  mkdir -p "${binds[number]}"
  mount --move "${aside}/${number}" "${binds[number]}"
done
umount --lazy "${aside}"
rmdir "${aside}"
shift
exec "$@"
"""

Container = dict[str, Any]


class RefusalError(Exception):
    """The daemon refuses: it says why, and the exit code is 1."""


@contextmanager
def containers(*, change: bool = False) -> Iterator[list[Container]]:
    """Give all containers; what is changed in them is kept with ``change``.

    Who only reads waits for nobody: a supervisor reads before its container runs, and others wait
    for containers to run.
    """
    if not change:
        yield read_containers()
        return
    with STATE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = read_containers()
        yield state
        new = STATE.with_suffix(".new")
        new.write_text(json.dumps(state, indent=2), "utf-8")
        new.replace(STATE)


def read_containers() -> list[Container]:
    """Return all containers."""
    state: list[Container] = json.loads(STATE.read_text("utf-8")) if STATE.exists() else []
    return state


def find(state: list[Container], name: str) -> Container:
    """Return the container of a name or of the beginning of an id."""
    for container in state:
        if name == container["Name"] or container["Id"].startswith(name):
            return container
    message = f"Error response from daemon: No such container: {name}"
    raise RefusalError(message)


def unit(container: Container) -> str:
    """Return the systemd unit of a container."""
    return f"docker-{container['Id']}.service"


def process_of(container: Container) -> int:
    """Return the process of a container; 0 when it does not run."""
    show = [SYSTEMCTL, "show", "--property=MainPID", "--value", unit(container)]
    supervisor = int(subprocess.run(show, stdout=subprocess.PIPE, check=True).stdout)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    for _ in range(1000):  # ten seconds: the supervisor starts slowly on a busy machine
        if not supervisor or not children.exists():
            return 0
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    return 0


def launch(container: Container) -> None:
    """Start the unit of a container."""
    words = ["/usr/bin/systemd-run", "--quiet", "--collect", f"--unit={unit(container)}"]
    run = [*words, "--property=KillMode=mixed", "/usr/bin/docker", "supervise", container["Id"]]
    subprocess.run(run, check=True)


def halt(container: Container) -> None:
    """Stop the unit of a container, if it runs."""
    subprocess.run([SYSTEMCTL, "stop", unit(container)], stderr=subprocess.DEVNULL, check=False)


def contained(binds: list[str], user: str | None, command: list[str]) -> list[str]:
    """Return the command that runs a command as a container's."""
    identity = (user or "0").split(":")
    become = ["setpriv", f"--reuid={identity[0]}", f"--regid={identity[-1]}", "--clear-groups"]
    words = ["--", *(become if user else []), *command]
    space = ["/usr/bin/unshare", "--mount", "--propagation=private"]
    mounts = map(device, binds)
    return [*space, "/bin/bash", "-euc", CONTAIN, "docker", *mounts, *words]


def variables(given: list[str]) -> dict[str, str]:
    """Return the environment with what --env options set or pass on."""
    pairs = (one.partition("=") for one in given)
    return {
        "PATH": os.environ["PATH"],
        **{name: value if equals else os.environ.get(name, "") for name, equals, value in pairs},
    }


def description(container: Container) -> dict[str, Any]:
    """Return what `docker inspect` says."""
    process = process_of(container)
    running = bool(process)
    return {
        "Id": container["Id"],
        "Created": "2026-01-02T03:04:05.000000000Z",
        "State": {
            "Status": "running" if running else "exited",
            "Running": running,
            "Restarting": False,
            "Pid": process,
            "ExitCode": 0,
        },
        "Name": f"/{container['Name']}",
        "HostConfig": {
            "Binds": container["Binds"],
            "AutoRemove": container["Remove"],
            "RestartPolicy": {"Name": container["Restart"], "MaximumRetryCount": 0},
        },
        "Mounts": [mount(bind) for bind in container["Binds"]],
        "Config": {"Image": container["Image"], "Cmd": container["Command"]},
    }


def mount(bind: str) -> dict[str, Any]:
    """Return what `docker inspect` says of a mount, SOURCE:TARGET or SOURCE:TARGET:ro."""
    source, target, *mode = bind.split(":")
    named = {"Name": source, "Driver": "local"} if "/" not in source else {}
    return {
        "Type": "volume" if named else "bind",
        **named,
        "Source": str(VOLUMES / source / "_data") if named else source,
        "Destination": target,
        "Mode": "".join(mode),
        "RW": mode != ["ro"],
        "Propagation": "rprivate",
    }


def row(container: Container, *, whole: bool) -> dict[str, str]:
    """Return what `docker ps` says, ids shortened or whole."""
    running = bool(process_of(container))
    return {
        "Command": json.dumps(" ".join(container["Command"])),
        "ID": container["Id"] if whole else container["Id"][:12],
        "Image": container["Image"],
        "Mounts": ",".join(bind.split(":")[0] for bind in container["Binds"]),
        "Names": container["Name"],
        "State": "running" if running else "exited",
        "Status": "Up 2 hours" if running else "Exited (0) 2 hours ago",
    }


def filled(template: str, values: dict[str, Any]) -> str:
    """Fill in a Go template of plain fields, such as {{.State.Pid}} and {{json .Mounts}}."""

    def value(found: re.Match[str]) -> str:
        result: Any = values
        for name in filter(None, found[2].split(".")):
            result = result[name]
        if found[1] or isinstance(result, bool):
            return json.dumps(result)
        return str(result)

    if template == "json":
        return json.dumps(values)
    return re.sub(r"{{ *(json )?\.([\w.]*) *}}", value, template)


def device(bind: str) -> str:
    """Return a mount with the folder that a named volume stands for in the place of its name."""
    source, colon, rest = bind.partition(":")
    return bind if "/" in source else options_of(source)["device"] + colon + rest


def options_of(volume: str) -> dict[str, str]:
    """Return the options that a named volume was created with."""
    file = VOLUMES / volume / "options.json"
    if not file.exists():
        message = f"Error response from daemon: get {volume}: no such volume"
        raise RefusalError(message)
    options: dict[str, str] = json.loads(file.read_text("utf-8"))
    return options


def volume(words: list[str]) -> None:
    """Create, list or describe volumes; a volume must be a name for a folder of the host."""
    options = parser("volume")
    options.add_argument("action", choices=["create", "inspect", "ls"])
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("-o", "--opt", action="append", default=[])
    options.add_argument("names", nargs="*")
    given = options.parse_intermixed_args(words)
    if given.action == "ls":
        print("".join(f"{one.name}\n" for one in VOLUMES.glob("*")), end="")
    elif given.action == "create":
        (name,) = given.names
        (VOLUMES / name).mkdir(parents=True)
        pairs = dict(one.split("=", 1) for one in given.opt)
        (VOLUMES / name / "options.json").write_text(json.dumps(pairs), "utf-8")
        print(name)
    else:
        print(json.dumps([{"Name": one, "Options": options_of(one)} for one in given.names]))


def parser(command: str) -> argparse.ArgumentParser:
    """Return a parser for the options of a command."""
    return argparse.ArgumentParser(f"docker {command}", allow_abbrev=False)


def ps(words: list[str]) -> None:
    """List containers."""
    options = parser("ps")
    options.add_argument("-a", "--all", action="store_true")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("--no-trunc", action="store_true")
    options.add_argument("--format")
    given = options.parse_args(words)
    with containers() as state:
        rows = [row(container, whole=given.no_trunc) for container in state]
    if not given.all:
        rows = [one for one in rows if one["State"] == "running"]
    if not given.quiet and not given.format:
        print("CONTAINER ID   IMAGE   COMMAND   STATUS   NAMES")
    template = "{{.ID}}   {{.Image}}   {{.Command}}   {{.Status}}   {{.Names}}"
    for one in rows:
        print(one["ID"] if given.quiet else filled(given.format or template, one))


def inspect(words: list[str]) -> None:
    """Describe containers."""
    options = parser("inspect")
    options.add_argument("-f", "--format")
    options.add_argument("--type")
    options.add_argument("names", nargs="+")
    given = options.parse_args(words)
    with containers() as state:
        try:
            found = [description(find(state, name)) for name in given.names]
        except RefusalError as refusal:
            if not given.format:
                print("[]")
            raise RefusalError(str(refusal).replace("container", "object")) from None
    if given.format:
        print(*(filled(given.format, one) for one in found), sep="\n")
    else:
        print(json.dumps(found, indent=4))


def each(names: list[str], act: Callable[[Container], None]) -> None:
    """Do something to each container, print its name, and go on past refusals as docker does."""
    refusals = []
    for name in names:
        refusal = attempt(name, act)
        if refusal:
            refusals.append(refusal)
        else:
            print(name)
    if refusals:
        raise RefusalError("\n".join(refusals))


def attempt(name: str, act: Callable[[Container], None]) -> str:
    """Do something to a container; return why it is refused, if it is."""
    try:
        with containers(change=True) as state:
            act(find(state, name))
    except RefusalError as refusal:
        return str(refusal)
    return ""


def stop(words: list[str]) -> None:
    """Stop containers."""
    options = parser("stop")
    options.add_argument("-t", "--time", "--timeout", type=int)
    options.add_argument("-s", "--signal")
    options.add_argument("names", nargs="+")

    def act(container: Container) -> None:
        container["Stopped"] = True
        halt(container)
        if container["Remove"]:
            removed.append(container["Id"])

    removed: list[str] = []
    each(options.parse_args(words).names, act)
    with containers(change=True) as state:
        state[:] = [container for container in state if container["Id"] not in removed]


def start(words: list[str]) -> None:
    """Start containers again."""
    options = parser("start")
    options.add_argument("names", nargs="+")

    def act(container: Container) -> None:
        container["Stopped"] = False
        if not process_of(container):
            launch(container)

    each(options.parse_args(words).names, act)


def update(words: list[str]) -> None:
    """Change restart policies."""
    options = parser("update")
    options.add_argument("--restart", required=True)
    options.add_argument("names", nargs="+")
    given = options.parse_args(words)
    if given.restart.partition(":")[0] not in RESTARTING | {"no"}:
        message = f"Error response from daemon: invalid restart policy '{given.restart}'"
        raise RefusalError(message)

    def act(container: Container) -> None:
        container["Restart"] = given.restart

    each(given.names, act)


def run(words: list[str]) -> int:
    """Run a program in a new container; the image is a name only."""
    options = parser("run")
    options.add_argument("--rm", action="store_true")
    options.add_argument("-d", "--detach", action="store_true")
    options.add_argument("-i", "--interactive", action="store_true")
    options.add_argument("-e", "--env", action="append", default=[])
    options.add_argument("-v", "--volume", action="append", default=[])
    options.add_argument("-u", "--user")
    for option in ("--entrypoint", "--name", "--network", "--restart"):
        options.add_argument(option)
    options.add_argument("image")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_args(words)
    command = ([given.entrypoint] if given.entrypoint else []) + given.command
    if given.detach:
        create(given, command)
        return 0
    program = contained(given.volume, given.user, command)
    inputs = None if given.interactive else subprocess.DEVNULL
    return subprocess.run(program, env=variables(given.env), stdin=inputs, check=False).returncode


def create(given: argparse.Namespace, command: list[str]) -> None:
    """Make a container that runs in the background, and print its id."""
    container = {
        "Id": secrets.token_hex(32),
        "Name": given.name or f"nameless_{secrets.token_hex(4)}",
        "Image": given.image,
        "Command": command,
        "Binds": given.volume,
        "User": given.user,
        "Environment": variables(given.env),
        "Restart": given.restart or "no",
        "Remove": given.rm,
        "Stopped": False,
    }
    with containers(change=True) as state:
        if any(other["Name"] == container["Name"] for other in state):
            message = (
                "docker: Error response from daemon: Conflict. The container name "
                f'"/{container["Name"]}" is already in use by another container.'
            )
            raise RefusalError(message)
        state.append(container)
    launch(container)
    print(container["Id"])


def execute(words: list[str]) -> int:
    """Run a program in a container that runs."""
    options = parser("exec")
    options.add_argument("-i", "--interactive", action="store_true")
    options.add_argument("-e", "--env", action="append", default=[])
    options.add_argument("name")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_args(words)
    with containers() as state:
        container = find(state, given.name)
    process = process_of(container)
    if not process:
        message = f"Error response from daemon: container {container['Id']} is not running"
        raise RefusalError(message)
    program = ["/usr/bin/nsenter", f"--target={process}", "--mount", "--", *given.command]
    inputs = None if given.interactive else subprocess.DEVNULL
    environment = {**container["Environment"], **variables(given.env)}
    return subprocess.run(program, env=environment, stdin=inputs, check=False).returncode


def remove(words: list[str]) -> None:
    """Remove containers."""
    options = parser("rm")
    options.add_argument("-f", "--force", action="store_true")
    options.add_argument("names", nargs="+")
    given = options.parse_args(words)
    with containers(change=True) as state:
        for name in given.names:
            container = find(state, name)
            if process_of(container) and not given.force:
                message = (
                    "Error response from daemon: cannot remove container "
                    f'"/{container["Name"]}": container is running: stop the container before '
                    "removing or force remove"
                )
                raise RefusalError(message)
            halt(container)
            state.remove(container)
            print(name)


def supervise(words: list[str]) -> int:
    """Run a container's program, again and again as its restart policy says."""
    while True:
        with containers() as state:
            container = find(state, words[0])
        program = contained(container["Binds"], container["User"], container["Command"])
        code = subprocess.run(program, env=container["Environment"], check=False).returncode
        with containers() as state:
            policy = find(state, words[0])["Restart"].partition(":")[0]
        if policy not in RESTARTING or (policy == "on-failure" and code == 0):
            return code
        time.sleep(0.1)


def info(words: list[str]) -> None:
    """Describe the daemon."""
    options = parser("info")
    options.add_argument("-f", "--format", required=True)
    root = ROOT.read_text("utf-8").strip() if ROOT.exists() else str(STATE.parent)
    print(filled(options.parse_args(words).format, {"DockerRootDir": root}))


def boot(_words: list[str]) -> None:
    """Be there, and start the containers that start with the daemon."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    SOCKET.touch(0o660)
    with containers() as state:
        for container in state:
            policy = container["Restart"]
            if policy == "always" or (policy == "unless-stopped" and not container["Stopped"]):
                launch(container)


def shutdown(_words: list[str]) -> None:
    """Stop all containers, as the daemon does when it ends."""
    with containers() as state:
        for container in state:
            halt(container)
    SOCKET.unlink()


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "boot": boot,
    "exec": execute,
    "info": info,
    "inspect": inspect,
    "ps": ps,
    "rm": remove,
    "run": run,
    "shutdown": shutdown,
    "start": start,
    "stop": stop,
    "supervise": supervise,
    "update": update,
    "volume": volume,
}


def main(words: list[str]) -> int:
    """Obey one command line; return its exit code."""
    words = words[1:] if words[:1] == ["container"] else words
    command = COMMANDS.get(words[0]) if words else None
    if command is None:
        print(f"docker: {words[:1]} is not simulated", file=sys.stderr)
        return 125
    if not os.access(SOCKET, os.W_OK) and words[0] != "boot":
        problem = "Cannot connect to" if not SOCKET.exists() else "permission denied for"
        print(f"{problem} the Docker daemon at unix:///var{SOCKET}", file=sys.stderr)
        return 1
    try:
        return command(words[1:]) or 0
    except RefusalError as refusal:
        sys.stdout.flush()
        print(refusal, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
