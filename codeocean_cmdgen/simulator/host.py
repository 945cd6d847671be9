"""The services instance of a deployment, on which scripts run unchanged.

    with Simulator() as simulator, Host(simulator, "333333333333") as host:
        with host.session(["sh", "-c", text]) as process:           # as ssm-user; a Popen
            output, errors = process.communicate()
        process.end()                                               # kill what it left behind
        host.root("systemctl", "is-active", "codeocean").stdout     # a command as root
        host.path("/etc/fstab").read_text()                         # its files, from here
        host.reboot()

A Host consists of Linux namespaces with systemd in them (see `machine`). It has its own file
system, processes, network and host name; changes there are private to it, and removed with it. On
it

- `aws` is the real AWS CLI, with credentials of the instance's role from the instance metadata
  service (version 2 only); by default that role allows only INSTANCE_ROLE_ACTIONS;
- `/data` is a volume, `host.data_volume_id`: XFS on a loop device. Any volume that is attached to
  `host.instance_id` becomes a loop device, with a link in `/dev/disk/by-id` and the serial number
  that `lsblk` shows. `host.copy_volume` creates a volume with another's content, as a restore does;
- `codeocean.service` writes below /data while it runs; `docker` is a stub (`inside/docker.py`),
  whose containers are started by `host.container`;
- `sleep` lets simulated time pass; `sh` is bash; `ssm-user` may use sudo without a password.

Simplified: volumes are /dev/loopN, but on a real host /dev/nvmeNn1. The role's permissions cover
actions, not resources. There is no cron daemon and no rpm; other programs of the machine are
visible.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import socket
import subprocess
import uuid
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.isolation import clean_environment
from codeocean_cmdgen.simulator.devices import Devices
from codeocean_cmdgen.simulator.images import GIB
from codeocean_cmdgen.simulator.machine import PROGRAMS, HostUnavailableError, Machine
from codeocean_cmdgen.simulator.metadata import ADDRESS, Instance, MetadataService
from codeocean_cmdgen.simulator.server import RoleSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from codeocean_cmdgen.simulator.server import Simulator

__all__ = ["INSTANCE_ROLE_ACTIONS", "Host", "HostUnavailableError", "Session"]

# Source: vendor's template 3.8.2, ServicesInstanceRole; without DeleteVolume, which depends on the
# volume's tags, and without S3.
INSTANCE_ROLE_ACTIONS = frozenset(
    {
        "ec2:AttachVolume",
        "ec2:DescribeInstances",
        "ec2:DescribeVolumes",
        "secretsmanager:GetSecretValue",
        "ssm:GetParametersByPath",
        "ssm:PutParameter",
    }
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USER = "ssm-user"
_FIRST_USER_ID = 2_100_000_000  # above the IDs that directories assign to people
_CA_BUNDLE = "/etc/pki/simulator.pem"
_UNITS, _LOCAL_UNITS = "/usr/lib/systemd/system", "/etc/systemd/system"
_WANTED = {
    "default.target": "multi-user.target",
    "multi-user.target.wants/amazon-ssm-agent.service": "amazon-ssm-agent.service",
    "multi-user.target.wants/docker.service": "docker.service",
    "sockets.target.wants/dbus.socket": "dbus.socket",
    "sockets.target.wants/systemd-journald.socket": "systemd-journald.socket",
}
_BUCKETS = (
    *("Batch", "Capsules", "Datasets", "DatasetsInput", "DockerRegistry", "Inputfiles"),
    *("Licenses", "MLflow", "Packages", "Public", "Results", "Scratch", "Temp"),
)
_PATIENCE = 60.0  # seconds for one of our own commands


class Session(subprocess.Popen[str]):
    """A program that somebody runs through the Systems Manager agent.

    This process only waits for the one in the host. Send signals to the group, as Ctrl-C does.
    """

    cgroup: Path

    def __exit__(self, *error: object) -> None:
        """End the session if it still runs."""
        if self.poll() is None:
            self.end()
        super().__exit__(*error)  # type: ignore[arg-type]

    def end(self) -> None:
        """End the session: kill the program and everything it started except systemd units."""
        with contextlib.suppress(ProcessLookupError):
            # Move this process out of the group, so that it waits for the one in the host.
            (self.cgroup.parent / "cgroup.procs").write_text(f"{self.pid}", encoding="utf-8")
        (self.cgroup / "cgroup.kill").write_text("1", encoding="utf-8")
        self.wait(_PATIENCE)


class Host:
    """A running services instance. Use it as a context manager."""

    def __init__(
        self,
        simulator: Simulator,
        account_id: str,
        *,
        zone: str = "us-east-1a",
        stack: str = "codeocean",
        aws: Path | None = None,
        actions: Iterable[str] = INSTANCE_ROLE_ACTIONS,
        stack_json: dict[str, Any] | None = None,
        stack_json_mode: int = 0o600,
        unit_folder: str = _UNITS,
        by_id: bool = True,
    ) -> None:
        """Boot the host; raise HostUnavailableError if that is not possible.

        aws: a folder whose `aws` replaces /usr/bin/aws.
        actions: the actions that the instance's role allows, such as ``ec2:*``.
        stack_json: members that override those of /etc/codeocean/stack.json.
        unit_folder: the folder of codeocean.service, by default /etc/systemd/system.
        by_id: whether devices of volumes have links in /dev/disk/by-id.
        """
        self.simulator, self.account_id, self.stack = simulator, account_id, stack
        self.zone, self.region = zone, zone[:-1]
        self._sessions = 0
        self._closing = ExitStack()
        try:
            self.machine = self._closing.enter_context(Machine())
            self.devices = Devices(self.machine, by_id=by_id)
            self._closing.callback(self.devices.close)
            self._create_instance()
            self._furnish(aws, unit_folder)
            self._write_stack_json(stack_json or {}, stack_json_mode)
            self._serve(actions)
            self._boot()
            self.path("/data").chmod(0o700)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the host, which is already running."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the host."""
        self.close()

    def close(self) -> None:
        """Remove the host: processes, mounts, devices, files. Its volumes stay."""
        self._closing.close()

    def reboot(self) -> None:
        """Lose power and boot again: disks are kept; processes, /run and /tmp are lost."""
        self.machine.halt()
        self._boot()

    def path(self, inside: str | Path) -> Path:
        """Return the path under which this process finds a file of the host."""
        return self.machine.path(inside)

    def popen(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        beside: bool = False,
        **options: Any,  # noqa: ANN401 - Popen's
    ) -> subprocess.Popen[str]:
        """Start a program in the host, outside any unit; ``options`` are Popen's.

        beside: share only the host's network, like another server in its subnet.
        """
        entry = self.machine.network_entry() if beside else self.machine.entry()
        environment = {**self._environment(), "HOME": "/root", "USER": user}
        options = {"env": environment, "text": True, "stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen([*entry, *_become(user), *argv], **options)

    def root(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command as root; raise CalledProcessError if it fails."""
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(argv, **pipes) as process:
            output, errors = process.communicate(timeout=_PATIENCE)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, argv, output, errors)
        return subprocess.CompletedProcess(argv, 0, output, errors)

    def session(
        self,
        argv: Sequence[str],
        environment: dict[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - Popen's
    ) -> Session:
        """Start a program as ssm-user, as the Systems Manager agent does.

        Its input is empty, and its output and errors are pipes, unless ``options``, which are
        Popen's, change that.
        """
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "start_new_session": True,
            **options,
        }
        entry, cgroup = self._enter_agent()
        variables = {**self.user_environment(), **(environment or {})}
        session = Session([*entry, *argv], env=variables, **options)
        session.cgroup = cgroup
        return session

    def session_command(self, *argv: str) -> list[str]:
        """Return the command that runs a program as ``session`` does, in a person's own terminal.

        Run it with the environment of ``user_environment``.
        """
        return [*self._enter_agent()[0], *argv]

    def user_environment(self) -> dict[str, str]:
        """Return the initial environment of a session of ssm-user."""
        user = {"HOME": f"/home/{_USER}", "USER": _USER, "LOGNAME": _USER, "SHELL": "/bin/bash"}
        return {**self._environment(), **user, "TERM": "xterm-256color"}

    def hostname(self, name: str) -> None:
        """Let a name, such as a database's, resolve to 127.0.0.1 on the host."""
        with self.path("/etc/hosts").open("a", encoding="utf-8") as hosts:
            hosts.write(f"127.0.0.1 {name}\n")

    def container(
        self,
        name: str,
        *command: str,
        binds: Iterable[str] = (),
        image: str = "codeocean/worker:1",
        restart: str = "unless-stopped",
    ) -> str:
        """Start a container whose program is a command of the host; return its ID.

        binds: such as ``/data/registry:/var/lib/registry``; it sees no other parts of the volumes.
        """
        volumes = [f"--volume={bind}" for bind in binds]
        options = ["--detach", f"--name={name}", f"--restart={restart}", *volumes]
        return self.root("docker", "run", *options, image, *command).stdout.strip()

    def volume(self, *, gib: int = 1, tags: dict[str, str] | None = None) -> str:
        """Create a volume with an empty XFS file system in the host's zone; return its ID."""
        volume_id = self.simulator.ec2.volume(self.account_id, self.zone, gib=gib, tags=tags)
        _make_xfs(self.simulator.ec2.image(volume_id), str(uuid.uuid4()))
        return volume_id

    def copy_volume(
        self, volume_id: str, *, gib: int | None = None, tags: dict[str, str] | None = None
    ) -> str:
        """Create a volume in the host's zone with the current content of another; return its ID.

        It is like one restored from a snapshot: it has the other's UUID and, if that is mounted, a
        journal that must be replayed. It contains all writes that were synced.

        volume_id: may belong to any account, and be attached to any host.
        gib: the size of the copy, by default that of the other volume.
        """
        ec2 = self.simulator.ec2
        snapshot_id = f"snap-{uuid.uuid4().hex[:17]}"
        ec2.keep_snapshot(snapshot_id, volume_id)
        size = gib or ec2.image(volume_id).stat().st_size // GIB
        return ec2.volume(self.account_id, self.zone, gib=size, tags=tags, snapshot_id=snapshot_id)

    def attach(self, volume_id: str, device: str = "/dev/sdp") -> str:
        """Attach a volume, at once; return the path of its device."""
        self.simulator.ec2.attach(volume_id, self.instance_id, device)
        return self.devices.path(volume_id)

    def _enter_agent(self) -> tuple[list[str], Path]:
        """Return the command prefix for a new session, and the session's control group."""
        self._sessions += 1
        below = f"system.slice/amazon-ssm-agent.service/session-{self._sessions}"
        cgroup = self.machine.cgroup / below
        cgroup.mkdir()
        return [*self.machine.entry(below), *_become(_USER)], cgroup

    def _create_instance(self) -> None:
        ec2 = self.simulator.ec2
        tag = {"codeocean:deployment": self.stack}
        stack = {
            "aws:cloudformation:stack-name": self.stack,
            "aws:cloudformation:logical-id": "ServicesAutoScalingGroup",
        }
        self.instance_id = ec2.instance(
            self.account_id,
            self.zone,
            self.devices,
            tags={**tag, **stack, "Name": "codeocean-services"},
        )
        self._closing.callback(ec2.unslot, self.instance_id)
        self.data_volume_id = self.volume(tags={**tag, "codeocean:protected": "true"})
        self.docker_volume_id = ec2.volume(self.account_id, self.zone, tags=tag)
        self.attach(self.data_volume_id, "/dev/sde")
        self.attach(self.docker_volume_id, "/dev/sdf")

    def _furnish(self, aws: Path | None, unit_folder: str) -> None:
        """Install the files of the vendor's image in the root file system."""
        copy = ["/bin/cp", "--recursive", "--remove-destination", f"{PROGRAMS}/root/."]
        subprocess.run([*copy, self.path("/")], env=clean_environment(), check=True)
        self.path("/usr/local/bin/sleep").chmod(0o755)
        self._write("/etc/sudoers", (PROGRAMS / "root/etc/sudoers").read_text("utf-8"), 0o440)
        self._write("/usr/bin/docker", (PROGRAMS / "docker.py").read_text("utf-8"), 0o755)
        program = (PROGRAMS / "codeocean.py").read_text("utf-8")
        self._write("/usr/lib/codeocean/services/codeocean", program, 0o755)
        self._add_user()
        self._configure_network()
        for name, unit in _WANTED.items():
            self._link(f"{_LOCAL_UNITS}/{name}", f"{_UNITS}/{unit}")
        unit = f"{unit_folder}/codeocean.service"
        self.path(f"{_UNITS}/codeocean.service").rename(self.path(unit))
        self._link(f"{_LOCAL_UNITS}/multi-user.target.wants/codeocean.service", unit)
        self._write("/etc/fstab", f"UUID={self._data_uuid()} /data xfs defaults 0 0\n")
        self._write("/etc/machine-id", f"{uuid.uuid4().hex}\n")
        self._link("/usr/bin/sh", "bash")
        self.path("/usr/bin/rpm").unlink(missing_ok=True)
        if aws:
            self.machine.share(aws, "/opt/aws")
            self._link("/usr/bin/aws", "/opt/aws/aws")
            for link in filter(Path.is_symlink, aws.iterdir()):
                self._show(link.resolve().parent)

    def _show(self, folder: Path) -> None:
        """Let the host see a folder of the machine where the machine has it."""
        if not self.path(folder).exists():
            self.machine.share(folder, str(folder))

    def _data_uuid(self) -> str:
        blkid = ["/sbin/blkid", "--match-tag=UUID", "--output=value"]
        image = self.simulator.ec2.image(self.data_volume_id)
        found = subprocess.run(
            [*blkid, image],
            env=clean_environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return found.stdout.strip()

    def _add_user(self) -> None:
        number = _free_id()
        for name, line in (
            ("passwd", f"{_USER}:x:{number}:{number}::/home/{_USER}:/bin/bash\n"),
            ("group", f"{_USER}:x:{number}:\n"),
            ("shadow", f"{_USER}:!:20000:0:99999:7:::\n"),
        ):
            with self.path(f"/etc/{name}").open("a", encoding="utf-8") as file:
                file.write(line)
        home = self.path(f"/home/{_USER}")
        home.mkdir(mode=0o700)
        os.chown(home, number, number)

    def _configure_network(self) -> None:
        """Make the simulator reachable for all processes of the host."""
        self._write(_CA_BUNDLE, self.simulator.ca_bundle.read_text("utf-8"))
        self._write("/etc/simulator-port", f"{self.simulator.port}\n")
        variables = " ".join(f"{name}={value}" for name, value in self._environment().items())
        configuration = f"[Manager]\nDefaultEnvironment={variables}\n"
        self._write("/etc/systemd/system.conf.d/simulator.conf", configuration)

    def _environment(self) -> dict[str, str]:
        """Return the environment of all processes of the host.

        In the host's own network the proxy needs no password, because nobody else can reach it.
        """
        proxy = f"http://127.0.0.1:{self.simulator.port}"
        return {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "AWS_CA_BUNDLE": _CA_BUNDLE,
            # By default the AWS CLI gives up after a second: too soon on a busy machine.
            "AWS_METADATA_SERVICE_TIMEOUT": "20",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
        }

    def _write_stack_json(self, changes: dict[str, Any], mode: int) -> None:
        """Write the file as the vendor's template 3.8.2 does; the passwords are invented."""
        stack, region = self.stack, self.region
        vault = f"arn:aws:backup:{region}:{self.account_id}:backup-vault:{stack}-v1"
        content = {
            "MachineType": "SERVICES",
            "Stack": stack,
            "Provider": "AWS",
            "AnalyticsDB": {
                "Host": f"{stack}-analyticsdbinstance-abc123.c9akciq32.{region}.rds.amazonaws.com",
                "Port": "5432",
                "Username": "root",
                "Password": "NeverReadThis016",
            },
            "App": {"Domain": f"{stack}.example.com"},
            "AWS": {
                "AccountID": self.account_id,
                "Region": region,
                "AssumableRoles": "",
                "BackupVault": vault,
                "S3BackupRole": "",
            },
            "Buckets": {kind: f"{stack}-s3{kind.lower()}bucket-1" for kind in _BUCKETS},
            "Redis": {"Password": "NeverReadThisEither"},
            **changes,
        }
        self._write("/etc/codeocean/stack.json", json.dumps(content, indent=2), mode)

    def _write(self, inside: str, text: str, mode: int = 0o644) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def _link(self, inside: str, target: str) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def _serve(self, actions: Iterable[str]) -> None:
        """Serve the simulator and the instance metadata in the host's network."""
        role = f"{self.stack}-ServicesInstanceRole-1ABC"
        session = RoleSession(self.account_id, role, self.instance_id, frozenset(actions))
        self.simulator.assume(session)
        proxy = self._listen("127.0.0.1", self.simulator.port)
        self._closing.callback(self.simulator.listen_too(proxy).close)
        instance = Instance(
            self.account_id, self.region, self.zone, self.instance_id, role, session.access_key
        )
        service = MetadataService(self._listen(*ADDRESS), instance)
        self._closing.callback(service.close)

    def _listen(self, address: str, port: int) -> socket.socket:
        listening = self.machine.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind((address, port))
        listening.listen(128)
        return listening

    def _boot(self) -> None:
        self.machine.boot()
        self.devices.write_serial_numbers()


def _become(user: str) -> list[str]:
    if user == "root":
        return []
    return ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]


def _make_xfs(image: Path, identity: str) -> None:
    make = ["/sbin/mkfs.xfs", "-q", "-m", f"uuid={identity}", str(image)]
    subprocess.run(make, env=clean_environment(), check=True)


def _free_id() -> int:
    """Return an ID that no user and no group of this machine has.

    The host's processes are processes of the machine: a local user with the same ID could read,
    trace and kill processes of ssm-user, who may become root.
    """
    return next(number for number in count(_FIRST_USER_ID) if not _is_taken(number))


def _is_taken(number: int) -> bool:
    for look_up in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            look_up(number)
            return True
    return False
