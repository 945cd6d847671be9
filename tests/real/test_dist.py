"""What is handed to people: the wheel, the single file, the README's table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tools import tables


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the single file, made by `make dist` in a copy."""
    copy = tmp_path_factory.mktemp("dist") / "copy"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    (copy / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (copy / ".venv" / "ready").touch()
    subprocess.run(["make", "dist"], cwd=copy, check=True, capture_output=True)
    return copy / "dist"


def pythons() -> list[str]:
    """Return the oldest and the newest supported Python that this machine has, and our own."""
    homes = [Path("/usr/bin"), *Path("~/.pyenv/versions").expanduser().glob("3.*/bin")]
    named = [str(home / f"python3.{minor}") for home in homes for minor in (9, 13)]
    return [sys.executable, *(path for path in named if Path(path).exists())]


@pytest.mark.parametrize("python", pythons())
def test_the_single_file_needs_nothing_but_python(dist: Path, tmp_path: Path, python: str) -> None:
    values = ROOT / "codeocean_cmdgen" / "examples" / "deployment.toml"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [python, "-I", "-S", dist / "codeocean-cmdgen.pyz", "snapshot-copy", "--values", values],
        cwd=empty,
        env={"PATH": os.environ["PATH"], "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (ROOT / "golden" / "snapshot-copy.sh").read_text()
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("python", pythons())
def test_the_single_file_makes_runbooks(dist: Path, tmp_path: Path, python: str) -> None:
    values = ROOT / "codeocean_cmdgen" / "examples" / "deployment.toml"
    command = [python, "-I", "-S", str(dist / "codeocean-cmdgen.pyz"), "render", "restore"]
    command += ["--values", str(values), "--directory", str(tmp_path)]
    subprocess.run(command, check=True)
    golden = (ROOT / "golden" / "runbook-restore.md").read_text()
    assert (tmp_path / "runbook.md").read_text() == golden
    assert "<!doctype html>" in (tmp_path / "runbook.html").read_text()


@pytest.mark.parametrize("python", pythons())
def test_the_single_file_looks_over_a_file(dist: Path, tmp_path: Path, python: str) -> None:
    """It has no boto3."""
    values = tmp_path / "deployment.toml"
    example = ROOT / "codeocean_cmdgen" / "examples" / "deployment.toml"
    values.write_text(example.read_text().replace("us-east-1::snapshot", "us-west-2::snapshot"))
    command = [python, "-I", "-S", str(dist / "codeocean-cmdgen.pyz"), "check", "restore"]
    command += ["--values", str(values), "--offline"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("error F18: ")


@pytest.mark.parametrize("python", pythons())
def test_the_single_file_verifies_a_script(dist: Path, python: str) -> None:
    script = ROOT / "golden" / "instance-hold.sh"
    command = [python, "-I", "-S", str(dist / "codeocean-cmdgen.pyz"), "verify", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "1 verified\n")
    assert f"{script}: verified\n" in done.stdout


@pytest.mark.parametrize("command", [["simulate"], ["rehearse", "restore"]])
def test_the_single_file_says_that_it_has_no_simulator(dist: Path, command: list[str]) -> None:
    argv = [sys.executable, "-I", "-S", str(dist / "codeocean-cmdgen.pyz"), *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: this installation has no simulator: codeocean_cmdgen")
    assert "pip install '.[simulator]'" in done.stderr


def test_all_take_the_same_versions() -> None:
    """Whatever the single file carries, the tests ran with."""
    runtime, development = (
        {
            line.split(" ")[0]
            for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
            if "==" in line
        }
        for name in ("runtime", "development")
    )
    assert runtime <= development


def test_the_source_archive_holds_what_its_makefile_needs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", archive, "-C", tmp_path], check=True)
    (unpacked,) = tmp_path.glob("codeocean_cmdgen-*/")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [name for name in tracked.stdout.split() if not (unpacked / name).exists()] == []


def test_the_wheel_holds_its_templates_and_programs(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    ).stdout
    for template in filter(Path.is_file, (ROOT / "templates").rglob("*")):
        assert f"codeocean_cmdgen/templates/{template.relative_to(ROOT / 'templates')}" in listed
    for program in (ROOT / "codeocean_cmdgen" / "programs").glob("*.py"):
        assert f"codeocean_cmdgen/programs/{program.name}" in listed


def test_the_documents_list_steps_and_checks() -> None:
    assert tables.main() == 0, "run `make golden`"


def test_simulate_prints_what_a_shell_needs(tmp_path: Path) -> None:
    output = tmp_path / "accounts"
    with (
        output.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "codeocean_cmdgen", "simulate"], stdout=file
        ) as simulator,
    ):
        while "# target" not in output.read_text() and simulator.poll() is None:
            pass
        block = output.read_text().partition("# backup ")[2].partition("\n\n")[0]
        ask = "aws sts get-caller-identity --query Account --output text"
        asked = subprocess.run(
            ["bash", "-c", f"# {block}\nPATH=/usr/bin:$PATH {ask}"],
            capture_output=True,
            text=True,
            check=False,
        )
        simulator.terminate()
    assert asked.stdout == "222222222222\n", asked.stderr
