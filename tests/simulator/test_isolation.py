"""simulate and rehearse learn nothing of the operator, and tell other local users nothing."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from typer.testing import CliRunner

import codeocean_cmdgen
from codeocean_cmdgen import isolation
from codeocean_cmdgen.cli import simulation
from codeocean_cmdgen.cli.app import app
from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.isolation import (
    NO_AWS_SETTINGS,
    clean_environment,
    isolated,
    private_folder,
)
from codeocean_cmdgen.rehearsal.run import Staging
from codeocean_cmdgen.rehearsal.shells import Shell
from codeocean_cmdgen.simulator import Simulator, console, simulate
from codeocean_cmdgen.simulator.aws import any_aws, cloudshell_python, loaded_aws
from codeocean_cmdgen.simulator.host import Host, HostUnavailableError
from codeocean_cmdgen.simulator.world import BACKUP
from tests.support.simulated import ACCOUNT
from tests.support.tools import OLDEST_AWS, miss, require

from .test_host import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-of-the-operator"
NOBODY = 65534
MODULES = (
    "awscli",
    "boto3",
    "botocore",
    "moto",
    "trustme",
    "json",
    "sitecustomize",
    "usercustomize",
)
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
PACKAGE = Path(codeocean_cmdgen.__file__).parent


class Operator(NamedTuple):
    """Somebody with credentials, settings and a folder that all run code."""

    folder: Path
    """The current folder: its modules, and all that the settings name, leave a mark when run."""
    home: Path
    environment: dict[str, str]

    @property
    def marks(self) -> list[str]:
        """What was run, and by what."""
        return [mark.read_text("utf-8") for mark in self.folder.glob("mark-*")]

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program as they would."""
        return subprocess.run(
            argv,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    folder, home = tmp_path / "current", tmp_path / "operator"
    for one in (folder, home / ".aws"):
        one.mkdir(parents=True)
    mark = f"{folder}/mark-$$; tr '\\0' ' ' </proc/$PPID/cmdline >>{folder}/mark-$$"
    program = folder / "leave-a-mark"
    program.write_text(f'#!/bin/sh\necho "$0" >{mark}\n')
    program.chmod(0o755)
    for name in MODULES:
        (folder / f"{name}.py").write_text(
            f"import os\nopen(f'{folder}/mark-{{os.getpid()}}', 'a').write('{name}')\n"
        )
    settings = (
        f"credential_process = {program}\nregion = us-east-1\n"
        "endpoint_url = http://127.0.0.1:9\nca_bundle = /nowhere\n"
    )
    config = home / ".aws/config"
    config.write_text(
        f"[default]\n{settings}[profile {CANARY}]\n{settings}"
        f"[plugins]\ncli_legacy_plugin_path = {folder}\nusercustomize = usercustomize\n"
    )
    keys = f"aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {CANARY}\n"
    (home / ".aws/credentials").write_text(f"[default]\n{keys}[{CANARY}]\n{keys}")
    environment = {
        "PATH": f":.:{folder}:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "HOME": str(home),
        "AWS_PROFILE": f"{CANARY}-elsewhere",  # moto, and all of botocore, would refuse it
        "AWS_DEFAULT_PROFILE": f"{CANARY}-elsewhere",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws/credentials"),
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": f"{CANARY}-{home}",
        "AWS_SECURITY_TOKEN": CANARY,
        "AWS_ROLE_ARN": f"arn:aws:iam::123456789012:role/{CANARY}",
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{home}/token",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/credentials",
        "AWS_CA_BUNDLE": "/nowhere",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULTS_MODE": "auto",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_DATA_PATH": str(folder),
        "HTTPS_PROXY": f"http://{CANARY}@127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "REQUESTS_CA_BUNDLE": "/nowhere",
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "json.py"),
        "PYTHONUSERBASE": str(folder),
        "BASH_ENV": str(program),
        "ENV": str(program),
        "LD_LIBRARY_PATH": str(folder),
        "GIT_SSH_COMMAND": str(program),
        "XDG_CONFIG_HOME": str(folder),
        "PGPASSWORD": CANARY,
        "PGOPTIONS": "--no-such-setting=1",
        "PSQLRC": str(program),
    }
    return Operator(folder, home, environment)


def read(file: Path) -> str:
    """Return what is in a file of /proc; nothing if its process is gone."""
    with contextlib.suppress(OSError):
        return file.read_text("utf-8", errors="replace")
    return ""


def command_lines() -> list[str]:
    return [read(file) for file in Path("/proc").glob("[0-9]*/cmdline")]


def environments(text: str) -> list[str]:
    """Return the command lines of all processes with a text in their environment."""
    files = Path("/proc").glob("[0-9]*/environ")
    return [read(file.with_name("cmdline")) for file in files if text in read(file)]


def nobody(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program as another local user."""
    if os.geteuid():
        miss("only root can become somebody else")
    return subprocess.run(
        [*AS_NOBODY, *argv], capture_output=True, text=True, check=False, timeout=60, **options
    )


def test_an_environment_is_a_list_of_what_may_stay(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in operator.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("LC_TIME", "C")
    before = dict(os.environ)
    clean = clean_environment()
    may_stay = ("LANG", "LC_ALL", "LC_TIME", "TERM", "COLUMNS", "LINES", "TMPDIR", "TZ")
    stays: dict[str, str] = {name: before[name] for name in may_stay if name in before}
    assert {"LANG", "LC_TIME", "TERM"} <= stays.keys()
    assert clean == {
        **stays,
        "PATH": f"{operator.folder}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nonexistent",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with isolated():
        home = Path(os.environ["HOME"])
        assert dict(os.environ) == {**clean, "HOME": str(home)}
        assert (list(home.iterdir()), stat.S_IMODE(home.stat().st_mode)) == ([], 0o700)
    assert dict(os.environ) == before
    assert not home.exists()


def test_a_shell_that_outlives_its_simulation_runs_no_program_of_others(sim: Simulator) -> None:
    """Its PATH begins with a folder that is gone; nobody else can create it again."""
    with Simulator() as other:
        first = Path(other.environment(ACCOUNT)["PATH"].split(":")[0])
    assert not first.exists()
    assert nobody("mkdir", "-p", str(first)).returncode != 0
    assert nobody("mkdir", f"/tmp/simulator-{os.getpid()}").returncode == 0  # it could elsewhere
    Path(f"/tmp/simulator-{os.getpid()}").rmdir()


@pytest.mark.parametrize("how", ["open", "another's", "link", "file"])
def test_a_folder_that_is_not_private_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(isolation, "gettempdir", lambda: str(tmp_path))
    assert private_folder() == tmp_path / f"codeocean-cmdgen-{os.geteuid()}"
    folder = private_folder()
    if how == "open":
        folder.chmod(0o750)
    elif how == "another's":
        os.chown(folder, NOBODY, NOBODY)
    else:
        folder.rename(tmp_path / "real")
        folder.symlink_to("real") if how == "link" else folder.touch()
    with pytest.raises(InputError):
        private_folder()


def test_a_path_that_names_no_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ":.:bin")
    assert clean_environment()["PATH"] == os.defpath


def test_every_program_is_started_with_an_environment_of_its_own() -> None:
    """One call that forgets it would hand over the operator's credentials."""
    starts = {"subprocess.run", "subprocess.Popen", "pexpect.spawn"}
    sources = [*(PACKAGE / "simulator").glob("*.py"), *(PACKAGE / "rehearsal").glob("*.py")]
    found, bare = 0, []
    for file in sources:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in starts:
                found += 1
                given = {one.arg for one in node.keywords}
                if not given & {"env", None}:  # None: **options, which have it
                    bare.append(f"{file.name}:{node.lineno}")
    assert found > 10
    assert bare == []


_PRELOAD = """
import sys
from pathlib import Path
from codeocean_cmdgen.simulator.aws import any_aws
with any_aws(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def preloaded(operator: Operator, folder: Path) -> Iterator[Path]:
    """Give a folder with the preloaded CLI, as the operator's own process has made it."""
    require(OLDEST_AWS)
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _PRELOAD, str(folder)],
        cwd=operator.folder,
        env=operator.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        yield Path(process.stdout.readline().strip())
        process.kill()


def test_the_preloaded_cli_learns_nothing_of_the_operator(
    operator: Operator, tmp_path: Path
) -> None:
    folder = tmp_path / "aws"
    folder.mkdir()
    with preloaded(operator, folder) as served:
        assert len(environments(str(operator.home))) == 1  # the operator's own process
        version = subprocess.run(
            [served / "aws", "--version"], env=clean_environment(), capture_output=True, check=True
        )
        assert version.stdout.startswith(b"aws-cli/2.")
    assert operator.marks == []


_COUNT = """
import ctypes, socket, subprocess, sys, threading
from pathlib import Path
for command in ("link set lo up", "address add 169.254.169.254/32 dev lo"):
    subprocess.run(["ip", *command.split()], check=True)
listening = socket.create_server(("169.254.169.254", 80))
asked = []
def count():
    while True:
        connection, _ = listening.accept()
        asked.append(connection.recv(100))
        connection.close()
threading.Thread(target=count, daemon=True).start()
socket.create_connection(("169.254.169.254", 80)).close()  # counts: the listener works
from contextlib import nullcontext
from codeocean_cmdgen.isolation import isolated
with isolated() if sys.argv[2] == "isolated" else nullcontext():
    from codeocean_cmdgen.simulator import Simulator, example_world
    from codeocean_cmdgen.simulator.aws import any_aws
    with any_aws(Path(sys.argv[1])) as folder, Simulator() as simulator:
        example_world(simulator, objects_per_bucket=1)
        simulator.account("222222222222").client("sts").get_caller_identity()
        subprocess.run([folder / "aws", "sts", "get-caller-identity"], check=True,
            env=simulator.environment("222222222222"), stdout=subprocess.DEVNULL)
print(len(asked))
"""


@pytest.mark.parametrize("how", ["bare", "isolated"])
def test_the_metadata_service_is_never_asked(operator: Operator, tmp_path: Path, how: str) -> None:
    require(OLDEST_AWS)
    if os.geteuid():
        miss("only root has a network of its own")
    folder = tmp_path / "aws"
    folder.mkdir()
    count = ["unshare", "--net", sys.executable, "-I", "-c", _COUNT, str(folder)]
    if how == "bare":  # somebody without credentials, whom the CLI would look for everywhere
        bare = {"PATH": os.defpath, "HOME": str(operator.folder)}
        counted = subprocess.run(
            [*count, how], env=bare, capture_output=True, text=True, check=False
        )
    else:
        counted = operator.run(*count, how)
    assert counted.stdout == "1\n", counted
    assert operator.marks == []


_TRY = """
import os, socket, sys
for name in sys.argv[1:]:
    try:
        if os.path.isdir(name):
            os.listdir(name)
        elif name.endswith("/socket"):
            socket.socket(socket.AF_UNIX).connect(name)
        else:
            open(name).close()
        print("reached", name)
    except OSError as error:
        print(type(error).__name__)
"""


def test_another_user_reaches_no_file_and_no_socket() -> None:
    require(OLDEST_AWS)
    with Staging("backup") as rehearsal:
        folder, simulated = rehearsal.folder, rehearsal.simulator.ca_bundle.parent
        rehearsal.shell("cloudshell", "backup", BACKUP)
        (home,) = rehearsal.homes
        (home / "journal").write_text("secret")
        (served,) = folder.rglob("socket")
        files = [folder, home, served, home / "journal", folder / "deployment.toml",
                 folder / "programs/python3", simulated, simulated / "ca.pem"]  # fmt: skip
        control = Path(tempfile.mkdtemp()) / "socket"  # what the test would see of an open one
        control.parent.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(control))
            control.chmod(0o666)
            listener.listen()
            tried = nobody("/usr/bin/python3", "-I", "-c", _TRY, *map(str, [*files, control]))
        shutil.rmtree(control.parent)
        outcomes = [*["PermissionError"] * len(files), f"reached {control}"]
        assert tried.stdout.splitlines() == outcomes, tried


def request(port: int, text: str) -> str:
    """Ask something of a port as another local user; return the answer."""
    program = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        "s.sendall(sys.argv[2].encode()); s.shutdown(1); print(s.makefile().read())"
    )
    return nobody("/usr/bin/python3", "-I", "-c", program, str(port), text).stdout


SCOPE = "AKIASIML222222222222/20260101/us-east-1/s3/aws4_request"
ADVANCE, FAIL = '{"seconds": 90}', '{"operation": "*", "kind": "access-denied"}'
REQUESTS = {
    "read": "GET /_simulator/requests HTTP/1.0\r\n\r\n",
    "advance": f"POST /_simulator/clock/advance HTTP/1.0\r\nContent-Length: 15\r\n\r\n{ADVANCE}",
    "fail": f"POST /_simulator/faults HTTP/1.0\r\nContent-Length: 43\r\n\r\n{FAIL}",
    "tunnel": "CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\n\r\n",
    "act": "GET http://s3.us-east-1.amazonaws.com/ HTTP/1.0\r\n"
    f"Authorization: AWS4-HMAC-SHA256 Credential={SCOPE},\r\n\r\n",
    "empty": "GET /_simulator/requests HTTP/1.0\r\nProxy-Authorization: Basic Og==\r\n\r\n",
    "odd": "GET /_simulator/requests HTTP/1.0\r\nProxy-Authorization: \xe4\r\n\r\n",
    "two": "GET /_simulator/requests HTTP/1.1\r\n\r\nGET /_simulator/requests HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("text", REQUESTS.values(), ids=REQUESTS)
def test_another_user_is_turned_away_from_the_port(sim: Simulator, text: str) -> None:
    sim.account(ACCOUNT).client("sts").get_caller_identity()
    before, recorded = sim.clock.now(), len(sim.requests)
    answer = request(sim.port, text)
    assert answer.startswith("HTTP/1.1 407 "), answer
    assert "GetCallerIdentity" not in answer
    assert (sim.clock.now(), len(sim.requests), sim.faults.take("sts:A", {})) == (
        before, recorded, sim.faults.take("sts:B", {}),
    )  # fmt: skip


def test_each_simulator_has_a_password_of_its_own(sim: Simulator) -> None:
    url = sim.account(ACCOUNT).environment()["HTTPS_PROXY"]
    password = re.findall(r"^http://simulator:([\w-]{32,})@127\.0\.0\.1:\d+$", url)
    assert password
    with Simulator() as other:
        assert password[0] not in other.account(ACCOUNT).environment()["HTTPS_PROXY"]


@pytest.fixture
def host(sim: Simulator) -> Iterator[Host]:
    try:
        with Host(sim, ACCOUNT) as host:
            yield host
    except HostUnavailableError as reason:
        miss(str(reason))


def test_a_local_user_is_not_the_hosts_user(host: Host) -> None:
    """Who has the same user id may read, trace and kill what ssm-user runs, which may sudo."""
    script = "echo $$; id -u; exec sleep infinity"
    with host.session(["sh", "-c", script]) as session:
        assert session.stdout
        session.stdout.readline()
        number = int(session.stdout.readline())
        people = Path("/etc/passwd").read_text("utf-8")
        assert f":{number}:" not in people
        assert number > 2_000_000_000
        children = f"/proc/{session.pid}/task/{session.pid}/children"
        inside = Path(children).read_text("utf-8").split()[0]
        root = f"/proc/{inside}/root/etc/codeocean"
        for user in (1000, 1001, NOBODY):
            become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--")
            tried = subprocess.run([*become, "ls", root], capture_output=True, check=False)
            assert tried.returncode == 2, tried
        same = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "--")
        subprocess.run([*same, "ls", root], check=True, stdout=subprocess.DEVNULL)  # it can fail
        session.end()


def listening() -> list[int]:
    """Return the ports of the machine's network at which this process listens."""
    files = {file.resolve().name for file in Path("/proc/self/fd").iterdir()}
    table = Path("/proc/self/net/tcp").read_text("utf-8").splitlines()[1:]
    sockets = [line.split() for line in table]
    return [
        int(columns[1].rpartition(":")[2], 16)
        for columns in sockets
        if columns[3] == "0A" and f"socket:[{columns[9]}]" in files
    ]


def test_the_hosts_network_is_out_of_reach(host: Host, sim: Simulator) -> None:
    """Metadata, application and databases listen where no local user is."""
    ask = "exec 3<>/dev/tcp/$0/$1 && echo reached"
    for address, port in (("169.254.169.254", "80"), ("127.0.0.1", str(sim.port))):
        assert host.root("bash", "-c", ask, address, port).stdout == "reached\n"
    assert listening() == [sim.port]
    networks = [Path(f"/proc/{one}/ns/net").stat() for one in (host.machine.init, "self")]
    assert networks[0].st_ino != networks[1].st_ino
    entered = nobody("nsenter", f"--net=/proc/{host.machine.init}/ns/net", "true")
    assert "Permission denied" in entered.stderr
    assert host.user_environment()["HTTPS_PROXY"] == f"http://127.0.0.1:{sim.port}"


_STAGE = """
import sys
from codeocean_cmdgen.isolation import isolated
with isolated():
    from codeocean_cmdgen.rehearsal.run import Staging
with Staging("backup") as rehearsal:
    rehearsal.stage.kinds = ("results",)
    rehearsal.prepare()
    print(rehearsal.folder, rehearsal.stage.missing.host or "all", flush=True)
    sys.stdin.read()
"""


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE")


@contextmanager
def staged(operator: Operator, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """Prepare a rehearsal in a process that is not isolated itself: what it starts must be."""
    require(OLDEST_AWS)
    own = {
        name: text
        for name, text in operator.environment.items()
        if not name.startswith("AWS_") or name in KEYS
    }
    own["TMPDIR"] = str(temporary)
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _STAGE],
        cwd=operator.folder,
        env=own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_the_world_of_a_rehearsal_learns_nothing_and_leaves_nothing_to_read(
    operator: Operator,
) -> None:
    """The servers of databases run as postgres, whoever else that is on the machine."""
    temporary = Path(tempfile.mkdtemp())
    temporary.chmod(0o755)  # as /tmp: postgres has a folder there
    try:
        with staged(operator, temporary) as process:
            assert process.stdout
            folder, missing = process.stdout.readline().rstrip("\n").split(" ", 1)
            if missing != "all":
                miss(missing)
            assert len(environments(str(operator.home))) == 1  # the operator's own process
            assert len(environments(str(temporary))) > 3  # it would have seen the others
            assert operator.marks == []
            (served,) = Path(folder).rglob("socket")
            writable = ["find", str(temporary), "-maxdepth", "1", "-user", "postgres"]
            found = subprocess.run([*writable], capture_output=True, text=True, check=True)
            assert found.stdout == ""  # root writes there, and would follow links of its user's
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert eventually(lambda: not connects(str(served)))
            assert eventually(lambda: not any(str(temporary) in one for one in command_lines()))
        left = list(temporary.iterdir())
        assert Path(folder).parent in left
        assert {stat.S_IMODE(one.stat().st_mode) & 0o007 for one in left} == {0}, left
        assert folder not in Path("/proc/mounts").read_text("utf-8")
    finally:
        subprocess.run(["rm", "-rf", temporary], check=True)


def connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_a_shell_that_evaluates_the_lines_keeps_nothing_that_redirects(
    operator: Operator, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(shell)
    monkeypatch.setattr(console, "wait_for_ever", _interrupt)
    output = io.StringIO()
    simulate(output)
    (block,) = (one for one in output.getvalue().split("\n\n") if "account 222222222222" in one)
    show = (
        f"{block}\n/usr/bin/env | grep -i -e ^AWS -e proxy -e CERT -e CA_BUNDLE -e ^BOTO -e ^HOME\n"
    )
    for bare in (False, True):
        environment = {} if bare else operator.environment
        shown = subprocess.run(
            [shell, "-c", show],
            env={"PATH": os.defpath, **environment, "AWS_ODD": "two\nAWS_LINES=1"},
            capture_output=True,
            text=True,
            check=False,
        )
        variables = dict(line.split("=", 1) for line in shown.stdout.splitlines())
        assert sorted(variables) == sorted(
            {
                *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE"),
                *("AWS_DEFAULT_REGION", *NO_AWS_SETTINGS, "HOME"),
                *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"),
            }
        ), shown
        assert variables["AWS_ACCESS_KEY_ID"] == "AKIASIML222222222222"
        home = Path(variables["HOME"])
        assert home.name == "home-222222222222"
        assert private_folder() in home.parents
        assert not home.exists()  # nor is anything of a simulated world, when it has ended
        assert CANARY not in shown.stdout
        assert shown.stderr == "" or not bare


def test_simulate_as_the_operator_runs_it(operator: Operator) -> None:
    """The command itself, in a folder that is full of traps; then the real CLI in its shell."""
    require(OLDEST_AWS)
    alias = operator.home / ".aws/cli/alias"
    alias.parent.mkdir()
    alias.write_text(f"[toplevel]\nsts = !{operator.folder}/leave-a-mark\n")
    before = sorted(operator.home.rglob("*"))
    command = [sys.executable, "-m", "codeocean_cmdgen", "simulate"]
    environment = {
        k: v for k, v in operator.environment.items() if not k.startswith(("PYTHON", "AWS_DATA"))
    }
    (operator.folder / "sitecustomize.py").unlink()  # the interpreter's own matter
    (operator.folder / "json.py").unlink()
    with subprocess.Popen(
        command, cwd=operator.folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as simulator:
        assert simulator.stdout
        text = ""
        while "# target" not in text:
            line = simulator.stdout.readline()
            assert line, text
            text += line
        block = text.partition("# backup ")[2].partition("\n\n")[0]
        keep = "mkdir ~/.codeocean-cmdgen && stat --format %a ~"
        ask = f"{OLDEST_AWS} sts get-caller-identity --query Account --output text; {keep}"
        asked = subprocess.run(
            ["bash", "-p", "-c", f"# {block}\n{ask}"],
            cwd=operator.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        simulator.terminate()
    assert asked.stdout == "222222222222\n700\n", asked
    assert "# HOME is a folder of the simulation" in block
    assert operator.marks == []
    assert sorted(operator.home.rglob("*")) == before


def test_rehearse_is_isolated(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before it imports botocore to its end, on every way out."""
    for name, text in operator.environment.items():
        monkeypatch.setenv(name, text)
    seen: list[dict[str, str]] = []

    def look(*_: object, **__: object) -> bool:
        seen.append(dict(os.environ))
        return False

    monkeypatch.setattr(simulation, "_rehearse", look)
    before = dict(os.environ)
    ended = CliRunner().invoke(app, ["rehearse", "backup"])
    assert ended.exit_code == 1, ended.output
    assert seen[0] == clean_environment(seen[0]["HOME"])
    assert CANARY not in str(seen)
    assert dict(os.environ) == before


def test_a_door_shows_no_environment_and_takes_none(operator: Operator, tmp_path: Path) -> None:
    home = tmp_path / "it's home"
    home.mkdir()
    password = "shown-to-nobody"
    shell = Shell(
        lambda _: ["bash", "-c", "pwd; env; tr '\\0' ' ' </proc/$$/cmdline"],
        {"PATH": os.defpath, "HOME": str(home), "PASSWORD": password},
        home,
    )
    door = tmp_path / "door"
    door.write_text(shell.door(), encoding="utf-8")
    door.chmod(0o700)
    opened = operator.run(str(door))
    where, *variables = opened.stdout.splitlines()
    assert where == str(home)
    assert CANARY not in opened.stdout
    assert f"PASSWORD={password}" in variables
    assert operator.marks == []
    traced = operator.run("strace", "-f", "-e", "trace=execve", "-s", "9999", str(door))
    if "execve" in traced.stderr:  # strace is not installed everywhere
        assert password not in traced.stderr


def test_a_cloudshell_begins_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the operator's current folder are not what a script imports."""
    trap = tmp_path / "current"
    trap.mkdir()
    (trap / "boto3.py").write_text("print('trapped')\n")
    monkeypatch.chdir(trap)
    programs = cloudshell_python(tmp_path / "it's programs")
    home = tmp_path / "home-1"
    home.mkdir()
    shell = Shell(
        lambda script: ["bash", "-c", script],
        {"PATH": f"{programs}:{os.defpath}", "HOME": str(home)},
        home,
    )
    ended = shell.run("python3 -c 'import boto3; print(boto3.__name__)'; pwd; echo done: it")
    assert ended.done
    assert ended.output.split("\n")[:2] == ["boto3", str(home)], ended.output


def test_the_first_aws_on_the_path_is_asked_without_the_operators_settings(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the CLI cannot be preloaded, programs called aws are asked for their version."""
    fake = operator.folder / "aws"
    check = f'[ -z "$AWS_PROFILE" ] || {operator.folder}/leave-a-mark'
    fake.write_text(f"#!/bin/sh\n{check}\necho aws-cli/2.0\n")
    fake.chmod(0o755)
    for name, text in operator.environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(operator.folder)
    folder = tmp_path / "installed"
    folder.mkdir()
    with any_aws(folder) as served:
        assert (served / "aws").resolve() == fake  # it is on the path by its full name, too
    assert operator.marks == []
    monkeypatch.setenv("PATH", ":.")
    again = tmp_path / "again"
    again.mkdir()
    with any_aws(again) as served:
        assert (served / "aws").resolve() != fake


def test_the_preloaded_cli_ends_with_the_process_that_started_it(
    operator: Operator, tmp_path: Path
) -> None:
    folder = tmp_path / "aws"
    folder.mkdir()
    with preloaded(operator, folder) as served:
        assert connects(str(served / "socket"))
    assert eventually(lambda: not connects(str(served / "socket")))


def test_who_may_not_enter_the_folder_may_not_call(tmp_path: Path) -> None:
    require(OLDEST_AWS)
    public = Path("/tmp") / f"codeocean-isolation-{os.getpid()}"
    public.mkdir(mode=0o755)
    try:
        with loaded_aws(public, OLDEST_AWS) as served:
            tried = nobody(str(served / "aws"), "--version")
            assert "aws-cli" not in tried.stdout
            own = subprocess.run([served / "aws", "--version"], capture_output=True, check=True)
            assert own.stdout.startswith(b"aws-cli/2.")
    finally:
        subprocess.run(["rm", "-rf", public], check=True)


def test_lines_are_quoted() -> None:
    assert console.export("NAME", "it's") == "export NAME='it'\"'\"'s'\n"
