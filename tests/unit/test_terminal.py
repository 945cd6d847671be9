"""Whatever comes from outside, no door lets it control the reader's terminal."""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import codeocean_cmdgen
from codeocean_cmdgen.check import RULES, Result, as_json, as_text, facts_in_file
from codeocean_cmdgen.check.facts import Unknown
from codeocean_cmdgen.check.rule import Finding, Fix, Unchecked
from codeocean_cmdgen.cli import steps as commands_of_steps
from codeocean_cmdgen.discover.caller import Caller
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, read_deployment_file
from codeocean_cmdgen.inputs.update import Fact, updated
from codeocean_cmdgen.rehearsal import report
from codeocean_cmdgen.rehearsal.proof import Comparison
from codeocean_cmdgen.rehearsal.run import Row
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.simulator.world import BACKUP, REGION, SOURCE
from codeocean_cmdgen.terminal import echo, echo_lines, echo_progress, printable
from tests.support.cli import VALUES, Outcome, options, run, toml_string

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    "\u061c",
    *"\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060",
    *"\u2066\u2067\u2068\u2069\ufeff\U000e0041\ud800\udc80",
]
"""Controls of C0 and C1, marks that reorder, end or hide text, halves of a character."""
HOSTILE = "\x1b[2J\x9b31m\u202e\u2066\ufeff\x7f\r\ndone: forged\ttab\u2028"
"""Clears the screen, reorders what follows it, and forges a line."""
IN_XML = "\x9b31m\u202e\u2066\ufeff\x7f\ndone: forged\u2028"
"""What of it an answer in XML may hold."""


def demand_clean(*texts: str) -> None:
    """Demand that only newlines are no printable characters, and that none was forged."""
    for text in texts:
        for line in text.split("\n"):
            assert line.isprintable(), ascii(line)
            assert not line.startswith(("done: forged", "error: forged"))


def demand_told(outcome: Outcome, code: int, *words: str) -> None:
    """Demand that the hostile text is told, but harmless."""
    assert outcome.code == code, outcome
    demand_clean(outcome.out, outcome.err)
    assert "done: forged" in outcome.out + outcome.err
    for word in words:
        assert word in outcome.out + outcome.err


# The door.


@pytest.mark.parametrize("character", FORBIDDEN, ids=ascii)
def test_what_controls_a_terminal_is_spelled_out(character: str) -> None:
    made = printable(f"a{character}b")
    assert made.isascii()
    assert made.isprintable()
    assert made[1] == "\\"
    assert (made[0], made[-1]) == ("a", "b")


@given(st.text(st.characters()))
def test_every_text_becomes_one_line_and_what_is_printable_stays(text: str) -> None:
    made = printable(text)
    assert made.isprintable()
    assert len(made.splitlines()) <= 1
    assert printable(made) == made
    assert made == text or not text.isprintable()


def test_letters_of_all_languages_stay() -> None:
    text = "Gr\u00fc\u00dfe, \u0441\u0435\u0440\u0432\u0435\u0440, \u30c7\u30fc\u30bf, \u05e9"
    assert printable(text) == text


@pytest.mark.parametrize("err", [True, False])
def test_only_our_newlines_end_a_line(*, err: bool) -> None:
    stream = io.StringIO()
    with redirect_stderr(stream) if err else redirect_stdout(stream):
        echo(HOSTILE, err=err)
        echo_lines(f"one\n{HOSTILE}\n".replace("\ndone", "\\ndone"), err=err)
        if err:
            echo_progress(HOSTILE, ended=True)
    demand_clean(stream.getvalue())
    assert stream.getvalue().count("\n") == (4 if err else 3)


def test_a_terminal_gets_only_our_own_sequence_for_progress() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with redirect_stderr(Terminal()) as terminal:
        echo_progress(HOSTILE, ended=False)
        echo_progress(HOSTILE, ended=True)
    one, other = terminal.getvalue().split("\r\033[K")[1:]
    demand_clean(one, other)
    assert other == f"{one}\n"


def test_what_an_encoding_has_not_is_spelled_out() -> None:
    for encoding in ("ascii", "latin-1"):
        binary = io.BytesIO()
        stream = io.TextIOWrapper(binary, encoding=encoding)
        with redirect_stdout(stream):
            echo("Gr\u00fc\u00dfe \u30c7")
        assert b"\\u30c7\n" in binary.getvalue()


ANSWERS = {"programs": {"sys.stdout.write", "sys.stdout.writelines", "sys.stderr.write"}}
"""What programs write is read by the script that holds them, which makes printable what it shows;
only s3_task shows messages itself, and makes them printable: test_terminal_escapes tries both."""
ELSEWHERE = {"simulator", "rehearsal"}
"""What these show comes from a world that this program has made itself, as in `rehearse`."""


def test_there_is_no_other_door() -> None:
    package = Path(codeocean_cmdgen.__file__).parent
    for file in package.rglob("*.py"):
        if file.name == "terminal.py" or ELSEWHERE & set(file.relative_to(package).parts):
            continue
        module = ast.parse(file.read_text(encoding="utf-8"))
        parts = [one for one in module.body if getattr(one, "name", "") != "rehearse"]
        for node in (node for part in parts for node in ast.walk(part)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                where = f"{file.name}:{node.lineno}: {called}"
                assert called not in {"print", "typer.echo", "click.echo", "typer.secho"}, where
                if called not in ANSWERS.get(file.parent.name, ()):
                    assert not called.startswith(("sys.stdout.write", "sys.stderr.write")), where
                elif called == "sys.stderr.write":
                    assert file.name == "s3_task.py", where
                assert called != "traceback.print_exc", where
                if called == "Console":  # whose text is taken, and shown by a door
                    assert any(one.arg == "file" for one in node.keywords), where


# What AWS answers.


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        example_world(simulator, objects_per_bucket=0)
        yield simulator


def discover(simulator: Simulator, account: str, *arguments: str) -> Outcome:
    own = simulator.account(account).environment()
    return run("discover", *arguments, **{**own, "AWS_DEFAULT_REGION": REGION})


def stack_of(simulator: Simulator, account: str) -> object:
    return next(one for one in simulator.cloudformation.stacks if one.account == account)


@pytest.mark.parametrize("name", ["DataVolume", "BackupVault", "AnalyticsDBInstance"])
def test_resources_with_hostile_names(simulator: Simulator, name: str, tmp_path: Path) -> None:
    stack = stack_of(simulator, SOURCE)
    stack.physical_ids[name] = f"vol-{IN_XML}"  # type: ignore[attr-defined]
    file = tmp_path / "deployment.toml"
    outcome = discover(simulator, SOURCE, "source", f"--values={file}")
    demand_told(outcome, 0, "not found: ")
    demand_clean(file.read_text())


def test_a_stack_with_a_hostile_name(simulator: Simulator, tmp_path: Path) -> None:
    stack = stack_of(simulator, SOURCE)
    simulator.cloudformation.add(
        SOURCE,
        REGION,
        f"other{IN_XML}",
        stack.template,  # type: ignore[attr-defined]
        dict(stack.parameters),  # type: ignore[attr-defined]
    )
    file = tmp_path / "deployment.toml"
    demand_told(discover(simulator, SOURCE, "source", f"--values={file}"), 1, "2 stacks")
    assert not file.exists()


def test_a_recovery_point_with_a_hostile_status(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "deployment.toml"
    assert discover(simulator, BACKUP, "backup", f"--values={file}").code == 0
    now = simulator.clock.now()
    simulator.backup.add_recovery_point(
        BACKUP, REGION, "codeocean-backup-v1", "EBS", now, status=HOSTILE
    )
    demand_told(discover(simulator, BACKUP, "recovery-points", f"--values={file}"), 2)


def test_a_hostile_message_of_aws(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the words of an error are, wherever they end up."""
    ask = Caller.ask

    def refuse(self: Caller, what: str, service: str, operation: str, **more: object) -> object:
        if service in {"iam", "autoscaling"}:
            raise DiscoveryError([Problem(f"no {what}: {HOSTILE}", f"hint {HOSTILE}")])
        return ask(self, what, service, operation, **more)

    monkeypatch.setattr(Caller, "ask", refuse)
    file = tmp_path / "deployment.toml"
    demand_told(discover(simulator, SOURCE, "source", f"--values={file}"), 0, "not found: role_arn")


def test_hostile_options_of_discover(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "deployment.toml"
    for option in ("profile", "stack-name", "region"):
        outcome = discover(
            simulator, SOURCE, "source", f"--values={file}", f"--{option}={IN_XML.strip()}"
        )
        assert outcome.code in {1, 2}
        demand_clean(outcome.out, outcome.err)


def test_the_file_that_discover_writes_holds_no_more_than_values() -> None:
    """The origin of a value is a comment, which a newline would end."""
    origin = f'{HOSTILE}\n[target]\naccount_id = "999999999999"\n'
    table = "source.secrets-save"
    for text in ('a"b\\c', "'''", '"""', "# found: elsewhere", "[target]", "\\u001b[2J"):
        new = updated("[source]\n", [Fact(table, "command", (text,), origin)])
        assert DeploymentFile("", new).tables == {"source": {}, table: {"command": (text,)}}
        assert "\n[target]" not in new
        demand_clean(new)
    for text in ("\u202e", "\x7f", "\n[target]\n", HOSTILE):
        with pytest.raises(DiscoveryError):
            updated("[source]\n", [Fact(table, "command", (text,), "stack one")])


# What is read.


def test_a_file_with_a_hostile_name_and_content(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = HOSTILE
    demand_told(run("init", name), 0, "wrote ")
    demand_told(run("init", name), 2)
    demand_told(discover(simulator, BACKUP, "backup", f"--values={name}"), 0, "done: ")
    demand_told(run("check", "restore", f"--values={name}", "--offline"), 1, "fix:")
    for content in (f"[{HOSTILE}]", f"a = {HOSTILE}", f"[source]\n{toml_string(HOSTILE)} = 1"):
        Path(name).write_text(content)
        for command in (["snapshot-copy"], ["check", "restore"], ["discover", "source"]):
            demand_told(run(*command, f"--values={name}"), 2)


@pytest.mark.parametrize("table", ["source", "backup", "target"])
@pytest.mark.parametrize("name", ["account_id", "region", "stack_name"])
def test_a_runbook_embeds_no_hostile_value(table: str, name: str, tmp_path: Path) -> None:
    """Not even one that no script of the procedure needs."""
    text = VALUES.read_text()
    start = text.index(f"{name} = ", text.index(f"[{table}]\n"))
    end = text.index("\n", start)
    for hostile in (HOSTILE, "<script>", "| a |", "`", "](x)"):
        file = tmp_path / "deployment.toml"
        file.write_text(f"{text[:start]}{name} = {toml_string(hostile)}{text[end:]}")
        for form in ("markdown", "html"):
            outcome = run("runbook", "restore", f"--values={file}", f"--format={form}")
            assert (outcome.code, outcome.out) == (2, "")
            demand_clean(outcome.err)


def test_a_folder_with_hostile_content_is_only_compared(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "runbook.md").write_text(HOSTILE)
    arguments = ["render", "backup", f"--values={VALUES}", f"--directory={there}"]
    demand_told(run(*arguments, "--check"), 1)


# What is typed.


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["check", HOSTILE],
        ["check", "restore", f"--values={HOSTILE}"],
        ["check", "restore", f"--values={VALUES}", f"--profile={HOSTILE}"],
        ["check", "restore", f"--values={VALUES}", f"--profile=source={HOSTILE}"],
        ["check", "restore", f"--values={VALUES}", f"--format={HOSTILE}"],
        ["service-stop", f"--{HOSTILE}"],
        ["service-stop", HOSTILE],
        ["service-stop", f"--region={HOSTILE}"],
        ["service-stop", f"--values={HOSTILE}"],
        ["s3-batch-replication", f"--stack-json={HOSTILE}"],
        ["s3-batch-replication", f"--from={HOSTILE}"],
        ["stack-create", f"--parameters-from={HOSTILE}"],
        [*options("service-stop"), f"--output=/{HOSTILE}/x"],
        ["runbook", "restore", f"--values={VALUES}", f"--output=/{HOSTILE}/x"],
        ["render", "restore", f"--values={VALUES}", f"--directory=/dev/null/{HOSTILE}"],
        ["iam-policy", HOSTILE],
        ["init", "/", HOSTILE],
        ["discover", HOSTILE],
        ["rehearse", "restore", f"--fault={HOSTILE}"],
    ],
    ids=ascii,
)
def test_hostile_arguments(arguments: list[str]) -> None:
    demand_told(run(*arguments), 2)


def test_hostile_words_of_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE.replace("\n", ""))

    monkeypatch.setattr(commands_of_steps, "resolve", fail)
    demand_told(run("service-stop"), 70, "this is a bug in codeocean-cmdgen")


# What a check finds.


def test_hostile_findings() -> None:
    facts = facts_in_file("restore", read_deployment_file(VALUES))
    rule = RULES[0]
    fix = Fix(f"repair {HOSTILE}", HOSTILE, HOSTILE)
    bucket = ("bucket", "of [backup]")
    findings = [
        Finding(rule, HOSTILE, fix),
        *(Finding(rule, "gone", fix, name, bucket) for name in (HOSTILE, "other")),
    ]
    refused = [Unchecked(rule, Unknown(HOSTILE, "call", name)) for name in (HOSTILE, "other")]
    result = Result(findings, refused, 1)
    lines = [one.text for one in as_text(result, facts, offline=False, width=80)]
    document = as_json(result, facts)
    demand_clean("".join(f"{one}\n" for one in lines), document)
    assert sum(one.count("forged") for one in lines) == 7
    (found, *_) = json.loads(document)["findings"]
    assert (found["what"], found["fix"]) == (HOSTILE, f"repair {HOSTILE}")


# What a rehearsal tells of scripts and of what was compared.


def test_hostile_rehearsal() -> None:
    said = f"{HOSTILE} [bold]louder[/bold]"
    row = Row("1", "a step", "a place", 1, 1, said, done=False, output=said)
    plot = SimpleNamespace(
        about="a plot",
        comparisons=[Comparison("files", 1, (said,))],
        moment=None,
        lost=None,
        served=None,
    )
    rehearsal = SimpleNamespace(
        procedure="restore",
        plot=plot,
        prepare=lambda: None,
        follow=lambda: iter([row]),
        stage=SimpleNamespace(missing=SimpleNamespace(host=said, database=said)),
        person=None,
        mishaps=(),
    )
    written = io.StringIO()
    assert not report.follow(rehearsal, Console(file=written, width=300))  # type: ignore[arg-type]
    demand_clean(written.getvalue())
    assert written.getvalue().count("[bold]louder[/bold]") == 6
