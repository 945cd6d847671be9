"""secrets-save and secrets-restore on simulated hosts: all of it arrives, none of it shows."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import INSTANCE_ROLE_ACTIONS, HostUnavailableError
from codeocean_cmdgen.simulator.server import RoleSession
from codeocean_cmdgen.simulator.world import REGION, SOURCE, TARGET
from tests.support.people import Outcome, script
from tests.support.quick_aws import remember_the_guard
from tests.support.saved_secrets import document
from tests.support.services_host import ServicesHost
from tests.support.tools import miss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.simulator.host import Session

CANARY = "cAnArY"
"""A value, or a part of one, that must not show."""

PARAMETERS = {
    "alpha/quotes": ("SecureString", "'\"`\\ %s $HOME $(touch /run/pwned) !x *"),
    "alpha/newlines": ("String", "\n\none\n\ntwo\n"),
    "alpha/line-ends": ("SecureString", "one\r\ntwo\rthree\r\n"),
    "alpha/unicode": ("String", "\u00e9 \U0001f600 \u2028 \u0301 \ufeff"),
    "beta/file": ("String", "file:///etc/passwd"),
    "beta/url": ("String", "http://localhost:1/"),
    "beta/controls": ("SecureString", "\t\x1b[31m\x7f"),
    "gamma/list": ("StringList", "one,two,,three"),
    "gamma/4096": ("SecureString", "x" * 4096),
    "gamma/4097": ("String", "\u00e9" * 2048 + "x"),  # fewer characters than bytes
    "gamma/5000": ("SecureString", "y\n" * 2500),
    "delta/a/b/c/d.e_f-g": ("String", "deep"),
}
"""Name below the stack's path -> type and value."""


class Place(NamedTuple):
    """A deployment: its instance, and its parameters."""

    simulator: Simulator
    host: ServicesHost

    @property
    def client(self) -> Any:
        return self.simulator.account(self.host.account_id).client("ssm")

    def put(self, parameters: dict[str, tuple[str, str]]) -> None:
        for name, (kind, value) in parameters.items():
            tier = "Advanced" if len(value.encode()) > 4096 else "Standard"
            self.client.put_parameter(
                Name=f"/{self.host.stack}/{name}", Type=kind, Value=value, Tier=tier, Overwrite=True
            )

    def parameters(self) -> dict[str, tuple[str, str]]:
        path = f"/{self.host.stack}/"
        pages = self.client.get_paginator("get_parameters_by_path").paginate(
            Path=path, Recursive=True, WithDecryption=True
        )
        found = [one for page in pages for one in page["Parameters"]]
        return {one["Name"].removeprefix(path): (one["Type"], one["Value"]) for one in found}

    def delete(self, *names: str) -> None:
        for name in names:
            self.client.delete_parameter(Name=f"/{self.host.stack}/{name}")

    def text(self, step: str, **values: str) -> str:
        where = {"account_id": self.host.account_id, "stack_name": self.host.stack}
        return script(step, **{**where, **values})

    def run(self, step: str, /, **options: str) -> Outcome:
        """Run a step; upper-case options are variables of the shell."""
        values = {name: text for name, text in options.items() if name.islower()}
        settings = {name: text for name, text in options.items() if name.isupper()}
        return self.host.person().run(self.text(step, **values), **settings)

    @contextmanager
    def start(self, step: str, **settings: str) -> Iterator[Session]:
        with self.host.person().start(self.text(step), **settings) as session:
            try:
                yield session
            finally:
                session.end()

    @property
    def saved(self) -> Path:
        return self.host.path("/data/.codeocean-secrets/parameters.json")

    def save(self, parameters: dict[str, tuple[str, str]]) -> None:
        """Write what secrets-save of the source writes."""
        self.saved.parent.mkdir(mode=0o700, exist_ok=True)
        self.saved.write_text(json.dumps(document(parameters)))

    def kept(self) -> list[Path]:
        return sorted(self.host.path("/var/lib/codeocean-cmdgen").glob("secrets-restore--*"))

    def puts(self) -> list[str]:
        """Return the names that were asked to be written, since the last reset."""
        return [
            one.parameters["Name"].removeprefix(f"/{self.host.stack}/")
            for one in self.simulator.requests
            if one.operation == "PutParameter"
        ]

    def wrap(self, program: str, text: str) -> None:
        """Put a script before a program of the host."""
        file = self.host.path(f"/usr/local/sbin/{program}")
        file.parent.mkdir(exist_ok=True)
        folder = "/usr/local/bin" if program == "aws" else "/usr/bin"
        file.write_text(f'#!/bin/bash\n{text}\nexec {folder}/{program} "$@"\n')
        file.chmod(0o755)

    def reset(self) -> None:
        self.simulator.faults.clear()
        self.delete(*self.parameters())
        self.host.root(
            "bash",
            "-c",
            "rm -rf /data/.codeocean-secrets* /data/.codeocean-cmdgen/{secrets,volume}-* /run/test"
            " /dev/shm/* /usr/local/sbin/* /var/lib/codeocean-cmdgen/secrets-*;"
            " mkdir --mode=777 /run/test",
        )
        self.simulator.clear_requests()


@pytest.fixture(scope="module")
def places(aws: Path) -> Iterator[tuple[Place, Place]]:
    """Boot both hosts once: the source's is at work, the target's was stopped by service-stop."""
    try:
        with (
            Simulator() as simulator,
            ServicesHost(simulator, SOURCE, aws=aws) as source,
            ServicesHost(simulator, TARGET, aws=aws, stack="codeocean-new") as target,
        ):
            places = Place(simulator, source), Place(simulator, target)
            remember_the_guard(source)
            remember_the_guard(target)
            assert places[1].run("service-stop").done
            yield places
    except HostUnavailableError as reason:
        miss(str(reason))


@pytest.fixture
def source(places: tuple[Place, Place]) -> Place:
    places[0].reset()
    return places[0]


@pytest.fixture
def target(places: tuple[Place, Place]) -> Place:
    places[1].reset()
    return places[1]


def text_of(outcome: Outcome) -> str:
    return outcome.output + outcome.errors


# From one end to the other.


def test_every_value_arrives_as_it_was(source: Place, target: Place) -> None:
    source.put(PARAMETERS)
    saved = source.run("secrets-save")
    assert saved.done
    count = len(PARAMETERS)
    file = "/data/.codeocean-secrets/parameters.json"
    assert saved.output == f"done: {count} parameters are saved in {file}\n"
    target.saved.parent.mkdir(mode=0o700)
    target.saved.write_text(source.saved.read_text())
    target.simulator.clear_requests()
    restored = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert restored.done
    assert target.parameters() == PARAMETERS == source.parameters()
    assert sorted(target.puts()) == sorted(PARAMETERS)
    pages = target.client.get_paginator("describe_parameters").paginate()
    described = [one for page in pages for one in page["Parameters"]]
    advanced = {one["Name"] for one in described if one["Tier"] == "Advanced"}
    assert advanced == {"/codeocean-new/gamma/4097", "/codeocean-new/gamma/5000"}
    assert not target.host.path("/run/pwned").exists()


RECORDER = """
printf '%s\\n' "${0##*/}" "$@" >>/run/test/record
env >>/run/test/record"""


def watch(host: ServicesHost, stop: threading.Event, found: list[str]) -> None:
    """Look for the canary on every command line and in every environment of the host."""
    while not stop.wait(0.02):
        for group in host.machine.cgroup.rglob("cgroup.procs"):
            for process in group.read_text().split():
                for name in ("cmdline", "environ"):
                    file = Path("/proc", process, name)
                    with suppress(OSError):
                        found += [str(file)] * (CANARY.encode() in file.read_bytes())


@pytest.mark.parametrize("step", ["secrets-save", "secrets-restore"])
def test_no_value_shows_anywhere(source: Place, target: Place, step: str) -> None:
    place, word = (source, "") if step == "secrets-save" else (target, "codeocean-new")
    secrets = {name: (kind, value + CANARY) for name, (kind, value) in PARAMETERS.items()}
    place.put(secrets if place == source else {"beta/url": ("String", f"{CANARY} before")})
    if place == target:
        place.save({name: secrets[name] for name in ("beta/url", "beta/file", "gamma/5000")})
    for program in ("aws", "jq", "install", "mv", "sync", "mktemp", "sed", "grep"):
        place.wrap(program, RECORDER)
    place.host.path("/root/.aws").mkdir(exist_ok=True)
    place.host.path("/root/.aws/config").write_text("[default]\ncli_history = enabled\n")
    stop, seen = threading.Event(), list[str]()
    watcher = threading.Thread(target=watch, args=(place.host, stop, seen))
    watcher.start()
    outcome = place.run(step, CONFIRM=word)
    stop.set()
    watcher.join()
    assert outcome.done
    record = place.host.path("/run/test/record").read_text()
    assert "aws\nssm\n" in record
    assert CANARY not in text_of(outcome) + record
    assert seen == []
    folders = ["/dev/shm", "/tmp", "/var", "/data", "/home", "/run", "/root", "/etc"]
    command = ["/usr/bin/grep", "--recursive", "--files-with-matches", "--no-messages", CANARY]
    command += folders
    with place.host.popen(command, user="ssm-user", stdout=-1) as others:
        assert others.communicate()[0] == ""
    with place.host.popen(command, stdout=-1) as root:
        found = root.communicate()[0].split()
    kept = [f"/var/lib/codeocean-cmdgen/{file.name}" for file in place.kept()]
    assert len(kept) == (place == target)
    assert sorted(found) == sorted(["/data/.codeocean-secrets/parameters.json", *kept])


# secrets-save.


def test_a_save_is_for_root_only_and_says_where_it_is_from(source: Place) -> None:
    source.put({"one": ("String", "1")})
    assert source.run("secrets-save").done
    assert oct(source.saved.stat().st_mode)[-3:] == "600"
    assert oct(source.saved.parent.stat().st_mode)[-3:] == "700"
    assert source.saved.stat().st_uid == source.saved.parent.stat().st_uid == 0
    document = json.loads(source.saved.read_text())
    assert document.pop("saved").startswith("20")
    assert document == {
        "account_id": SOURCE,
        "region": REGION,
        "stack_name": "codeocean",
        "parameters": [{"Name": "/codeocean/one", "Type": "String", "Value": "1"}],
    }
    assert [file.name for file in source.saved.parent.iterdir()] == ["parameters.json"]


def test_each_paste_saves_anew_and_says_what_changed(source: Place) -> None:
    source.put({name: ("String", name) for name in ("same", "changes", "goes")})
    first = source.run("secrets-save")
    assert "3 parameters; since the last save (never): 3 new, 0 changed, 0 gone" in first.errors
    source.put({"changes": ("String", "now"), "comes": ("SecureString", "x")})
    source.delete("goes")
    second = source.run("secrets-save")
    assert second.done
    names = [line.split() for line in second.errors.splitlines() if line.startswith("  ")]
    assert names == [
        ["changed", "/codeocean/changes"],
        ["new", "/codeocean/comes"],
        ["gone", "/codeocean/goes"],
    ]
    third = source.run("secrets-save")
    assert third.done
    assert "0 new, 0 changed, 0 gone" in third.errors
    assert len(json.loads(source.saved.read_text())["parameters"]) == 3


def test_a_plan_to_save_writes_nothing(source: Place) -> None:
    source.put({"one": ("String", "1")})
    outcome = source.run("secrets-save", PLAN="1")
    assert (outcome.code, outcome.output[:5]) == (0, "plan:")
    assert not source.saved.parent.exists()


def test_nothing_does_not_replace_a_save(source: Place) -> None:
    source.put({"one": ("String", "1")})
    assert source.run("secrets-save").done
    before = source.saved.read_bytes()
    source.delete("one")
    outcome = source.run("secrets-save")
    assert outcome.code == 1
    assert "so there is nothing to save" in outcome.errors
    assert source.saved.read_bytes() == before


def test_a_save_that_cannot_be_written_leaves_the_last_one(source: Place) -> None:
    source.put({"one": ("String", "1")})
    assert source.run("secrets-save").done
    before = source.saved.read_bytes()
    source.put({"one": ("String", "2")})
    source.wrap("sync", "exit 1")
    outcome = source.run("secrets-save")
    assert outcome.code == 1
    file = "/data/.codeocean-secrets/parameters.json"
    assert f"cannot write {file}. The last save (20" in outcome.errors
    assert source.saved.read_bytes() == before
    assert [file.name for file in source.saved.parent.iterdir()] == ["parameters.json"]


def test_a_damaged_save_is_replaced(source: Place) -> None:
    source.put({"one": ("String", "1")})
    source.saved.parent.mkdir(mode=0o700)
    source.saved.write_text('{"parameters": [')
    outcome = source.run("secrets-save")
    assert outcome.done
    assert "warning: the last save is damaged" in outcome.errors


def test_a_save_of_the_source_is_not_replaced_before_it_was_restored(target: Place) -> None:
    """After volume-copy-in it lies on the target, where the daily job would overwrite it."""
    target.put({"one": ("String", "new")})
    target.save({"one": ("String", "old")})
    before = target.saved.read_bytes()
    refused = target.run("secrets-save")
    assert refused.code == 1
    assert f"holds the parameters of '{SOURCE} us-east-1 codeocean'" in refused.errors
    assert target.saved.read_bytes() == before
    assert target.run("secrets-restore", CONFIRM="codeocean-new").done
    assert target.run("secrets-save").done
    assert json.loads(target.saved.read_text())["account_id"] == TARGET


def test_the_path_is_asked_for_as_the_role_allows(source: Place) -> None:
    source.put({"one": ("String", "1")})
    slash = {"Path": "/codeocean/"}
    source.simulator.faults.add("ssm:GetParametersByPath", "access-denied", times=None, match=slash)
    assert source.run("secrets-save").done
    source.simulator.faults.add("ssm:GetParametersByPath", "access-denied", times=None)
    outcome = source.run("secrets-save")
    assert outcome.code == 1
    assert "cannot read the parameters below /codeocean/: " in outcome.errors
    assert "AccessDenied" in outcome.errors


def test_two_do_not_save_at_once(source: Place) -> None:
    source.put({"one": ("String", "1")})
    hold(source, "ssm get-parameters-by-path")
    with source.start("secrets-save") as first:
        wait_for(source.host.path("/run/test/held"))
        outcome = source.run("secrets-save")
        assert outcome.code == 1
        assert "secrets-save is running in another session" in outcome.errors
        source.host.path("/run/test/go").touch()
        assert first.communicate(timeout=60)[0].startswith("done: ")


def test_killed_before_the_save_was_whole(source: Place) -> None:
    source.put({"one": ("String", "1")})
    assert source.run("secrets-save").done
    before = source.saved.read_bytes()
    source.put({"one": ("String", "2")})
    source.wrap("sync", "touch /run/test/held; /usr/bin/sleep 60")
    with source.start("secrets-save") as process:
        wait_for(source.host.path("/run/test/held"))
        process.end()
    assert source.saved.read_bytes() == before
    source.host.path("/usr/local/sbin/sync").unlink()
    assert source.run("secrets-save").done
    assert source.saved.read_bytes() != before
    assert [file.name for file in source.saved.parent.iterdir()] == ["parameters.json"]


@pytest.mark.parametrize("step", ["secrets-save", "secrets-restore"])
def test_another_host_is_refused(source: Place, target: Place, step: str) -> None:
    other = source if step == "secrets-restore" else target
    text = (target if other == source else source).text(step)
    outcome = other.host.person().run(text, CONFIRM="codeocean-new")
    assert outcome.code == 3
    assert not other.saved.exists()
    assert "GetParametersByPath" not in {one.operation for one in other.simulator.requests}


# secrets-restore.


def hold(place: Place, words: str) -> None:
    """Stop one call of the AWS CLI until /run/test/go is there."""
    place.wrap(
        "aws",
        f"""if [[ "$*" == *"{words}"* && ! -e /run/test/held ]]; then
  touch /run/test/held
  until [[ -e /run/test/go ]]; do /usr/bin/sleep 0.05; done
fi""",
    )


def wait_for(file: Path) -> None:
    until = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < until, file
        time.sleep(0.02)


def test_only_what_differs_is_written_and_what_was_there_is_kept(target: Place) -> None:
    target.put(
        {
            "same": ("SecureString", "equal\n"),
            "differs": ("SecureString", "before\r\n"),
            "newline": ("String", "x"),
            "only-here": ("String", "stays"),
        }
    )
    target.save(
        {
            "same": ("SecureString", "equal\n"),
            "differs": ("SecureString", "after"),
            "newline": ("String", "x\n"),
            "missing": ("StringList", "a,b"),
        }
    )
    target.simulator.clear_requests()
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.done
    assert target.puts() == ["differs", "missing", "newline"]
    lines = [line.split() for line in outcome.errors.splitlines() if line.startswith("  ")]
    assert lines == [
        ["replace", "/codeocean-new/differs"],
        ["add", "/codeocean-new/missing"],
        ["replace", "/codeocean-new/newline"],
        ["stays", "/codeocean-new/only-here"],
        ["same", "/codeocean-new/same"],
    ]
    assert f"saved 2026-01-01T00:00:00+00:00 from stack codeocean of {SOURCE}" in outcome.errors
    assert target.parameters()["only-here"] == ("String", "stays")
    (kept,) = target.kept()
    assert str(kept.name) in outcome.output
    assert oct(kept.stat().st_mode)[-3:] == "600"
    assert json.loads(kept.read_text())["parameters"] == [
        {"Name": "/codeocean-new/differs", "Type": "SecureString", "Value": "before\r\n"},
        {"Name": "/codeocean-new/newline", "Type": "String", "Value": "x"},
    ]


def test_completed_it_never_writes_again_in_this_run(target: Place) -> None:
    target.save({"one": ("String", "saved")})
    assert target.run("secrets-restore", CONFIRM="codeocean-new").done
    target.put({"one": ("String", "rotated since")})
    target.simulator.clear_requests()
    again = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert again.done
    assert again.output.startswith("done: run first of secrets-restore was completed at 20")
    assert again.output.endswith(", and was not checked since\n")
    assert target.puts() == []
    assert target.parameters()["one"] == ("String", "rotated since")
    assert target.run("secrets-restore", run="second", CONFIRM="codeocean-new").done
    assert target.puts() == ["one"]


def test_what_was_replaced_can_take_the_save_s_place(target: Place) -> None:
    target.put({"one": ("SecureString", "before")})
    target.save({"one": ("SecureString", "after")})
    assert target.run("secrets-restore", CONFIRM="codeocean-new").done
    (kept,) = target.kept()
    save = target.saved.read_bytes()
    file, folder = f"/var/lib/codeocean-cmdgen/{kept.name}", "/data/.codeocean-secrets"
    target.host.root("cp", "--backup=numbered", file, f"{folder}/parameters.json")
    assert target.saved.with_name("parameters.json.~1~").read_bytes() == save, "the only one"
    assert "cp --backup=numbered" in target.text("secrets-restore").replace("\n#          ", "")
    assert target.run("secrets-restore", run="back", CONFIRM="codeocean-new").done
    assert target.parameters() == {"one": ("SecureString", "before")}


def allow(target: Place, *actions: str) -> None:
    """Let the instance's role do more than the vendor's may; without actions, no longer."""
    role = f"{target.host.stack}-ServicesInstanceRole-1ABC"
    allowed = INSTANCE_ROLE_ACTIONS | set(actions)
    session = RoleSession(target.host.account_id, role, target.host.instance_id, allowed)
    target.simulator.assume(session)


def key_of(target: Place, name: str) -> str:
    filters = [{"Key": "Name", "Values": [f"/{target.host.stack}/{name}"]}]
    (found,) = target.client.describe_parameters(ParameterFilters=filters)["Parameters"]
    return str(found["KeyId"])


def test_a_parameter_keeps_its_key(target: Place) -> None:
    """Without a key in the request, Parameter Store takes the account's default key."""
    for number in range(60):  # two pages of what describe-parameters answers
        target.put({f"a{number}": ("String", "x")})
    name = f"/{target.host.stack}/z"
    target.client.put_parameter(Name=name, Type="SecureString", Value="before", KeyId="alias/own")
    target.save({"z": ("SecureString", "after"), "added": ("SecureString", "after")})
    allow(target, "ssm:DescribeParameters")
    try:
        outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    finally:
        allow(target)
    assert outcome.done
    assert "KMS" not in outcome.errors
    assert (key_of(target, "z"), key_of(target, "added")) == ("alias/own", "alias/aws/ssm")
    assert target.parameters()["z"] == ("SecureString", "after")


def test_a_key_that_may_not_be_read_is_named_before_the_question(target: Place) -> None:
    target.put({"one": ("SecureString", "before"), "two": ("String", "before")})
    target.save({"two": ("String", "after"), "three": ("SecureString", "after")})
    assert "KMS" not in target.run("secrets-restore", PLAN="1").errors, "none is replaced"
    target.save({"one": ("SecureString", "after")})
    outcome = target.run("secrets-restore", PLAN="1")
    assert outcome.code == 0
    says = "warning: each SecureString that is replaced will have the default KMS key, aws/ssm,"
    assert f"{says} because its own key cannot be read: " in outcome.errors
    assert "AccessDenied" in outcome.errors


def test_another_volume_at_the_data_mount_is_refused(target: Place) -> None:
    """After a reboot, the restored volume may be there, with a save and records of its own."""
    host = target.host
    volume = host.volume(tags={"codeocean-cmdgen:data-volume-id": host.data_volume_id})
    device = host.attach(volume)
    host.root("mount", device, "/data")
    try:
        host.path("/data").chmod(0o700)
        target.save({"one": ("String", "of another")})
        outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    finally:
        host.root("umount", "/data")
        target.simulator.account(host.account_id).client("ec2").detach_volume(VolumeId=volume)
    assert (outcome.code, outcome.output) == (3, "")
    assert "at /data is not a volume of stack codeocean-new" in outcome.errors
    assert target.puts() == []


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"PLAN": "1"}, 0, "plan: 1 parameters would be written"),
        ({"CONFIRM": "codeocean"}, 2, "not confirmed: expected 'codeocean-new', got 'codeocean'"),
        ({}, 2, "Set CONFIRM=codeocean-new"),
    ],
)
def test_nothing_is_written_without_the_word(
    target: Place, settings: dict[str, str], code: int, says: str
) -> None:
    target.put({"one": ("String", "before")})
    target.save({"one": ("String", "after")})
    target.simulator.clear_requests()
    outcome = target.run("secrets-restore", **settings)
    assert outcome.code == code
    assert not outcome.output.startswith("done")
    assert says in text_of(outcome)
    assert "  replace /codeocean-new/one" in outcome.errors
    assert target.puts() == []
    assert target.kept() == []
    assert not list(target.host.path("/data/.codeocean-cmdgen").glob("secrets*"))


def test_nothing_to_write_needs_no_word(target: Place) -> None:
    target.put({"one": ("String", "equal")})
    target.save({"one": ("String", "equal")})
    target.simulator.clear_requests()
    assert target.run("secrets-restore").done
    assert target.puts() == []
    assert target.kept() == []


def test_killed_between_two_puts_it_goes_on(target: Place) -> None:
    target.put({"a": ("String", "before"), "b": ("String", "before"), "d": ("String", "before")})
    target.save({name: ("String", f"{name}{CANARY}") for name in "abcd"})
    target.simulator.clear_requests()
    target.wrap(
        "aws",
        """if [[ $* == *put-parameter* ]]; then
  echo >>/run/test/count
  if (($(wc -l </run/test/count) == 3)); then touch /run/test/held; /usr/bin/sleep 60; fi
fi""",
    )
    with target.start("secrets-restore", CONFIRM="codeocean-new") as one:
        wait_for(target.host.path("/run/test/held"))
        one.end()
    assert target.puts() == ["a", "b"]
    target.host.path("/usr/local/sbin/aws").unlink()
    again = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert again.done
    assert target.puts() == ["a", "b", "c", "d"]
    assert list(target.host.path("/dev/shm").iterdir()) == []
    assert target.parameters() == {name: ("String", f"{name}{CANARY}") for name in "abcd"}
    kept = [one for file in target.kept() for one in json.loads(file.read_text())["parameters"]]
    names = sorted(one["Name"] for one in kept if one["Value"] == "before")
    assert names[0] == "/codeocean-new/a"
    assert set(names) == {f"/codeocean-new/{name}" for name in "abd"}
    command = ["grep", "--recursive", "--no-messages", CANARY, "/dev/shm", "/tmp", "/var/lib"]
    with target.host.popen(command, user="ssm-user", stdout=-1) as others:
        assert others.communicate()[0] == ""


def test_a_put_whose_answer_was_cut_is_repeated(target: Place) -> None:
    target.save({"one": ("String", "x"), "two": ("String", "y")})
    target.simulator.faults.add("ssm:PutParameter", "disconnect-after")
    target.simulator.faults.add("ssm:PutParameter", "throttle", times=2)
    assert target.run("secrets-restore", CONFIRM="codeocean-new").done
    assert target.parameters() == {"one": ("String", "x"), "two": ("String", "y")}


def test_refused_in_the_middle_it_says_so_and_goes_on_later(target: Place) -> None:
    target.put(dict.fromkeys("abc", ("String", "before")))
    target.save(dict.fromkeys("abc", ("String", "after")))
    target.simulator.clear_requests()
    target.simulator.faults.add("ssm:PutParameter", "access-denied", times=None, after=1)
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    says = "cannot write /codeocean-new/b: AccessDeniedException; 1 of 3 are written. The earlier "
    assert says in outcome.errors
    assert target.puts() == ["a", "b"]
    target.simulator.faults.clear()
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.done
    assert target.puts() == ["a", "b", "b", "c"]
    first, second = sorted(target.kept(), key=lambda file: file.stat().st_mtime_ns)
    folder = "/var/lib/codeocean-cmdgen"
    says = (
        f" written. The earlier values are kept in {folder}/{first.name}, {folder}/{second.name}\n"
    )
    assert outcome.output.endswith(says)


def test_what_aws_answers_is_not_shown(target: Place) -> None:
    target.save({"one": ("String", "{{" + CANARY)})
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert "cannot write /codeocean-new/one: ValidationException;" in outcome.errors
    assert "nest" not in outcome.errors


def test_a_message_without_an_error_code_is_not_shown(target: Place) -> None:
    target.save({"one": ("String", "x")})
    message = f"Parameter validation failed: value: {CANARY}"
    target.wrap("aws", f"[[ $* != *put-parameter* ]] || {{ echo '{message}' >&2; exit 252; }}")
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert "cannot write /codeocean-new/one: no error code, " in outcome.errors
    assert CANARY not in text_of(outcome)


def test_what_changed_while_the_question_waited_is_not_overwritten(target: Place) -> None:
    target.put({"one": ("String", "before")})
    target.save({"one": ("String", "after")})
    target.wrap(
        "aws",
        """if [[ $* == *get-parameters-by-path* ]]; then
  echo >>/run/test/count
  if (($(wc -l </run/test/count) == 2)); then
    touch /run/test/held
    until [[ -e /run/test/go ]]; do /usr/bin/sleep 0.05; done
  fi
fi""",
    )
    with target.start("secrets-restore", CONFIRM="codeocean-new") as process:
        wait_for(target.host.path("/run/test/held"))
        target.put({"one": ("String", "rotated meanwhile")})
        target.simulator.clear_requests()
        target.host.path("/run/test/go").touch()
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "the parameters were changed before you confirmed; nothing was written" in errors
    assert (target.puts(), target.kept()) == ([], [])


def test_a_change_that_does_not_hold_is_not_called_done(target: Place) -> None:
    """Somebody else writes between the put and the proof."""
    target.save({"one": ("String", "x")})
    target.wrap(
        "aws",
        """if [[ $* == *put-parameter* ]]; then
  sed -i 's/"x"/"other"/' request
fi""",
    )
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert "changed /codeocean-new/one" in outcome.errors
    assert "not all parameters are as they were saved" in outcome.errors


@pytest.mark.parametrize("step", ["secrets-save", "secrets-restore"])
def test_lists_that_cannot_be_compared_are_not_called_equal(
    source: Place, target: Place, step: str
) -> None:
    place = source if step == "secrets-save" else target
    place.put({"one": ("String", "x")})
    place.save({"one": ("String", "x")})
    place.wrap("jq", '[[ $* != *"slurpfile old"* ]] || exit 5')
    outcome = place.run(step, CONFIRM=place.host.stack)
    assert outcome.code == 1
    assert "stopped: cannot compare the parameters" in outcome.errors


def test_a_type_in_the_way_is_named_before_anything_is_written(target: Place) -> None:
    target.put({"a": ("String", "x"), "b": ("String", "x")})
    target.save({"a": ("String", "y"), "b": ("SecureString", "y")})
    target.simulator.clear_requests()
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert "problem: /codeocean-new/b is a String here" in outcome.errors
    assert "--name /codeocean-new/b" in outcome.errors
    (kept,) = target.kept()
    says = "no parameter was changed. The earlier values are kept in /var/lib/codeocean-cmdgen/"
    assert f"{says}{kept.name}." in outcome.errors
    values = {one["Name"]: one["Value"] for one in json.loads(kept.read_text())["parameters"]}
    assert values == {"/codeocean-new/a": "x", "/codeocean-new/b": "x"}
    assert target.puts() == []


def test_a_plan_keeps_nothing_and_does_not_remount(target: Place) -> None:
    target.put({"b": ("String", "x")})
    target.save({"b": ("SecureString", "y")})
    target.wrap("mount", 'echo "$*" >>/run/test/mounts')
    left = target.host.path("/dev/shm/codeocean-cmdgen.999999999.abcdefghij")
    left.mkdir(mode=0o700)
    outcome = target.run("secrets-restore", PLAN="1")
    assert outcome.code == 1
    assert "Before you delete a parameter, paste the script without PLAN" in outcome.errors
    assert target.kept() == []
    assert not target.host.path("/run/test/mounts").exists()
    assert left.exists()


@pytest.mark.parametrize("step", ["secrets-save", "secrets-restore"])
def test_what_a_killed_script_left_in_memory_is_removed(
    source: Place, target: Place, step: str
) -> None:
    place = source if step == "secrets-save" else target
    place.put({"one": ("String", "x")})
    place.save({"one": ("String", "x")})
    memory = place.host.path("/dev/shm")
    left, at_work, theirs, link = (
        memory / f"codeocean-cmdgen.{name}.abcdefghij"
        for name in ("999999999", "1", "999999998", "999999997")
    )
    for folder in (left, at_work, theirs):
        folder.mkdir(mode=0o700)
        (folder / "parameters").write_text(CANARY)
    os.chown(theirs, 1001, 1001)
    link.symlink_to("/run/test")
    assert place.run(step, CONFIRM=place.host.stack).done
    assert sorted(memory.iterdir()) == sorted([at_work, theirs, link])
    assert (theirs / "parameters").exists()


def test_a_running_service_is_refused(source: Place) -> None:
    source.save({"one": ("String", "x")})
    outcome = source.run("secrets-restore", CONFIRM="codeocean")
    assert outcome.code == 1
    assert "Run service-stop first." in outcome.errors
    assert source.puts() == []


def test_a_copy_that_is_not_whole_is_refused(target: Place) -> None:
    target.save({"one": ("String", "x")})
    record = target.host.path("/data/.codeocean-cmdgen/volume-copy-in--second")
    record.parent.mkdir(mode=0o700, exist_ok=True)
    record.write_text("2026-01-01T00:00:00Z confirmed vol-1\n")
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert (
        "is not completed (2026-01-01T00:00:00Z confirmed vol-1). Paste volume-copy-in again"
        in outcome.errors
    )
    record.write_text(
        "2026-01-01T00:00:00Z confirmed vol-1\n2026-01-01T01:00:00Z completed: it is\n"
    )
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.done
    assert "no record that volume-copy-in of run first" in outcome.errors


ONE = [{"Name": "/codeocean/one", "Type": "String", "Value": CANARY}]


@pytest.mark.parametrize(
    "members",
    [
        {"parameters": []},
        {"parameters": {}},
        {"parameters": None},
        {"parameters": ONE * 2},
        {"parameters": [{**ONE[0], "Name": "/other/one"}]},
        {"parameters": [{**ONE[0], "Name": "/codeocean/\x1b[31mone"}]},
        {"parameters": [{**ONE[0], "Type": "Secret"}]},
        {"parameters": [{**ONE[0], "Value": ""}]},
        {"parameters": [{**ONE[0], "Value": [CANARY]}]},
        {"parameters": [CANARY]},
        {"stack_name": None},
        {"stack_name": "other"},
        {"stack_name": "code\nocean", "parameters": [{**ONE[0], "Name": "/code\nocean/one"}]},
    ],
)
def test_a_save_is_whole_or_it_is_not(tmp_path: Path, members: dict[str, Any]) -> None:
    text = script("secrets-restore")
    name = "is_complete_save"
    function = f"{name}() {{" + text.partition(f"{name}() {{")[2].partition("\n}\n")[0] + "\n}\n"
    file = tmp_path / "save"
    good = document({"one": ("String", "x")})
    for content, code in ((good, 0), ({**good, **members}, 1)):
        file.write_text(json.dumps(content))
        judged = subprocess.run(
            ["bash", "-c", function + f'{name} "$0" || exit 1', file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (judged.returncode, judged.stdout, judged.stderr) == (code, "", "")


def test_a_save_that_is_cut_or_missing_is_refused(target: Place) -> None:
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.code == 1
    assert "secrets-save did not run on the source" in outcome.errors
    assert "--command" in outcome.errors
    target.save({"one": ("String", CANARY), "two": ("String", CANARY)})
    text = target.saved.read_text()
    target.saved.write_text(text[:-20])
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert "parameters.json is damaged" in outcome.errors
    assert CANARY not in text_of(outcome)


def test_extra_members_of_a_saved_parameter_are_left_out(target: Place) -> None:
    target.saved.parent.mkdir(mode=0o700)
    content = {**document({}), "parameters": [{**ONE[0], "Version": 7}]}
    target.saved.write_text(json.dumps(content))
    assert target.run("secrets-restore", CONFIRM="codeocean-new").done
    assert target.parameters() == {"one": ("String", CANARY)}


# The vendor's own command.


def test_the_vendor_s_command_saves(source: Place) -> None:
    plan = source.run("secrets-save", command="touch /run/test/ran", PLAN="1")
    assert plan.output.startswith("plan: ")
    assert not source.host.path("/run/test/ran").exists()
    outcome = source.run("secrets-save", command="echo said; touch /run/test/ran")
    assert outcome.done
    assert "| said\n" in outcome.errors
    assert source.host.path("/run/test/ran").exists()
    assert not source.saved.exists()
    failed = source.run("secrets-save", command="printf 'done: no'; /usr/bin/sleep 60 & exit 7")
    assert failed.code == 1
    assert "| done: no\nstopped: the vendor's command ended with exit code 7" in failed.errors


def test_the_vendor_s_command_has_the_umask_and_environment_of_the_session(source: Place) -> None:
    command = "umask >/run/test/umask; env --null >/run/test/env"
    assert source.run("secrets-save", command=command).done
    assert source.host.path("/run/test/umask").read_text() == "0022\n"
    text = source.host.path("/run/test/env").read_text()
    variables = dict(one.split("=", 1) for one in text.split("\0")[:-1])
    assert variables["HOME"] == "/root"
    assert "/usr/bin" in variables["PATH"].split(":")
    ours = {"TZ", "LC_ALL", "TMPDIR", "codeocean_cmdgen", "AWS_PAGER", "AWS_RETRY_MODE"}
    ours |= {"AWS_DEFAULT_OUTPUT", "AWS_MAX_ATTEMPTS", "AWS_CLI_HISTORY_FILE"}
    assert ours & {*variables} == set()
    assert "AWS_CA_BUNDLE" in variables, "the session's own"


def test_the_vendor_s_command_restores_once(target: Place) -> None:
    """A program that it leaves running does not keep the lock."""
    command = '/usr/bin/sleep 60 & echo "$PWD $HOME" >>/run/test/ran; test -e /run/test/works'
    plan = target.run("secrets-restore", command=command, PLAN="1")
    assert plan.output.startswith("plan: ")
    assert target.run("secrets-restore", command=command).code == 2
    assert not target.host.path("/run/test/ran").exists()
    failed = target.run("secrets-restore", command=command, CONFIRM="codeocean-new")
    assert failed.code == 1
    assert "ended with exit code 1" in failed.errors
    target.host.path("/run/test/works").touch()
    outcome = target.run("secrets-restore", command=command, CONFIRM="codeocean-new")
    assert outcome.done
    assert "this run has started a command before" in outcome.errors
    assert target.run("secrets-restore", command=command).done
    assert target.host.path("/run/test/ran").read_text() == "/ /root\n" * 2
    assert target.puts() == []
    other = target.run("secrets-restore", command="true", CONFIRM="codeocean-new")
    assert other.code == 1
    assert f"completed: the command was run: {command})" in other.errors
    target.save({"one": ("String", "x")})
    from_save = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert (from_save.code, target.puts()) == (1, [])
    assert "was completed in another way (20" in from_save.errors
    assert "with a new --run" in from_save.errors


def test_a_command_that_outlives_its_script_is_not_started_again(target: Place) -> None:
    command = (
        "echo >>/run/test/ran; [[ -e /run/test/killed ]] && exit; touch /run/test/killed;"
        " kill -KILL $PPID; pkill -KILL tail;"
        " until [[ -e /run/test/go ]]; do /usr/bin/sleep 0.1; done"
    )
    killed = target.run("secrets-restore", command=command, CONFIRM="codeocean-new")
    assert killed.code not in (0, 1)
    again = target.run("secrets-restore", command=command, CONFIRM="codeocean-new")
    assert again.code == 1
    assert "the command that was started at 20" in again.errors
    assert "still runs. To see its processes: sudo fuser --verbose /var/lib/" in again.errors
    assert target.host.path("/run/test/ran").read_text() == "\n"
    target.host.path("/run/test/go").touch()
    time.sleep(1)
    assert target.run("secrets-restore", command=command, CONFIRM="codeocean-new").done
    assert target.host.path("/run/test/ran").read_text() == "\n\n"


def test_the_target_s_own_save_is_not_taken_for_the_source_s(target: Place) -> None:
    """Without a copy, the save on the data volume is what the target itself has saved."""
    target.put({"one": ("String", "own")})
    assert target.run("secrets-save").done
    refused = target.run("secrets-restore")
    assert (refused.code, refused.output) == (2, "")
    assert "warning: the save is of this stack itself, codeocean-new" in refused.errors
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert outcome.done
    assert "This does not complete run first: no save of the source was restored" in outcome.output
    assert not target.host.path("/data/.codeocean-cmdgen/secrets-restore--first").exists()
    record = target.host.path("/data/.codeocean-cmdgen/volume-copy-in--first")
    record.parent.mkdir(mode=0o700, exist_ok=True)
    record.write_text("2026-01-01T01:00:00Z completed: it is\n")
    assert target.run("secrets-restore").done
    assert target.host.path("/data/.codeocean-cmdgen/secrets-restore--first").exists()


# What somebody else planted.


@pytest.mark.parametrize("kind", ["folder", "open folder", "link to cron.d", "link", "pipe"])
@pytest.mark.parametrize("step", ["secrets-save", "secrets-restore"])
def test_a_folder_that_somebody_else_made_is_refused(
    source: Place, target: Place, step: str, kind: str
) -> None:
    place = source if step == "secrets-save" else target
    place.put({"one": ("String", CANARY)})
    folder = place.saved.parent
    if kind in ("folder", "open folder"):
        place.save({"one": ("String", "forged")})
        folder.chmod(0o777 if kind == "open folder" else 0o755)
        if kind == "folder":
            os.chown(folder, 1001, 1001)
    elif kind == "pipe":
        os.mkfifo(folder, 0o700)
    else:
        forged = json.dumps(document({"one": ("String", "forged")}))
        place.host.path("/run/test/parameters.json").write_text(forged)
        folder.symlink_to("/etc/cron.d" if kind == "link to cron.d" else "/run/test")
    cron = sorted(place.host.path("/etc/cron.d").iterdir())
    place.simulator.clear_requests()
    for settings in ({"PLAN": "1"}, {"CONFIRM": place.host.stack}):
        outcome = place.run(step, **settings)
        assert (outcome.code, outcome.output) == (1, "")
        line = outcome.errors.splitlines()[-1]
        assert line.startswith("stopped: /data/.codeocean-secrets is a ")
        assert "sudo mv --no-target-directory --backup=numbered /data/.codeocean-secrets " in line
    assert place.puts() == []
    assert "GetParametersByPath" not in {one.operation for one in place.simulator.requests}
    assert sorted(place.host.path("/etc/cron.d").iterdir()) == cron
    if kind != "pipe":
        assert all(CANARY not in file.read_text() for file in folder.glob("param*"))
    if place == source:
        place.host.root("bash", "-c", line.partition("move it aside: ")[2])
        assert source.run("secrets-save").done


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
@pytest.mark.parametrize("name", ["parameters.json", "parameters.json.new"])
def test_a_file_that_somebody_else_planted_is_refused(source: Place, name: str, kind: str) -> None:
    """The folder may have been theirs before somebody made it root's."""
    source.put({"one": ("String", CANARY)})
    folder, theirs = source.saved.parent, source.host.path("/data/theirs")
    folder.mkdir(mode=0o700)
    theirs.write_text("theirs")
    if kind == "link":
        (folder / name).symlink_to("/etc/cron.d/owned")
    elif kind == "hard link":
        (folder / name).hardlink_to(theirs)
    else:
        os.mkfifo(folder / name, 0o600)
    outcome = source.run("secrets-save")
    theirs_now = theirs.read_text()
    theirs.unlink()
    assert (outcome.code, outcome.output) == (1, "")
    assert f"stopped: /data/.codeocean-secrets/{name} is a " in outcome.errors
    assert theirs_now == "theirs"
    assert not source.host.path("/etc/cron.d/owned").exists()


def test_a_save_is_never_written_to_a_file_that_was_there(source: Place) -> None:
    """Somebody may still hold a file open that became root's."""
    source.put({"one": ("String", CANARY)})
    folder = source.saved.parent
    folder.mkdir(mode=0o700)
    left = folder / "parameters.json.new"
    left.write_text("left by a kill")
    source.saved.write_text("{}")
    with left.open(encoding="utf-8") as new, source.saved.open(encoding="utf-8") as old:
        assert source.run("secrets-save").done
        assert CANARY not in new.read() + old.read()
    assert CANARY in source.saved.read_text()


def test_a_save_whose_folder_came_with_another_owner_is_not_restored(target: Place) -> None:
    """Whoever can write on the source's data volume could choose the target's secrets."""
    target.save({"one": ("String", "forged")})
    user = target.host.path("/home/ssm-user").stat().st_uid
    os.chown(target.saved, user, user)
    target.simulator.clear_requests()
    outcome = target.run("secrets-restore", CONFIRM="codeocean-new")
    assert (outcome.code, target.puts()) == (1, [])
    assert f"parameters.json is a regular file of user ssm-user ({user})" in outcome.errors
