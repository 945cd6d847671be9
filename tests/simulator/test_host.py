"""The simulated services instance."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from codeocean_cmdgen.simulator.aws import loaded_aws
from codeocean_cmdgen.simulator.host import Host, HostUnavailableError
from tests.support.simulated import ACCOUNT, OTHER
from tests.support.tools import OLDEST_AWS, miss, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.simulator import Simulator

HostOf = Callable[..., Host]


@pytest.fixture
def host_of(sim: Simulator) -> Iterator[HostOf]:
    with ExitStack() as hosts:

        def host_of(account: str = ACCOUNT, **options: Any) -> Host:
            try:
                return hosts.enter_context(Host(sim, account, **options))
            except HostUnavailableError as reason:
                miss(str(reason))

        yield host_of


@pytest.fixture
def host(host_of: HostOf) -> Host:
    return host_of()


def test_the_loaded_cli_outlives_a_host(sim: Simulator, tmp_path: Path) -> None:
    """A call from a host runs in that one's namespaces; the next one does not."""
    require(OLDEST_AWS)
    folder = tmp_path / "aws"
    folder.mkdir()
    with loaded_aws(folder, OLDEST_AWS) as served:
        try:
            with Host(sim, ACCOUNT, aws=served) as host:
                assert said(host, "aws --version").startswith("aws-cli/2")
        except HostUnavailableError as reason:
            miss(str(reason))
        version = subprocess.run(
            [served / "aws", "--version"], capture_output=True, check=True, timeout=60
        )
        assert version.stdout.startswith(b"aws-cli/2")


def said(host: Host, text: str, **environment: str) -> str:
    """Return what a script says that ssm-user runs, all of it, without the last newline."""
    with host.session(["sh", "-c", text], environment, stderr=subprocess.STDOUT) as session:
        output, _ = session.communicate(timeout=60)
    return str(output).rstrip("\n")


def eventually(holds: Callable[[], bool]) -> bool:
    """Tell whether something comes true within a while."""
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def traces(host: str) -> list[str]:
    """Return what is on the machine of a host, as `identity` told it."""
    scratch, cgroup, images = host.split()
    devices = Path("/sys/block").glob("loop*/loop/backing_file")
    return [
        *(line for line in Path("/proc/mounts").read_text().splitlines() if scratch in line),
        *(str(path) for path in devices if images in path.read_text()),
        *(folder for folder in (scratch, cgroup) if Path(folder).exists()),
    ]


def identity(host: Host) -> str:
    images = host.simulator.ec2.image(host.data_volume_id).parent
    return f"{host.machine.scratch} {host.machine.cgroup} {images}"


def test_it_boots(host: Host) -> None:
    assert said(host, "systemctl is-system-running; systemctl is-active codeocean") == (
        "running\nactive"
    )
    assert said(host, "hostname; curl -so /dev/null -w '%{http_code}' localhost:8300/health") == (
        "ip-10-0-1-23\n200"
    )
    assert said(host, "findmnt -no FSTYPE /data; stat -c '%a %U' /data") == "xfs\n700 root"
    assert host.path("/data/codeocean/log").exists()


def test_what_the_vendor_puts_there(host_of: HostOf) -> None:
    host = host_of(
        unit_folder="/etc/systemd/system",
        stack="other",
        stack_json={"App": {"Domain": "other.example"}},
        stack_json_mode=0o644,
    )
    stack = json.loads(said(host, "cat /etc/codeocean/stack.json"))
    assert (stack["Stack"], stack["AWS"]["AccountID"]) == ("other", ACCOUNT)
    assert stack["App"] == {"Domain": "other.example"}
    where = "systemctl show --property=FragmentPath --value codeocean; ls /etc/cron.d"
    assert said(host, where) == "/etc/systemd/system/codeocean.service\n0hourly\ncodeocean"


def test_ssm_user_is_no_root_but_may_sudo(host: Host) -> None:
    assert said(host, "id -un; sudo id -un; ls /data; set -o | grep posix; pwd") == (
        "ssm-user\nroot\nls: cannot open directory '/data': Permission denied\n"
        "posix          \ton\n/"
    )


def test_the_way_to_the_simulator_is_the_hosts_matter(host: Host) -> None:
    show = "env | grep -c -e ^HTTPS_PROXY -e ^AWS_CA_BUNDLE"
    assert said(host, f"sudo sh -c '{show}'; sudo systemd-run --quiet --pipe sh -c '{show}'") == (
        "2\n2"
    )
    assert said(host, "sudo sh -c 'echo $GIVEN$HOME'", GIVEN="lost") == "/root"


def test_metadata_want_a_token(host: Host) -> None:
    get = "curl -s -w ' %{http_code}\n' http://169.254.169.254/latest"
    assert said(host, f"{get}/meta-data/instance-id") == " 401"
    assert said(host, f"{get}/api/token -X PUT") == " 400"
    token = said(
        host,
        "curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
        "http://169.254.169.254/latest/api/token",
    )
    get += f"/$0 -H 'X-aws-ec2-metadata-token: {token}'"

    def metadata(path: str) -> str:
        return said(host, get.replace("$0", path))

    assert metadata("meta-data/instance-id") == f"{host.instance_id} 200"
    assert metadata("meta-data/placement/region") == "us-east-1 200"
    assert metadata("meta-data/nothing") == " 404"
    role = metadata("meta-data/iam/security-credentials/").split()[0]
    assert '"Code": "Success"' in metadata(f"meta-data/iam/security-credentials/{role}")
    identity = json.loads(metadata("dynamic/instance-identity/document").rpartition(" ")[0])
    assert (identity["accountId"], identity["region"]) == (ACCOUNT, "us-east-1")
    assert (identity["instanceId"], identity["availabilityZone"]) == (host.instance_id, host.zone)


def test_the_cli_acts_as_the_instances_role(host: Host, sim: Simulator) -> None:
    assert "(UnauthorizedOperation)" in said(host, "sudo aws ec2 describe-vpcs --region us-east-1")
    (request,) = sim.calls("ec2:DescribeVpcs")
    assert (request.account, request.error) == (ACCOUNT, "UnauthorizedOperation")


def test_an_attached_volume_is_a_disk(host: Host, sim: Simulator) -> None:
    ec2 = sim.account(ACCOUNT).client("ec2")
    volume = host.volume()
    link = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
    ec2.attach_volume(VolumeId=volume, InstanceId=host.instance_id, Device="/dev/sdg")
    assert "No such file" in said(host, f"ls {link} /dev/sdg")
    sim.clock.advance(60)
    device = said(host, f"readlink -e {link}")
    disks = [line.split() for line in said(host, "lsblk -dnpo NAME,SERIAL").splitlines()]
    assert sorted(disks) == sorted(
        [host.devices.path(one), one.replace("-", "")]
        for one in (host.data_volume_id, host.docker_volume_id, volume)
    )
    assert said(host, f"sudo mount {device} /mnt && findmnt -no FSTYPE /mnt") == "xfs"
    ec2.detach_volume(VolumeId=volume)
    sim.clock.advance(60)
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert [one["State"] for one in found["Attachments"]] == ["detaching"]
    assert said(host, "sudo umount /mnt") == ""
    sim.settle()
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert found["State"] == "available"
    assert "No such file" in said(host, f"ls {link}")
    assert "No such file" in said(host, f"ls {device}")


def test_a_disk_without_a_link(host_of: HostOf) -> None:
    host = host_of(by_id=False)
    assert said(host, "ls /dev/disk/by-id; lsblk -no SERIAL,MOUNTPOINT | grep /data") == (
        f"{host.data_volume_id.replace('-', '')} /data"
    )


def test_a_restored_volume_is_as_after_a_power_cut(host: Host) -> None:
    said(host, "sudo systemctl stop codeocean")
    said(host, "sudo sh -c 'mkdir /data/new; echo content >/data/new/file; sync -f /data'")
    volume = host.copy_volume(host.data_volume_id, gib=2, tags={"run": "first"})
    assert host.path("/data/new/file").read_text() == "content\n"
    device = host.attach(volume)
    assert "journal" in said(host, f"sudo xfs_repair -n {device}").replace("log", "journal")
    assert "wrong fs type" in said(host, f"sudo mount -o ro {device} /mnt")  # the same UUID
    assert said(host, f"sudo mount -o ro,nouuid {device} /mnt && sudo cat /mnt/new/file") == (
        "content"
    )
    assert said(host, f"lsblk -dno SIZE {device}").strip() == "2G"


def test_disks_outlive_a_reboot(host: Host) -> None:
    said(host, "sudo sh -c 'echo 1 >/etc/kept; echo 1 >/data/kept; sync; touch /tmp/a /run/a'")
    said(host, "sudo systemctl stop codeocean; sudo systemctl mask codeocean")
    host.reboot()
    assert said(host, "cat /etc/kept; sudo cat /data/kept; ls /tmp/a /run/a 2>/dev/null") == "1\n1"
    assert said(host, "systemctl is-enabled codeocean; systemctl is-active codeocean") == (
        "masked\ninactive"
    )
    assert "vol" in said(host, "lsblk -dno SERIAL")


def test_ending_a_session_leaves_units_alone(host: Host) -> None:
    text = "setsid sudo sleep infinity & sudo systemd-run --quiet --unit=work sleep infinity; wait"
    count = "pgrep --count --exact sleep"
    with host.session(["sh", "-c", text]) as session:
        assert eventually(lambda: said(host, "systemctl is-active work") == "active")
        assert eventually(lambda: said(host, count) == "3")  # one is the agent's
        session.end()
        assert eventually(lambda: said(host, count) == "2")
    assert said(host, "systemctl is-active work") == "active"


def test_docker_answers_while_a_container_is_changed(host: Host) -> None:
    """Otherwise `docker ps` keeps a container from running while it waits for it to run."""
    host.container("agent", "sleep", "infinity", restart="always")
    with host.path("/var/lib/docker/containers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert said(host, "sudo timeout 20 docker ps --format '{{.Names}}'") == "agent"


def test_a_container_holds_what_it_has_mounted(host: Host) -> None:
    said(host, "sudo systemctl stop codeocean")
    keep = "exec 9>/registry/file; echo open >&9; sleep infinity"
    container = host.container("registry", "bash", "-c", keep, binds=["/data/registry:/registry"])
    assert eventually(host.path("/data/registry/file").exists)
    assert said(host, "sudo docker ps --quiet --no-trunc") == container
    (found,) = json.loads(said(host, "sudo docker inspect registry"))
    assert found["State"]["Running"]
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert [mount["Source"] for mount in found["Mounts"]] == ["/data/registry"]
    assert "busy" in said(host, "sudo mount -o remount,ro /data")
    host.reboot()
    assert said(host, "sudo docker ps --quiet --no-trunc") == container
    said(host, "sudo systemctl stop codeocean")
    stop = "sudo docker update --restart=no registry; sudo docker stop registry"
    assert said(host, stop) == "registry\nregistry"
    assert said(host, "sudo mount -o remount,ro /data; sudo docker ps --quiet") == ""
    listed = "sudo docker ps --all --format '{{.Names}} {{.State}}'; sudo docker inspect none"
    assert said(host, listed) == (
        "registry exited\n[]\nError response from daemon: No such object: none"
    )


def test_two_hosts_at_once(host_of: HostOf, sim: Simulator) -> None:
    hosts = {account: host_of(account) for account in (ACCOUNT, OTHER)}
    for account, host in hosts.items():
        assert said(host, "sudo jq -r .AWS.AccountID /etc/codeocean/stack.json") == account
        host.path("/data/mine").write_text(account)
        host.root("sync", "--file-system", "/data")
        volumes = sim.account(account).client("ec2").describe_volumes()["Volumes"]
        assert host.data_volume_id in [volume["VolumeId"] for volume in volumes]
        assert len(said(host, "lsblk -dno SERIAL").split()) == 2
    assert hosts[ACCOUNT].path("/data/mine").read_text() == ACCOUNT
    copy = hosts[OTHER].copy_volume(hosts[ACCOUNT].data_volume_id)
    device = hosts[OTHER].attach(copy)
    mounted = f"sudo mount -o nouuid {device} /mnt && sudo ls /mnt/mine"
    assert said(hosts[OTHER], mounted) == "/mnt/mine"


def test_other_programs_run_in_it_or_beside_it(host: Host) -> None:
    host.hostname("db.example.com")
    serve = [sys.executable, "-m", "http.server", "5432"]
    with host.popen(serve, beside=True, stderr=subprocess.DEVNULL, cwd="/proc/self/fd") as server:
        get = "curl -so /dev/null -w '%{http_code}' http://db.example.com:5432"
        assert eventually(lambda: said(host, get) == "200")
        server.kill()
    with host.popen(["id", "-un"], user="ssm-user", stdout=subprocess.PIPE) as process:
        assert process.communicate()[0] == "ssm-user\n"
    with pytest.raises(subprocess.CalledProcessError):
        host.root("false")


def test_the_machine_notices_nothing(host_of: HostOf, tmp_path: Path) -> None:
    fstab = Path("/etc/fstab").read_bytes()
    (tmp_path / "mine").touch()
    host = host_of()
    said(host, "sudo sh -c 'echo x >>/etc/fstab; rm /etc/cron.d/*; touch /data/x'")
    assert "No such file" in said(host, f"ls {tmp_path}")
    host.attach(host.volume())
    trace = identity(host)
    assert traces(trace)
    host.close()
    assert eventually(lambda: not traces(trace))
    assert (Path("/etc/fstab").read_bytes(), (tmp_path / "mine").exists()) == (fstab, True)
    assert not Path("/data/x").exists()


_CRASH = """
import os, signal
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import Host
from tests.simulator.test_host import identity
host = Host(Simulator(), "222222222222")
host.session(["sh", "-c", "sudo sleep infinity"])
print(identity(host), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_crash_leaves_nothing(host: Host) -> None:
    crash = [sys.executable, "-c", _CRASH]
    ended = subprocess.run(crash, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert eventually(lambda: not traces(ended.stdout))
    shutil.rmtree(Path(ended.stdout.split()[2]).parent)  # the simulator's own files


def test_a_machine_that_cannot(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostUnavailableError, match="only root"):
        Host(sim, ACCOUNT)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("codeocean_cmdgen.simulator.machine._SYSTEM_PATH", "/nowhere")
    with pytest.raises(HostUnavailableError, match="not installed: bash, ip, "):
        Host(sim, ACCOUNT)


def test_a_machine_that_lets_nobody(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeocean_cmdgen.simulator.machine._check", lambda: Path("/nowhere"))
    before = set(Path(tempfile.gettempdir()).glob("codeocean-host-*"))
    with pytest.raises(HostUnavailableError, match="host: mkdir: cannot create"):
        Host(sim, ACCOUNT)
    assert eventually(lambda: set(Path(tempfile.gettempdir()).glob("codeocean-host-*")) <= before)


def test_an_aws_in_a_folder_that_hosts_hide_is_found(host_of: HostOf, tmp_path: Path) -> None:
    if not os.access("/home", os.W_OK):
        miss("only root may write to /home")
    with tempfile.TemporaryDirectory(dir="/home") as hidden:
        Path(hidden).chmod(0o755)
        program = Path(hidden, "aws")
        program.write_text("#!/bin/sh\necho found\n")
        program.chmod(0o755)
        tmp_path.chmod(0o755)  # ssm-user looks into it, too
        (tmp_path / "aws").symlink_to(program)
        assert said(host_of(aws=tmp_path), "aws") == "found"
