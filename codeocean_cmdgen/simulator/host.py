"""The services instance of a deployment, on which scripts run unchanged.

    with Simulator() as simulator, Host(simulator, "333333333333") as host:
        host.root("systemctl", "is-active", "codeocean").stdout     # "active"
        with host.session(["sh", "-c", text]) as process:           # as ssm-user; a Popen
            output, errors = process.communicate()
        process.end()                                               # all that it left, dies
        host.path("/etc/fstab").read_text()                         # its files, from here
        host.reboot()

A Host is made of Linux namespaces with systemd in them (see `machine`): file system, processes,
network and host name are its own, and changes to any file are private to it and gone with it. On it

- `aws` is the real AWS CLI, with credentials of the instance's role from the instance metadata
  service (version 2 only); the role may do INSTANCE_ROLE_ACTIONS and nothing else, by default;
- `/data` is a volume, of which `host.data_volume_id` is the id: XFS on a loop device. Any volume
  that is attached to `host.instance_id` becomes a loop device too, with a link in
  `/dev/disk/by-id` and the serial number that `lsblk` shows; its image is
  `simulator.ec2.image(volume_id)`, and `simulator.ec2.copy_volume` makes a volume of another, as
  from a snapshot;
- `codeocean.service` runs and writes below /data; `docker` is a stub (see `inside/docker.py`);
- `sleep` lets simulated time pass; `sh` is bash; `ssm-user` may sudo without a password.

Simplified: volumes are /dev/loopN where a real host has /dev/nvmeNn1; the role's policy counts
actions, not resources; rpm is absent; the machine's other programs show through.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator import metadata
from codeocean_cmdgen.simulator.loop import LoopDevice
from codeocean_cmdgen.simulator.machine import PROGRAMS, HostUnavailableError, Machine
from codeocean_cmdgen.simulator.proxy import CONTROL_PATH
from codeocean_cmdgen.simulator.server import RoleSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from codeocean_cmdgen.simulator.server import Simulator

__all__ = ["INSTANCE_ROLE_ACTIONS", "Host", "HostUnavailableError", "Session"]

# Source: vendor's template 3.8.2, ServicesInstanceRole; without its access to S3.
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
_USER, _USER_ID = "ssm-user", 1001
_AGENT = "amazon-ssm-agent.service"
_CA_BUNDLE = "/etc/pki/simulator.pem"
_PATIENCE = 60.0  # seconds for a command of ours

_SUDOERS = f"""\
Defaults !visiblepw
Defaults always_set_home
Defaults env_reset
Defaults env_keep = "LANG LC_ALL LC_CTYPE LC_MESSAGES LC_TIME PS1 PS2"
Defaults env_keep += "HTTPS_PROXY https_proxy NO_PROXY no_proxy AWS_CA_BUNDLE"
Defaults secure_path = {_PATH}
root ALL=(ALL) ALL
{_USER} ALL=(ALL) NOPASSWD:ALL
"""
_PAM = (
    "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_limits.so\n"
)
_CODEOCEAN = """\
[Unit]
Description=Code Ocean
After=docker.service

[Service]
ExecStart=/usr/lib/codeocean/services/codeocean

[Install]
WantedBy=multi-user.target
"""
_DOCKER = """\
[Unit]
Description=Docker Application Container Engine

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/docker boot
ExecStop=/usr/bin/docker shutdown

[Install]
WantedBy=multi-user.target
"""
_AGENT_UNIT = """\
[Unit]
Description=amazon-ssm-agent

[Service]
ExecStart=/usr/bin/sleep infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
"""
_CRON = {
    "codeocean": "*/5 * * * * root /usr/lib/codeocean/services/cron/backup\n",
    "0hourly": "01 * * * * root run-parts /etc/cron.hourly\n",
}
# sleep(1) that lets simulated time pass, and a moment of real time for what runs beside it.
_SLEEP = """\
#!/bin/bash
body="{\\"seconds\\": \\"$*\\"}"
{ exec 3<>/dev/tcp/127.0.0.1/PORT; } 2>/dev/null || exec /usr/bin/sleep "$@"
printf 'POST %sclock/advance HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \\
  CONTROL "${#body}" "$body" >&3
read -r _ status _ <&3
[[ $status == 200 ]] || exec /usr/bin/sleep "$@"
exec /usr/bin/sleep 0.1
"""


class Session(subprocess.Popen[str]):
    """A shell that somebody has opened through the Systems Manager agent."""

    cgroup: Path

    def end(self) -> None:
        """Kill it with all it started, in whatever session, as the agent does when it ends."""
        (self.cgroup / "cgroup.kill").write_text("1")
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
        unit_folder: str = "/usr/lib/systemd/system",
        by_id: bool = True,
    ) -> None:
        """Boot; raise HostUnavailableError where the machine cannot.

        aws: a folder whose `aws` takes the place of /usr/bin/aws.
        actions: what the instance's role may do, such as ``ec2:*``.
        stack_json: members to put over those of /etc/codeocean/stack.json.
        unit_folder: where codeocean.service lives.
        by_id: whether devices of volumes have links in /dev/disk/by-id.
        """
        self.simulator, self.account_id, self.stack = simulator, account_id, stack
        self.zone, self.region = zone, zone[:-1]
        self._by_id = by_id
        self._devices: dict[str, LoopDevice] = {}
        self._sessions = 0
        self._closing = ExitStack()
        try:
            self.machine = self._closing.enter_context(Machine())
            self._closing.callback(self._unplug_all)
            self._create_instance()
            self._configure(stack_json or {}, stack_json_mode, unit_folder, aws)
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
        """Remove the host: processes, mounts, devices, files; its volumes stay."""
        self._closing.close()

    def reboot(self) -> None:
        """Lose power and boot again: disks stay, /run and /tmp are empty, processes gone."""
        self.machine.halt()
        self._boot()

    def path(self, inside: str | Path) -> Path:
        """Return where this process finds a file of the host."""
        return self.machine.path(inside)

    def popen(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        beside: bool = False,
        **options: Any,  # noqa: ANN401 - Popen's
    ) -> subprocess.Popen[str]:
        """Start a program in the host, outside of any unit; ``options`` are Popen's.

        beside: share the host's network only, as other servers of its subnet would.
        """
        entry = self.machine.network_entry() if beside else self.machine.entry()
        environment = {**self._environment(), "HOME": "/root", "USER": user}
        defaults = {"env": environment, "text": True, "stdin": subprocess.DEVNULL}
        return subprocess.Popen([*entry, *_as(user), *argv], **{**defaults, **options})

    def root(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program as root; return its output, or raise CalledProcessError."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(argv, **pipes) as process:
            output, errors = process.communicate(timeout=_PATIENCE)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, argv, output, errors)
        return subprocess.CompletedProcess(argv, 0, output, errors)

    def session(
        self,
        argv: Sequence[str] = ("sh",),
        environment: dict[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - Popen's
    ) -> Session:
        """Start a program as ssm-user, the way the Systems Manager agent does.

        Input is empty, output and errors are pipes, unless ``options``, which are Popen's, differ.
        """
        defaults = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "start_new_session": True,
        }
        words, cgroup = self._session_words(argv)
        variables = {**self.user_environment(), **(environment or {})}
        session = Session(words, env=variables, **{**defaults, **options})
        session.cgroup = cgroup
        return session

    def session_command(self, argv: Sequence[str] = ("sh", "-i")) -> list[str]:
        """Return the command, for a terminal of one's own, that starts a session.

        Give it the environment of ``user_environment``.
        """
        return self._session_words(argv)[0]

    def user_environment(self) -> dict[str, str]:
        """Return the environment of a session of ssm-user."""
        home = f"/home/{_USER}"
        user = {"HOME": home, "USER": _USER, "LOGNAME": _USER, "SHELL": "/bin/bash"}
        return {**self._environment(), **user, "TERM": "xterm-256color"}

    def hostname(self, name: str) -> None:
        """Let a name, such as a database's, mean 127.0.0.1 on the host."""
        with self.path("/etc/hosts").open("a") as hosts:
            hosts.write(f"127.0.0.1 {name}\n")

    def container(
        self,
        name: str,
        *command: str,
        binds: Iterable[str] = (),
        image: str = "codeocean/worker:1",
        restart: str = "unless-stopped",
    ) -> str:
        """Start a container whose program is a command of the host; return its id.

        binds: such as ``/data/registry:/var/lib/registry``.
        """
        volumes = [f"--volume={bind}" for bind in binds]
        options = ["--detach", f"--name={name}", f"--restart={restart}", *volumes]
        return self.root("docker", "run", *options, image, *command).stdout.strip()

    def _session_words(self, argv: Sequence[str]) -> tuple[list[str], Path]:
        self._sessions += 1
        below = f"system.slice/{_AGENT}/session-{self._sessions}"
        cgroup = self.machine.cgroup / below
        cgroup.mkdir()
        return [*self.machine.entry(below), *_as(_USER), *argv], cgroup

    # Slots of the instance

    def plug(self, volume_id: str, image: Path) -> None:
        """Make a block device of a volume."""
        self._devices[volume_id] = LoopDevice(image)
        self._show(volume_id)

    def unplug(self, volume_id: str) -> None:
        """Let go of a volume's device."""
        self._devices[volume_id].close()

    def busy(self, volume_id: str) -> bool:
        """Tell whether a device that was let go of is still there; if not, forget it."""
        device = self._devices.get(volume_id)
        if device is None:
            return False
        if not device.attached:
            self._hide(volume_id)
        return device.attached

    def _unplug_all(self) -> None:
        for volume_id in list(self._devices):
            self._devices.pop(volume_id).close()

    def device(self, volume_id: str) -> str:
        """Return the path of a volume's device on the host."""
        return f"/dev/{self._devices[volume_id].name}"

    def _show(self, volume_id: str) -> None:
        """Give the host what udev gives it: a node, a link, and the serial number."""
        device = self._devices[volume_id]
        node = self.path(self.device(volume_id))
        if not node.exists():
            os.mknod(node, 0o660 | stat.S_IFBLK, device.number)
        (self.machine.block / device.name).symlink_to(f"../devices/virtual/block/{device.name}")
        if self._by_id:
            self.path(_link(volume_id)).symlink_to(f"../../{device.name}")
        self._tell_serial(volume_id)

    def _tell_serial(self, volume_id: str) -> None:
        if self.machine.init:
            database = self.path("/run/udev/data")
            database.mkdir(parents=True, exist_ok=True)
            number = self._devices[volume_id].number
            serial = volume_id.replace("-", "")
            (database / f"b{os.major(number)}:{os.minor(number)}").write_text(
                f"I:1\nE:ID_SERIAL=Amazon_Elastic_Block_Store_{serial}\nE:ID_SERIAL_SHORT={serial}\n"
            )

    def _hide(self, volume_id: str) -> None:
        device = self._devices.pop(volume_id)
        self.path(f"/dev/{device.name}").unlink()
        self.path(_link(volume_id)).unlink(missing_ok=True)
        (self.machine.block / device.name).unlink()

    # Making it

    def _create_instance(self) -> None:
        ec2 = self.simulator.ec2
        tag = {"codeocean:deployment": self.stack}
        self.instance_id = ec2.instance(
            self.account_id,
            self.zone,
            self,
            tags={
                **tag,
                "Name": "codeocean-services",
                "aws:cloudformation:stack-name": self.stack,
                "aws:cloudformation:logical-id": "ServicesAutoScalingGroup",
            },
        )
        self._closing.callback(ec2.terminate, self.instance_id)
        self.data_volume_id = ec2.volume(
            self.account_id, self.zone, tags={**tag, "codeocean:protected": "true"}
        )
        self.data_uuid = str(uuid.uuid4())
        image = ec2.image(self.data_volume_id)
        make = ["mkfs.xfs", "-q", "-m", f"uuid={self.data_uuid}", str(image)]
        subprocess.run(make, check=True, capture_output=True)
        ec2.attach(self.data_volume_id, self.instance_id, "/dev/sde")
        self.docker_volume_id = ec2.volume(self.account_id, self.zone, tags=tag)
        ec2.attach(self.docker_volume_id, self.instance_id, "/dev/sdf")

    def _configure(
        self, stack_json: dict[str, Any], mode: int, unit_folder: str, aws: Path | None
    ) -> None:
        self._add_user()
        port = str(self.simulator.port)
        self._write("/etc/codeocean/stack.json", json.dumps({**self._stack(), **stack_json}), mode)
        self._write("/etc/fstab", f"UUID={self.data_uuid} /data xfs defaults 0 0\n")
        self._write("/etc/hostname", "ip-10-0-1-23\n")
        self._write("/etc/hosts", "127.0.0.1 localhost ip-10-0-1-23\n")
        self._write("/etc/machine-id", f"{uuid.uuid4().hex}\n")
        self._write("/etc/sudoers", _SUDOERS, 0o440)
        self._write("/etc/pam.d/sudo", _PAM)
        self._write(_CA_BUNDLE, self.simulator.ca_bundle.read_text())
        environment = " ".join(f"{k}={v}" for k, v in self._environment().items() if k != "PATH")
        self._write(
            "/etc/systemd/system.conf.d/proxy.conf",
            f"[Manager]\nDefaultEnvironment={environment}\n",
        )
        sleep = _SLEEP.replace("PORT", port).replace("CONTROL", CONTROL_PATH)
        self._write("/usr/local/bin/sleep", sleep, 0o755)
        for program, source in (
            ("/usr/bin/docker", "docker.py"),
            ("/usr/lib/codeocean/services/codeocean", "codeocean.py"),
        ):
            self._write(program, (PROGRAMS / source).read_text(), 0o755)
        for name, line in _CRON.items():
            self._write(f"/etc/cron.d/{name}", line)
        self._enable("docker.service", _DOCKER)
        self._enable(_AGENT, _AGENT_UNIT)
        self._enable("codeocean.service", _CODEOCEAN, unit_folder)
        wanted = "sockets.target.wants"
        for name in ("dbus.socket", "systemd-journald.socket"):
            self._link(f"/etc/systemd/system/{wanted}/{name}", f"/usr/lib/systemd/system/{name}")
        self._link(
            "/etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target"
        )
        self._link("/usr/bin/sh", "bash")
        self.path("/usr/bin/rpm").unlink(missing_ok=True)
        self.path("/data").mkdir(exist_ok=True)
        if aws:
            self.machine.share(aws, "/opt/aws")
            self._link("/usr/bin/aws", "/opt/aws/aws")

    def _add_user(self) -> None:
        lines = {
            "/etc/passwd": f"{_USER}:x:{_USER_ID}:{_USER_ID}::/home/{_USER}:/bin/bash\n",
            "/etc/group": f"{_USER}:x:{_USER_ID}:\n",
            "/etc/shadow": f"{_USER}:!:20000:0:99999:7:::\n",
        }
        for name, line in lines.items():
            with self.path(name).open("a") as file:
                file.write(line)
        home = self.path(f"/home/{_USER}")
        home.mkdir(mode=0o700)
        os.chown(home, _USER_ID, _USER_ID)

    def _stack(self) -> dict[str, Any]:
        """Return stack.json as the vendor's template 3.8.2 writes it, secrets invented."""
        name, region = self.stack, self.region
        buckets = (
            *("Batch", "Capsules", "Datasets", "DatasetsInput", "DockerRegistry", "Inputfiles"),
            *("Licenses", "MLflow", "Packages", "Public", "Results", "Scratch", "Temp"),
        )
        return {
            "MachineType": "SERVICES",
            "Stack": name,
            "Provider": "AWS",
            "AnalyticsDB": {
                "Host": f"{name}-analyticsdbinstance-abc123.c9akciq32.{region}.rds.amazonaws.com",
                "Port": "5432",
                "Username": "root",
                "Password": "NeverReadThis016",
            },
            "App": {"Domain": f"{name}.example.com"},
            "AWS": {
                "AccountID": self.account_id,
                "Region": region,
                "AssumableRoles": "",
                "BackupVault": f"arn:aws:backup:{region}:{self.account_id}:backup-vault:{name}-v1",
                "S3BackupRole": "",
            },
            "Buckets": {kind: f"{name}-s3{kind.lower()}bucket-1" for kind in buckets},
            "Redis": {"Password": "NeverReadThisEither"},
        }

    def _environment(self) -> dict[str, str]:
        """Return what every process of the host has in its environment."""
        proxy = f"http://127.0.0.1:{self.simulator.port}"
        return {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "AWS_CA_BUNDLE": _CA_BUNDLE,
        }

    def _enable(self, name: str, unit: str, folder: str = "/usr/lib/systemd/system") -> None:
        self._write(f"{folder}/{name}", unit)
        self._link(f"/etc/systemd/system/multi-user.target.wants/{name}", f"{folder}/{name}")

    def _write(self, inside: str, text: str, mode: int = 0o644) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def _link(self, inside: str, target: str) -> None:
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def _serve(self, actions: Iterable[str]) -> None:
        """Serve the simulator and the metadata in the host's network."""
        role = f"{self.stack}-ServicesInstanceRole-1ABC"
        session = self.simulator.assume(
            RoleSession(self.account_id, role, self.instance_id, frozenset(actions))
        )
        proxy = self._listen("127.0.0.1", self.simulator.port)
        self._closing.callback(self.simulator.listen_too(proxy).close)
        instance = metadata.Instance(
            self.account_id, self.region, self.zone, self.instance_id, role, session.access_key
        )
        listening = self._listen(*metadata.ADDRESS)
        self._closing.callback(metadata.MetadataService(listening, instance).close)

    def _listen(self, address: str, port: int) -> socket.socket:
        listening = self.machine.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(128)
        return listening

    def _boot(self) -> None:
        self.machine.boot()
        for volume_id in self._devices:
            self._tell_serial(volume_id)


def _link(volume_id: str) -> str:
    name = f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
    return f"/dev/disk/by-id/{name}"


def _as(user: str) -> list[str]:
    if user == "root":
        return []
    return ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
