#!/usr/bin/python3 -IS
"""Stands in for `docker`: containers are processes of systemd units, described in a JSON file.

It knows the words that are listed in COMMANDS, as docker 25 does, as far as the options below go.
The file is /var/lib/docker/containers.json; `supervise` and `boot` are for the units only.
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
from typing import Any, Iterator

STATE = Path("/var/lib/docker/containers.json")
SOCKET = Path("/run/docker.sock")
RESTARTING = {"always", "unless-stopped", "on-failure"}
SYSTEMCTL = "/usr/bin/systemctl"

Container = dict  # of JSON


class Refusal(Exception):  # noqa: N818 - what the daemon says is no bug
    """What the daemon answers instead; printed as it is, exit code 1."""


@contextmanager
def containers(*, change: bool = False) -> Iterator[list[Container]]:
    """Give all containers; what is changed in them is kept with ``change``."""
    with STATE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(STATE.read_text("utf-8")) if STATE.exists() else []
        yield state
        if change:
            new = STATE.with_suffix(".new")
            new.write_text(json.dumps(state, indent=2), "utf-8")
            new.replace(STATE)


def find(state: list[Container], name: str) -> Container:
    """Return the container of a name or of the beginning of an id."""
    for container in state:
        if name == container["Name"] or container["Id"].startswith(name):
            return container
    message = f"Error response from daemon: No such container: {name}"
    raise Refusal(message)


def unit(container: Container) -> str:
    """Return the systemd unit of a container."""
    return f"docker-{container['Id']}.service"


def pid(container: Container) -> int:
    """Return the process of a container; 0 when it does not run."""
    shown = subprocess.run(
        [SYSTEMCTL, "show", "--property=MainPID", "--value", unit(container)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return int(shown.stdout or 0)


def launch(container: Container) -> None:
    """Start the unit of a container."""
    subprocess.run(
        ["/usr/bin/systemd-run", "--quiet", "--collect", f"--unit={unit(container)}"]
        + ["--property=KillMode=mixed", "/usr/bin/docker", "supervise", container["Id"]],
        check=True,
    )


def halt(container: Container) -> None:
    """Stop the unit of a container."""
    subprocess.run([SYSTEMCTL, "stop", unit(container)], stderr=subprocess.DEVNULL, check=False)


def described(container: Container) -> dict[str, Any]:
    """Return what `docker inspect` says."""
    process = pid(container)
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
            "RestartPolicy": {"Name": container["Restart"], "MaximumRetryCount": 0},
        },
        "Mounts": [
            {"Type": "bind", "Source": source, "Destination": target, "Mode": "", "RW": True}
            for source, target in (bind.split(":")[:2] for bind in container["Binds"])
        ],
        "Config": {"Image": container["Image"], "Cmd": container["Command"]},
    }


def row(container: Container, *, whole: bool) -> dict[str, str]:
    """Return what `docker ps` says."""
    running = bool(pid(container))
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
    if template == "json":
        return json.dumps(values)

    def value(found: re.Match[str]) -> str:
        result: Any = values
        for name in filter(None, found[2].split(".")):
            result = result[name]
        if found[1]:
            return json.dumps(result)
        return str(result).lower() if isinstance(result, bool) else str(result)

    return re.sub(r"{{ *(json )?\.([\w.]*) *}}", value, template)


def ps(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker ps", allow_abbrev=False)
    parser.add_argument("-a", "--all", action="store_true")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--no-trunc", action="store_true")
    parser.add_argument("--format")
    given = parser.parse_args(words)
    with containers() as state:
        rows = [row(container, whole=given.no_trunc) for container in state]
    rows = [one for one in rows if given.all or one["State"] == "running"]
    if given.quiet:
        print(*(one["ID"] for one in rows), sep="\n", end="\n" if rows else "")
    elif given.format:
        print(*(filled(given.format, one) for one in rows), sep="\n", end="\n" if rows else "")
    else:
        print("CONTAINER ID   IMAGE   COMMAND   STATUS   NAMES")
        for one in rows:
            print(one["ID"], one["Image"], one["Command"], one["Status"], one["Names"], sep="   ")


def inspect(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker inspect", allow_abbrev=False)
    parser.add_argument("-f", "--format")
    parser.add_argument("--type")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args(words)
    with containers() as state:
        try:
            found = [described(find(state, name)) for name in given.names]
        except Refusal as refusal:
            if not given.format:
                print("[]")
            raise Refusal(str(refusal).replace("container", "object")) from None
    if given.format:
        print(*(filled(given.format, one) for one in found), sep="\n")
    else:
        print(json.dumps(found, indent=4))


def each(names: list[str], act: Any) -> None:  # noqa: ANN401 - callable
    """Do something to each container, print its name, and go on past refusals as docker does."""
    refusals = []
    for name in names:
        try:
            with containers(change=True) as state:
                container = find(state, name)
                act(container)
            print(name)
        except Refusal as refusal:
            refusals.append(str(refusal))
    if refusals:
        raise Refusal("\n".join(refusals))


def stop(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker stop", allow_abbrev=False)
    parser.add_argument("-t", "--time", "--timeout", type=int)
    parser.add_argument("-s", "--signal")
    parser.add_argument("names", nargs="+")

    def act(container: Container) -> None:
        container["Stopped"] = True
        halt(container)

    each(parser.parse_args(words).names, act)


def start(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker start", allow_abbrev=False)
    parser.add_argument("names", nargs="+")

    def act(container: Container) -> None:
        container["Stopped"] = False
        if not pid(container):
            launch(container)

    each(parser.parse_args(words).names, act)


def restart(words: list[str]) -> None:
    stop(words)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - pathlib is slow to load
        sys.stdout = nowhere
        start(words)


def update(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker update", allow_abbrev=False)
    parser.add_argument("--restart", required=True)
    parser.add_argument("names", nargs="+")
    given = parser.parse_args(words)
    if given.restart.partition(":")[0] not in RESTARTING | {"no"}:
        message = f"Error response from daemon: invalid restart policy '{given.restart}'"
        raise Refusal(message)

    def act(container: Container) -> None:
        container["Restart"] = given.restart

    each(given.names, act)


def run(words: list[str]) -> int:
    """Run a program of the host in the place of an image's; it sees the host's files."""
    parser = argparse.ArgumentParser("docker run", allow_abbrev=False)
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("-d", "--detach", action="store_true")
    parser.add_argument("-i", "--interactive", action="store_true")
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("-v", "--volume", action="append", default=[])
    parser.add_argument("-u", "--user")
    for option in ("--entrypoint", "--name", "--network", "--restart"):
        parser.add_argument(option)
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    command = ([given.entrypoint] if given.entrypoint else []) + given.command
    if not given.detach:
        return subprocess.run(command, check=False).returncode
    container = {
        "Id": secrets.token_hex(32),
        "Name": given.name or f"nameless_{secrets.token_hex(4)}",
        "Image": given.image,
        "Command": command,
        "Binds": given.volume,
        "Restart": given.restart or "no",
        "Stopped": False,
    }
    with containers(change=True) as state:
        if any(other["Name"] == container["Name"] for other in state):
            message = (
                "docker: Error response from daemon: Conflict. The container name "
                f'"/{container["Name"]}" is already in use.'
            )
            raise Refusal(message)
        state.append(container)
    launch(container)
    print(container["Id"])
    return 0


def execute(words: list[str]) -> int:
    """Run a program of the host; it sees the host's files."""
    parser = argparse.ArgumentParser("docker exec", allow_abbrev=False)
    parser.add_argument("-i", "--interactive", action="store_true")
    parser.add_argument("-u", "--user")
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("name")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    with containers() as state:
        container = find(state, given.name)
    if not pid(container):
        message = f"Error response from daemon: container {container['Id']} is not running"
        raise Refusal(message)
    return subprocess.run(given.command, check=False).returncode


def remove(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker rm", allow_abbrev=False)
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args(words)
    with containers() as state:
        found = [find(state, name) for name in given.names]
    for container in found:
        if pid(container) and not given.force:
            message = (
                f'Error response from daemon: cannot remove container "/{container["Name"]}": '
                "container is running: stop the container before removing or force remove"
            )
            raise Refusal(message)
        halt(container)
    with containers(change=True) as state:
        state[:] = [one for one in state if one["Id"] not in {gone["Id"] for gone in found}]
    print(*given.names, sep="\n")


def supervise(words: list[str]) -> int:
    """Run a container's program, again and again as its restart policy says."""
    (name,) = words
    while True:
        with containers() as state:
            container = find(state, name)
        code = subprocess.run(container["Command"], check=False).returncode
        with containers() as state:
            container = find(state, name)
        policy = container["Restart"].partition(":")[0]
        if policy not in RESTARTING or (policy == "on-failure" and code == 0):
            return code
        time.sleep(0.1)


def boot(_words: list[str]) -> None:
    """Start what starts with the daemon, and be there."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    SOCKET.touch(0o660)
    with containers() as state:
        for container in state:
            policy = container["Restart"]
            if policy == "always" or (policy == "unless-stopped" and not container["Stopped"]):
                launch(container)


def shutdown(_words: list[str]) -> None:
    """Stop all containers, as the daemon does with itself."""
    with containers() as state:
        for container in state:
            halt(container)
    SOCKET.unlink(missing_ok=True)


COMMANDS = {
    "boot": boot,
    "exec": execute,
    "inspect": inspect,
    "ps": ps,
    "restart": restart,
    "rm": remove,
    "run": run,
    "shutdown": shutdown,
    "start": start,
    "stop": stop,
    "supervise": supervise,
    "update": update,
}


def main(words: list[str]) -> int:
    """Obey one command line."""
    words = words[1:] if words[:1] == ["container"] else words
    command = COMMANDS.get(words[0]) if words else None
    if command is None:
        print(f"docker: {' '.join(words[:1])!r} is not simulated", file=sys.stderr)
        return 125
    if words[0] != "boot" and not SOCKET.exists():
        print(
            f"Cannot connect to the Docker daemon at unix:///var{SOCKET}. "
            "Is the docker daemon running?",
            file=sys.stderr,
        )
        return 1
    if os.geteuid():
        print(
            "permission denied while trying to connect to the Docker daemon socket", file=sys.stderr
        )
        return 1
    try:
        return command(words[1:]) or 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
