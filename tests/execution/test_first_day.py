"""The first day with the program, as a person goes through it, on one file from end to end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, read_deployment_file
from codeocean_cmdgen.simulator import example_world
from codeocean_cmdgen.simulator.world import BACKUP, REGION, SOURCE, TARGET
from tests.support.cases import HOST_STEPS
from tests.support.cli import Outcome, run
from tests.support.people import writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator
    from tests.support.people import PersonOf

ACCOUNTS = {"source": SOURCE, "backup": BACKUP, "target": TARGET}
NAMED = "customer.toml"
EDITED = ("template_url", "command")
"""What the person fills in, because no `discover` finds it."""
NOT_YET = {
    "stack-create": "stack codeocean exists and is CREATE_COMPLETE",
    "volume-restore": "Run snapshot-copy first.",
    "db-restore": "Run snapshot-copy first.",
    "volume-delete": "no volume has the tags of run first",
    "db-delete": "DB instance tmp-codeocean-restore does not exist",
}
"""Step -> why even its plan stops here: the target exists, and no step was done yet."""
CHANGES_FOR_A_PLAN = {"CreateChangeSet", "DeleteChangeSet"}
"""A stack's plan is a change set, which is deleted at once."""


class FirstDay(NamedTuple):
    """Somebody in a folder of their own, with credentials of all accounts and one file.

    values: the option that names the file; empty if it has the default name.
    """

    simulator: Simulator
    person: PersonOf
    file: Path
    values: tuple[str, ...]

    def run(self, word: str, *arguments: str, code: int = 0) -> Outcome:
        """Run the program with credentials of a deployment's account; it must end with this code.

        Whatever it prints names the person's file, and no other.
        """
        own = self.simulator.account(ACCOUNTS[word]).environment()
        settings = {**own, "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": "config"}
        outcome = run(*arguments, *self.values, **settings)
        assert outcome.code == code, outcome
        self.names_the_file(outcome.out + outcome.err)
        return outcome

    def names_the_file(self, text: str) -> None:
        """Demand that every command and sentence names the person's file."""
        assert set(re.findall(r"--values ([\w.]+)", text)) <= {self.file.name, "FILE"}, text
        if self.file.name != DEPLOYMENT_FILE:
            assert DEPLOYMENT_FILE not in text

    def write_profiles(self) -> None:
        """Configure a profile for each account, named as its deployment."""
        Path("config").write_text(
            "".join(
                f"[profile {word}]\naws_secret_access_key = any\n"
                f"aws_access_key_id = {self.simulator.account(account).access_key}\n"
                for word, account in ACCOUNTS.items()
            )
        )

    def edit(self) -> None:
        """Remove the # from the lines of the values that no `discover` finds."""
        names = "|".join(EDITED)
        self.file.write_text(re.sub(rf"(?m)^#({names}) = ", r"\1 = ", self.file.read_text()))

    def discover(self) -> None:
        for word, account in ACCOUNTS.items():
            outcome = self.run(word, "discover", word)
            arn = f"arn:aws:sts::{account}:assumed-role/Operator/operator"
            assert f"caller: {arn}, account {account}, {REGION}\n" in outcome.err
            assert re.search("^done: (wrote |nothing new: )", outcome.err, re.MULTILINE)
        outcome = self.run("backup", "discover", "recovery-points", code=2)
        assert "discover recovery-points --from backup --values " in outcome.err
        self.run("backup", "discover", "recovery-points", "--choose=1")

    def check(self, procedure: str, *words: str, code: int) -> str:
        """Check the file, then the accounts of some deployments; return what was found there."""
        self.run("backup", "check", procedure, "--offline")
        profiles = [f"--profile={word}={word}" for word in words]
        outcome = self.run("backup", "check", procedure, *profiles, code=code)
        for word in words:
            account = ACCOUNTS[word]
            arn = f"arn:aws:sts::{account}:assumed-role/Operator/operator"
            stack = "codeocean-backup" if word == "backup" else "codeocean"
            told = f"{word}: caller {arn}, account {account}, {REGION}, stack {stack}\n"
            assert told in outcome.err
        assert "not checked" not in outcome.out
        return outcome.out

    def render(self, procedure: str, folder: str) -> dict[str, str]:
        """Render a procedure, and compare it in every way; return the scripts by their step."""
        for form in ("markdown", "html"):
            text = self.run("source", "runbook", procedure, f"--format={form}").out
            assert re.search(rf"here (`|<code><span>){self.file.name}", text)
        self.run("source", "render", procedure, f"--directory={folder}")
        self.run("source", "render", procedure, f"--directory={folder}", "--check")
        verified = self.run("source", "verify", folder)
        files = sorted(Path(folder).iterdir())
        assert verified.err.splitlines()[-1] == f"{len(files)} verified"
        for one in files:
            self.names_the_file(one.read_text())
        return {one.stem[3:]: one.read_text() for one in files if one.suffix == ".sh"}

    def plan(self, scripts: dict[str, str]) -> None:
        """Paste each script with PLAN=1 where it belongs.

        A host's script needs a services instance, which the execution tests of the step have.
        Here it is pasted into CloudShell, where it says so.
        """
        for step, text in scripts.items():
            self.simulator.clear_requests()
            (account,) = set(re.findall(r"(?m)^  ACCOUNT_ID=(\d+)$", text))
            outcome = self.person(account).run(text, PLAN="1")
            last = (outcome.output + outcome.errors).splitlines()[-1]
            if step in HOST_STEPS:
                assert (outcome.code, writes(self.simulator)) == (3, []), outcome
                assert last.startswith("stopped: /etc/codeocean/stack.json is missing"), outcome
                continue
            assert set(writes(self.simulator)) <= CHANGES_FOR_A_PLAN, step
            if step in NOT_YET:
                assert outcome.code == 1, outcome
                assert NOT_YET[step] in last
            else:
                assert outcome.code == 0, outcome
                assert outcome.output.splitlines()[-1].startswith(("plan: ", "done: ")), outcome


@pytest.fixture
def first_day(
    simulator: Simulator, person: PersonOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FirstDay:
    """Return somebody in the world of `simulate`."""
    example_world(simulator, objects_per_bucket=2)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return FirstDay(simulator, person, Path(NAMED), ("--values", NAMED))


def test_the_first_day_and_the_day_after_the_stack_was_updated(first_day: FirstDay) -> None:
    started = run("init", NAMED)
    assert (
        started.err == f"wrote {NAMED}; next: codeocean-cmdgen discover source --values {NAMED}\n"
    )
    first_day.write_profiles()
    first_day.edit()
    first_day.discover()
    tables = read_deployment_file(first_day.file).tables
    assert "role_arn" not in tables.get("backup.s3-batch-replication", {}), "no role before"
    # The example's target does not name its restore source: a step would fail.
    assert "S04" in first_day.check("restore", *ACCOUNTS, code=1)
    first_day.run("backup", "iam-policy", "snapshot-copy", "instance-hold")
    scripts = first_day.render("restore", "restore")
    assert "s3-batch-replication" not in scripts
    first_day.plan(scripts)

    ended = first_day.person(BACKUP).run(scripts["stack-parameters"])
    assert ended.done, ended

    first_day.discover()
    role = f"arn:aws:iam::{BACKUP}:role/codeocean-backup-S3RestoreRole-1ABC"
    tables = read_deployment_file(first_day.file).tables
    assert tables["backup.s3-batch-replication"]["role_arn"] == (role,)
    found = first_day.check("restore", *ACCOUNTS, code=1)
    assert "key" not in found.replace("vault, key and buckets", ""), "the vaults' keys are there"
    first_day.run("backup", "iam-policy", "s3-batch-replication", "--from=backup")
    scripts = first_day.render("restore", "restore")
    first_day.plan(scripts)
    assert "s3-batch-replication" in scripts


def test_the_default_file_is_found_by_every_command(first_day: FirstDay) -> None:
    default = first_day._replace(file=Path(DEPLOYMENT_FILE), values=())
    run("init")
    default.write_profiles()
    default.edit()
    default.discover()
    default.check("backup", "source", "backup", code=0)
    default.run("backup", "iam-policy", "snapshot-copy", "instance-hold")
    scripts = default.render("backup", "backup")
    step = default.run("source", "secrets-save")
    assert step.out == scripts["secrets-save"]
    assert step.err == f"note: using {DEPLOYMENT_FILE} in the current folder\n"
    assert "  # from deployment file [source]\n" in step.out
