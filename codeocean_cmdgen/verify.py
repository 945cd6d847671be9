"""What was reviewed is what runs: read the values of a script, render it again, and compare.

No shell reads the script. Only what the quoter prints counts as a value, and it must be a value of
its kind. All the rest is compared byte by byte with what this release prints of these values. So a
reviewer reads the texts of a release once, and afterwards only values.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from codeocean_cmdgen import folder
from codeocean_cmdgen.arguments import KNOWN, flag
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import is_same, read_input
from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, read_deployment_file
from codeocean_cmdgen.inputs.resolve import Given, checked
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rendering.documents import render_page, render_runbook
from codeocean_cmdgen.rendering.paste import (
    END,
    END_OF_PART,
    END_OF_SHARED,
    MAX_BYTES,
    MOST_PARTS,
    PART_FILE,
    SHARED_FILE,
    checked_digest,
    framed,
    joined,
    pasted,
    shared_paste,
)
from codeocean_cmdgen.rendering.script import BY_DEFAULT, MADE, TEXT_DIGEST, render, text_digest
from codeocean_cmdgen.runbook import make
from codeocean_cmdgen.steps import BY_NAME, Step
from codeocean_cmdgen.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile

VERIFIED = "verified"
DIFFERS = "differs"
OTHER_RELEASE = "of another release"
NOT_COMPARED = "not compared"
_WORDS = (VERIFIED, DIFFERS, OTHER_RELEASE, NOT_COMPARED)

_MOST_DIFFERENCES = 10
"""Differing lines that are shown of a file."""


class Difference(NamedTuple):
    """A place at which a file is not as it should be.

    message: what is wrong, in words; empty if expected and found say it.
    line: its number, from 1; 0 if it is the file as a whole.
    """

    message: str
    line: int = 0
    expected: str = ""
    found: str = ""


class Row(NamedTuple):
    """A value as a reviewer judges it: its option, its text, and where it came from.

    The text is quoted as for a shell: blanks in it look like nothing else.
    """

    option: str
    text: str
    origin: str


class Script:
    """What a script was made from: the step, and the origin of each value by field name."""

    def __init__(self, step: Step, origins: Mapping[str, str]) -> None:
        self.step = step
        self.origins = origins

    @property
    def rows(self) -> list[Row]:
        """The values, a row for each text of a value."""
        variables = self.step.variant().variables()
        found = []
        for name, origin in self.origins.items():
            value = getattr(self.step, name) or variables.get(name) or ()
            told = BY_DEFAULT if origin == "default" else f"from {origin}"
            texts = value if isinstance(value, tuple) else (str(value),)
            words = [shlex.quote(text) for text in texts]
            found += [Row(flag(name), word, told) for word in words or ("(none)",)]
        return found

    def __eq__(self, other: object) -> bool:
        """Compare what the scripts are made from."""
        if not isinstance(other, Script):
            return NotImplemented
        return type(other.step) is type(self.step) and other.rows == self.rows

    def __hash__(self) -> int:
        """Agree with the comparison."""
        return hash((type(self.step), *self.rows))


class Verdict(NamedTuple):
    """The result for a file.

    digest: SHA-256 of its bytes. scripts: those whose values could be read.
    note: what was not verified.
    """

    name: str
    word: str
    digest: str = ""
    scripts: tuple[Script, ...] = ()
    differences: tuple[Difference, ...] = ()
    note: str = ""


class _UnreadableError(Exception):
    """A text has no values that could be read, because of a difference."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.message)
        self.difference = difference


# Reading values.


def unquoted(word: str) -> str:
    """Return the text that the quoter printed as this word.

    Raises:
        ValueError: the quoter prints no text so.

    """
    text = word[1:-1].replace("'\"'\"'", "'") if word.startswith("'") else word
    if not (text.isascii() and text.isprintable() and shlex.quote(text) == word):
        message = "this is not quoted as in a script of codeocean-cmdgen"
        raise ValueError(message)
    return text


_NAMES = (
    re.compile(r"^# codeocean-cmdgen ([a-z0-9-]+): ", re.MULTILINE),
    re.compile(r"^ +codeocean_cmdgen=main bash .* ([a-z0-9-]+) \\$", re.MULTILINE),
)
"""Where the name of its step stands in a script: in the header, and in the wrapper."""
_BLOCK = re.compile(r"^values\(\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_ORIGIN = re.compile(
    r"from (option|environment [A-Z0-9_]+|stack\.json|procedure|answer on the terminal"
    r"|deployment file \[[a-z0-9.-]+\](?:, (?:\[[a-z]+\]|to_host))?)"
)
"""What the values block names as origins: a claim, which nothing proves."""
_NOT_GIVEN = {"  # the step", f"  # {BY_DEFAULT}"}
"""What stands above values that nobody gave."""
_OPTION = re.compile(r"--([a-z0-9-]+) (.*)")
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)


def read(text: str, first_line: int = 1) -> Script:
    """Return what the script in a text was made from, as its values block says.

    first_line: the number of the text's first line.

    Raises:
        _UnreadableError: there is no script, or no script has such values.

    """
    names, block = _step_names(text), _BLOCK.search(text)
    if not names:
        raise _UnreadableError(Difference("this is not a script of codeocean-cmdgen"))
    if block is None:
        line = first_line + text.count("\n", 0, _end_of_header(text))
        raise _UnreadableError(
            Difference("expected the values block here: its first or last line is damaged", line)
        )
    step = next((BY_NAME[name] for name in names if name in BY_NAME), None)
    if step is None:
        raise _UnreadableError(Difference(f"this release has no step {shown(names[0])}"))
    line = first_line + text.count("\n", 0, block.start())
    given = _Values(step, line + 1).read(block[1].split("\n")[:-1])
    try:
        made = checked(step, given)
    except InputError as error:
        message = "; ".join(problem.message for problem in error.problems)
        raise _UnreadableError(Difference(message, line)) from error
    return Script(*made)


def _end_of_header(text: str) -> int:
    """Return where the values block of a script should begin."""
    begin = re.search(r"^.?values\(\) \{", text, re.MULTILINE)
    blank = text.find("\n\n", text.find("# codeocean-cmdgen "))
    return begin.start() if begin else max(blank, 0) + 2


def _step_names(text: str) -> list[str]:
    """Return what a script calls its step, wherever it does."""
    return [found[1] for pattern in _NAMES if (found := pattern.search(text))]


class _Values:
    """Reads the lines of a values block; what is no value is left to the comparison."""

    def __init__(self, step: type[Step], first_line: int) -> None:
        self._fields = step.arguments()
        self._line = first_line
        self._origin = ""
        self._open = ""
        self._assigned: dict[str, Given] = {}
        self._options: dict[str, Given] = {}

    def read(self, lines: Iterable[str]) -> dict[str, Given]:
        """Return the texts of the values by field name; an option says more than a variable."""
        for number, line in enumerate(lines, self._line):
            if line == f"  # {MADE}":
                break
            try:
                self._read(line)
            except ValueError as error:
                raise _UnreadableError(Difference(str(error), number, "", line)) from error
        return {**self._assigned, **self._options}

    def _read(self, line: str) -> None:
        if self._open:
            self._read_word(line)
        elif line.startswith("  # --"):
            self._read_option(line[len("  # ") :])
        elif line.startswith("  # from "):
            origin = _ORIGIN.fullmatch(line[len("  # ") :])
            if origin is None:
                message = "no value can have this origin"
                raise ValueError(message)
            self._origin = origin[1]
        elif line in _NOT_GIVEN or line.startswith(f"  # {TEXT_DIGEST}"):
            self._origin = ""
        else:
            self._read_assignment(line.removeprefix("  "))

    def _read_word(self, line: str) -> None:
        """Read what follows the line that begins an array."""
        if line == "  )":
            if self._origin and not self._assigned.get(self._open):
                message = f"{self._open.upper()} has no value"
                raise ValueError(message)
            self._open = ""
        else:
            self._add(self._assigned, self._open, line.removeprefix("    "))

    def _read_option(self, text: str) -> None:
        option = _OPTION.fullmatch(text)
        if option is None:
            message = "this is not an option with a value"
            raise ValueError(message)
        self._add(self._options, option[1].replace("-", "_"), option[2])

    def _read_assignment(self, text: str) -> None:
        assignment = _ASSIGNMENT.fullmatch(text)
        if assignment is None:
            message = "this is neither a value nor the origin of one"
            raise ValueError(message)
        name = assignment[1].lower()
        if assignment[2] == "()" and not self._origin:
            return
        if assignment[2] == "(":
            self._demand_field(name)
            self._open = name
        else:
            self._add(self._assigned, name, assignment[2])

    def _add(self, values: dict[str, Given], name: str, word: str) -> None:
        """Add a text to a value; what is so by default, or is no value, is not given."""
        text = unquoted(word)
        if not self._origin:
            return
        self._demand_field(name)
        reason = KNOWN[name].kind.why_not(text)
        if reason:
            raise ValueError(reason)
        before = values[name].texts if name in values else ()
        values[name] = Given((*before, text), self._origin)

    def _demand_field(self, name: str) -> None:
        """Refuse a name that the step does not have, unless its value counts for nothing."""
        if self._origin and name not in self._fields:
            message = f"{shown(name)} is not a value of this step"
            raise ValueError(message)


# Comparing.

_END_OF_SCRIPT = re.compile(rf"^{re.escape(END)}\n\)[^\n]*\n?", re.MULTILINE)


def of_text(name: str, content: bytes) -> Verdict:
    """Verify a script, or several that are joined to one paste."""
    text = content.decode("latin-1")  # each byte is a character: none is lost, none is changed
    verdict = Verdict(name, DIFFERS, hashlib.sha256(content).hexdigest())
    if text == shared_paste():
        return verdict._replace(
            word=VERIFIED,
            note="the shared part of all scripts on a services instance; it has no values",
        )
    objection = _objection(text)
    if objection:
        return verdict._replace(differences=(objection,))
    pieces = _pieces(text)
    tried = [_try_to_read(piece, first_line) for first_line, piece in pieces]
    scripts = tuple(one for one in tried if isinstance(one, Script))
    differences = [one for one in tried if isinstance(one, Difference)]
    verdict = verdict._replace(scripts=scripts)
    if not differences:
        try:
            expected = _expected(scripts, text)
        except InputError as error:  # a script that is too large
            differences = [Difference(problem.message) for problem in error.problems]
        else:
            if expected.encode("ascii") == content:
                return verdict._replace(word=VERIFIED)
            differences = list(_differences(expected, text))
    others = [other for _, piece in pieces if (other := _other_release(piece))]
    if others:
        return verdict._replace(word=OTHER_RELEASE, scripts=(), differences=tuple(others))
    return verdict._replace(differences=tuple(differences))


def _try_to_read(piece: str, first_line: int) -> Script | Difference:
    try:
        return read(piece, first_line)
    except _UnreadableError as error:
        return error.difference


def _objection(text: str) -> Optional[Difference]:
    """Return what makes it useless to read any further."""
    if len(text) > _LONGEST_SCRIPT:
        return Difference(f"it is longer than a script can be: {len(text):,} bytes")
    lines = text.split("\n")
    returns = [number for number, line in enumerate(lines, 1) if "\r" in line]
    if returns:
        message = f"{len(returns)} of {len(lines) - 1} lines have a carriage return (CR LF)"
        return Difference(f"{message}: expected only LF", returns[0])
    if _END_OF_PART.fullmatch("\n".join(lines[-2:])) or (
        PART_FILE in text and not _NAMES[0].search(text)
    ):
        return Difference("this is only a part of a script: verify all its parts in one text")
    return None


_END_OF_PART = re.compile(END_OF_PART.format(r"\d", r"\d", r"\d") + "\n")
_LONGEST_SCRIPT = MOST_PARTS * MAX_BYTES
"""Bytes of the longest script, one of several parts; joined scripts fit into one paste."""


def _pieces(text: str) -> list[tuple[int, str]]:
    """Return each script in a text, with the number of its first line."""
    ends = [end.end() for end in _END_OF_SCRIPT.finditer(text)]
    cuts = [0, *ends, len(text)]
    pieces = [
        (text.count("\n", 0, begin) + 1, text[begin:end]) for begin, end in zip(cuts, cuts[1:])
    ]
    # Behind the last script there is nothing; if there is, the comparison names it.
    return pieces[:-1] if ends else pieces


def _expected(scripts: Iterable[Script], text: str) -> str:
    """Return what this release makes of the values: a script, or several joined to one paste."""
    rendered = [render(script.step, script.origins) for script in scripts]
    if SHARED_FILE not in text:
        return joined(rendered)
    shared = shared_paste() if END_OF_SHARED in text else ""
    return shared + joined("".join(pasted(script, "host")) for script in rendered)


_TEXT_DIGEST = re.compile(rf"^  # {TEXT_DIGEST}([0-9a-f]{{64}})$", re.MULTILINE)


def _other_release(piece: str) -> Optional[Difference]:
    """Return the text digest that a script names if it is whole and this release prints none such.

    Whole: its wrapper has the digest of what is in it, as no script has that was changed by chance.
    """
    names, digest = _step_names(piece), _TEXT_DIGEST.search(piece)
    if not names or digest is None:
        return None
    # What is pasted without the shared part cannot be proved to be whole.
    whole = hashlib.sha256(framed(piece).encode("latin-1")).hexdigest()
    if f"\n    {checked_digest(whole)})\n" not in piece and SHARED_FILE not in piece:
        return None
    step = BY_NAME.get(names[0])
    if step and digest[1] in {text_digest(one) for one in (step, *step.__subclasses__())}:
        return None
    return Difference(
        f"this release has another text for {names[0]}, not the one with SHA-256 {digest[1]}: "
        f"verify it with the release that rendered it; `git log -S {digest[1]} -- golden` finds it"
    )


def _differences(expected: str, found: str) -> Iterator[Difference]:
    """Yield the lines that differ, the first ones of many; line by line only if none was lost."""
    if expected == f"{found}\n":
        yield Difference("the newline at its end is missing", found.count("\n") + 1)
        return
    old, new = expected.split("\n"), found.split("\n")
    different = [
        (number, *lines) for number, lines in enumerate(zip(old, new), 1) if lines[0] != lines[1]
    ]
    if len(old) != len(new):
        number = different[0][0] if different else min(len(old), len(new))
        before = old[number - 1] if number < len(old) else "the end of the text"
        after = new[number - 1] if number < len(new) else "the end of the text"
        yield Difference("", number, before, after)
        yield Difference(f"{len(new) - 1} lines, expected {len(old) - 1}")
        return
    if all(_DIGEST_LINE.fullmatch(line) for _, line, _ in different):
        message = "this digest does not match the text: the digest or a value was changed"
        yield from (Difference(message, *one) for one in different)
        return
    yield from (Difference("", *one) for one in different[:_MOST_DIFFERENCES])
    if len(different) > _MOST_DIFFERENCES:
        yield Difference(f"{len(different) - _MOST_DIFFERENCES} more lines differ")


_DIGEST_LINE = re.compile(" {4}[0-9a-f]{64}" + re.escape(checked_digest("")) + r"\)")

# Files and folders.


FindFile = Callable[[], "Optional[DeploymentFile]"]
"""Returns the deployment file that runbooks were made from, or None. Asked only if there is one."""


def _no_file() -> None:
    return None


def of_file(name: str, content: bytes, find_file: FindFile = _no_file) -> Verdict:
    """Verify a file: a script, a paste of several, or a runbook.

    find_file: finds what a runbook was made from. Without it, a runbook is not compared.

    Raises:
        InputError: no runbook can be made from the deployment file.

    """
    # A shell would run a runbook's scripts, and whatever stands between backticks.
    if not name.endswith(".sh") and re.match(rb"# Runbook: |<!doctype html>\n", content):
        return _of_runbook(name, content, find_file)
    verdict = of_text(name, content)
    ours = folder.OURS.fullmatch(name.rpartition("/")[2])
    steps = {script.step.name for script in verdict.scripts}
    if ours and verdict.word == VERIFIED and steps != {ours[1]}:
        message = f"this is a script of {', '.join(sorted(steps))}, not of {ours[1]}"
        return verdict._replace(word=DIFFERS, differences=(Difference(message),))
    return verdict


_PROCEDURE = re.compile(
    rb'\A(?:# Runbook: |<!doctype html>\n.{,200}?data-procedure=")([a-z]+)', re.DOTALL
)


def _of_runbook(name: str, content: bytes, find_file: FindFile) -> Verdict:
    """Verify a runbook, whose words and buttons decide on what is pasted as its scripts do."""
    digest = hashlib.sha256(content).hexdigest()
    verdict = Verdict(name, NOT_COMPARED, digest, note=_COMPARE)
    deployment_file = find_file()
    if deployment_file is None:
        return verdict
    found = _PROCEDURE.search(content)
    procedure = found[1].decode("ascii") if found else ""
    if procedure not in PROCEDURES:
        message = "this runbook names no procedure of this release"
        return verdict._replace(word=DIFFERS, differences=(Difference(message),), note="")
    form = render_page if content.startswith(b"<!doctype html>") else render_runbook
    expected = form(make(procedure, deployment_file))
    if expected.encode("ascii") == content:
        return verdict._replace(word=VERIFIED, note="")
    different = tuple(_differences(expected, content.decode("latin-1")))
    return verdict._replace(word=DIFFERS, differences=different, note="")


_COMPARE = "to compare it, name the deployment file that it was generated from: --values FILE"


def of_folder(
    directory: Path, values: Optional[str] = None, find_file: FindFile = _no_file
) -> list[Verdict]:
    """Verify a folder that `render` wrote: scripts, list, modes, and what else is there.

    values: the deployment file that was named, which may be in the folder. If none was named, but
    the folder has one, that is what its runbooks are compared with.
    find_file: as in of_file.

    Raises:
        OSError: something in it cannot be read.
        InputError: no runbook can be made from the deployment file.

    """
    inside = directory / DEPLOYMENT_FILE
    if values is None and inside.is_file() and not inside.is_symlink():
        find_file = partial(read_deployment_file, inside)
    ours: dict[str, bytes] = {}
    verdicts = []
    for path in sorted(directory.iterdir()):
        is_input = path.name == DEPLOYMENT_FILE or (values and is_same(path, Path(values)))
        if is_input or path.name in folder.VERSION_CONTROL:
            continue
        if path.is_symlink() or not path.is_file():
            verdicts.append(_differs(path, "it is not a regular file"))
        elif folder.OURS.fullmatch(path.name):
            ours[path.name] = read_input(path, MOST_BYTES)
            verdict = of_file(str(path), ours[path.name], find_file)
            verdicts.append(_with_mode(path, verdict))
        elif path.name != folder.LIST:
            verdicts.append(_differs(path, f"unknown file: {folder.REMOVE}"))
    sums = directory / folder.LIST
    if sums.is_file() and not sums.is_symlink():
        content = read_input(sums, MOST_BYTES)
        verdicts.append(_with_mode(sums, _of_list(str(sums), content, ours)))
    return verdicts


def _of_list(name: str, content: bytes, files: Mapping[str, bytes]) -> Verdict:
    """Verify the list of a folder: it has the digest of each file of ours, and no other line."""
    expected = folder.list_of(files)
    digest = hashlib.sha256(content).hexdigest()
    if expected.encode("ascii") == content:
        return Verdict(name, VERIFIED, digest)
    different = _differences(expected, content.decode("latin-1"))
    return Verdict(name, DIFFERS, digest, differences=tuple(different))


def _with_mode(path: Path, verdict: Verdict) -> Verdict:
    """Return the verdict on a file in a folder, whose mode counts too."""
    wrong = folder.wrong_mode(path)
    if not wrong:
        return verdict
    differences = (*verdict.differences, Difference(f"it {wrong}"))
    return verdict._replace(word=DIFFERS, differences=differences)


def _differs(path: Path, message: str) -> Verdict:
    return Verdict(str(path), DIFFERS, differences=(Difference(message),))


# Output.


def as_text(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts for people: what differs, then the values to judge."""
    lines: list[str] = []
    for verdict in verdicts:
        lines.append(f"{printable(verdict.name)}: {verdict.word}")
        if verdict.digest:
            lines.append(f"  sha256 {verdict.digest}")
        lines += [f"  {_in_words(difference)}" for difference in verdict.differences]
        if verdict.note:
            lines.append(f"  {verdict.note}")
        for script in verdict.scripts:
            step = script.step.variant()
            unsure = "" if verdict.word == VERIFIED else " (not verified)"
            lines.append(f"  {step.name}: {step.title}{unsure}")
            lines += _table(script.rows)
        lines.append("")
    return "\n".join(lines)


_WIDEST = 72
"""Characters of the widest column: one long value moves only what is on its own line."""


def _table(found: list[Row]) -> list[str]:
    widths = [min(_WIDEST, max(len(row[column]) for row in found)) for column in (0, 1)]
    return [
        f"    {option.ljust(widths[0])}  {text.ljust(widths[1])}  {origin}"
        for option, text, origin in found
    ]


def _in_words(difference: Difference) -> str:
    """Say what differs in one line; both texts are cut to where they differ."""
    message, line, expected, found = difference
    told = f"line {line}: " if line else ""
    if message:
        return f"{told}{message}" + (f": {shown(found)}" if found else "")
    column = next(
        (place for place, (one, other) in enumerate(zip(expected, found)) if one != other),
        min(len(expected), len(found)),
    )
    begin = column - _BEFORE if column > _LONG else 0
    texts = [("..." if begin else "") + text[begin:] for text in (expected, found)]
    return f"{told}expected {shown(texts[0])}, found {shown(texts[1])}"


_LONG, _BEFORE = 80, 20
"""Where a difference begins that a cut line would not show, and what is shown before it."""


def as_json(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts for programs."""
    document = [
        {
            "name": verdict.name,
            "verdict": verdict.word,
            "note": verdict.note or None,
            "sha256": verdict.digest or None,
            "differences": [one._asdict() for one in verdict.differences],
            "scripts": [_document(script) for script in verdict.scripts],
        }
        for verdict in verdicts
    ]
    return json.dumps(document, indent=2) + "\n"


def _document(script: Script) -> dict[str, object]:
    step = script.step.variant()
    return {
        "step": step.name,
        "title": step.title,
        "text_sha256": text_digest(type(step)),
        "values": {
            name: {"value": getattr(script.step, name), "origin": origin}
            for name, origin in script.origins.items()
        },
    }


def summary(verdicts: Iterable[Verdict]) -> str:
    """Return how many files there are of each verdict, in words."""
    words = [verdict.word for verdict in verdicts]
    counts = [(words.count(word), word) for word in _WORDS]
    return ", ".join(f"{count} {word}" for count, word in counts if count or word == VERIFIED)


# What a person named.


def of_paths(
    names: Iterable[str],
    stdin: bytes,
    values: Optional[str] = None,
    find_file: FindFile = _no_file,
) -> list[Verdict]:
    """Verify files, folders, and for `-` what came on stdin.

    values, find_file: as in of_folder.

    Raises:
        InputError: something cannot be read, a folder has no script, or no runbook can be made from
            the deployment file.

    """
    verdicts: list[Verdict] = []
    problems = []
    for name in names:
        path = Path(name)
        try:
            if name == "-":
                verdicts.append(of_file("stdin", stdin, find_file))
            elif path.is_dir():
                found = of_folder(path, values, find_file)
                if not any(verdict.scripts or verdict.word == DIFFERS for verdict in found):
                    problems.append(Problem(f"{shown(name)} holds no script"))
                verdicts += found
            else:
                content = read_input(path, MOST_BYTES)
                verdicts.append(of_file(name, content, find_file))
        except OSError as error:
            problems.append(Problem(f"cannot read {shown(name)}: {error.strerror}"))
    if problems:
        raise InputError(problems)
    return verdicts


MOST_BYTES = 8 << 20
"""Bytes of the largest text that is verified: a runbook has one."""
