"""Small mistakes, made on purpose in templates and in the validation: would a test notice?

Each operator is one kind of mistake. Which of its places are tried is decided by a digest of the
line, so that a change elsewhere tries the same ones.
"""

from __future__ import annotations

import hashlib
import io
import re
import tokenize
from typing import TYPE_CHECKING, NamedTuple

from tests.support.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEMPLATES = ROOT / "templates"
PACKAGE = ROOT / "codeocean_cmdgen"
VALIDATION = [
    PACKAGE / "values.py",
    *(PACKAGE / "inputs").glob("*.py"),
    *(PACKAGE / "rendering" / f"{name}.py" for name in ("quoting", "script", "paste")),
    *sorted((PACKAGE / "steps").glob("[a-z]*.py")),
]
"""What decides whether a value becomes part of a script."""
PROGRAMS = sorted((PACKAGE / "programs").glob("[a-z]*.py"))
"""The modules that scripts hold."""
PROVED_BY_UNIT_TESTS = [
    file
    for file in sorted(PACKAGE.rglob("*.py"))
    if not {"simulator", "rehearsal"} & set(file.relative_to(PACKAGE).parts)
]
"""What `make unit` answers for alone."""

Edit = tuple[int, int, str]
"""Beginning and end of what is replaced, and by what."""


class Mutant(NamedTuple):
    """A mistake. line: the one that it begins in; becomes: that line, mistaken."""

    file: Path
    operator: str
    line: str
    becomes: str
    edit: Edit

    @property
    def name(self) -> str:
        """What tells it from others, for people."""
        where = self.file.relative_to(ROOT)
        return f"{where}, {self.operator}: {self.line} => {self.becomes}"

    @property
    def rank(self) -> str:
        """What decides whether it is tried."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    def text(self) -> str:
        """Return the whole file with the mistake."""
        begin, end, new = self.edit
        text = self.file.read_text(encoding="utf-8")
        return text[:begin] + new + text[end:]


_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">": "<=", "<=": ">", ">=": "<", "=~": "!="}
_TWINS = {"EBS": "RDS", "RDS": "EBS", "source": "target", "SOURCE": "TARGET"}


def _pattern(pattern: str, replace: Callable[[re.Match[str]], str]) -> Callable[[str], list[Edit]]:
    compiled = re.compile(pattern, re.MULTILINE)

    def edits(text: str) -> list[Edit]:
        return [(*match.span(), replace(match)) for match in compiled.finditer(text)]

    return edits


def _ids_swapped(text: str) -> list[Edit]:
    """Let a value of a script stand where another of its kind belongs."""
    names = sorted(set(re.findall(r"\$\{([A-Z][A-Z_]*_(?:ID|ARN|NAME))\}", text)))
    following = dict(zip(names, names[1:] + names[:1]))
    found = [
        (*match.span(1), following[match[1]])
        for match in re.finditer(r"\$\{([A-Z][A-Z_]*)\}", text)
        if following.get(match[1], match[1]) != match[1]
    ]
    twins = re.finditer(rf"\b({'|'.join(_TWINS)})\b", text)
    return found + [(*match.span(), _TWINS[match[0]]) for match in twins]


SHELL: dict[str, Callable[[str], list[Edit]]] = {
    "guard dropped": _pattern(
        r"(?<=^)( *)(?:\[\[ .+? \]\]|\(\(.+?\)\)) \|\|(?=\s)", lambda m: f"{m[1]}true ||"
    ),
    "status ignored": _pattern(
        r"\|\|(\s+)(?=(?:stop|problem|return|fail|die)\b)", lambda m: f"||{m[1]}: "
    ),
    "test negated": _pattern(
        r"(?<=[}\"'0-9a-z] )(==|!=|=~|<=|>=|<|>)(?= [^&|]*(?:\]\]|\)\)))",
        lambda m: _OPPOSITE[m[1]],
    ),
    "quote dropped": _pattern(r"\"(\$\{\w+\})\"", lambda m: m[1]),
    "flag dropped": _pattern(r"(?<= )--[a-z][a-z-]+(?: [^\s\\]+)?(?= \\$)", lambda _: ""),
    "ids swapped": _ids_swapped,
}
PYTHON: dict[str, Callable[[str], list[Edit]]] = {
    "condition negated": _pattern(
        r"^( +)(if|elif|while) (?!not )(.+):$", lambda m: f"{m[1]}{m[2]} not ({m[3]}):"
    ),
    "test negated": _pattern(r"(?<= )(==|!=|<=|>=|<|>)(?= )", lambda m: _OPPOSITE[m[1]]),
    "either for both": _pattern(r"(?<= )and(?= )", lambda _: "or"),
    "both for either": _pattern(r"(?<= )or(?= )", lambda _: "and"),
    "rule dropped": _pattern(
        r"^        _?[a-z_]+,\n(?=(?:        _?[a-z_]+,\n)*    \))", lambda _: ""
    ),
    "pattern loosened": _pattern(r"(?<=[\])])\{\d+(?:,\d+)?\}(?=[^\"\n]*\")", lambda _: "*"),
}


def mutants(file: Path) -> Iterator[Mutant]:
    """Yield every mistake that can be made in a file, but those in texts for people."""
    text = file.read_text(encoding="utf-8")
    python = file.suffix == ".py"
    quiet = _texts(text) if python else [False] * len(text)
    for operator, edits in (PYTHON if python else SHELL).items():
        for begin, end, new in edits(text):
            first = text.rfind("\n", 0, begin) + 1
            last = text.find("\n", max(end - 1, begin))
            line = text[first:last].strip()
            becomes = (text[first:begin] + new + text[end:last]).strip()
            told = (
                (quiet[begin] and operator != "pattern loosened")
                or (operator == "ids swapped" and _TOLD.search(line))
                or line.startswith(("#", "{%"))
            )
            if not told and line != becomes:
                yield Mutant(file, operator, line, becomes, (begin, end, new))


_TOLD = re.compile(r"\b(?:stop|problem|finish|say|show) |^['\"]|\{ # ")
"""Lines that tell something: another name in them misleads, and no test reads each word."""


def _texts(text: str) -> list[bool]:
    """Tell of each character of a Python program whether it is of a text or a comment."""
    quiet = [False] * len(text)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    quoted = {tokenize.STRING, tokenize.COMMENT}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in quoted:
            (row, column), (last_row, last_column) = token.start, token.end
            begin, end = starts[row - 1] + column, starts[last_row - 1] + last_column
            quiet[begin:end] = [True] * (end - begin)
    return quiet


def sampled(files: list[Path], count: int) -> list[Mutant]:
    """Return so many mistakes of some files; the longer a file, the more are its own."""
    every = {mutant.rank: mutant for file in files for mutant in mutants(file)}
    return [every[rank] for rank in sorted(every)[:count]]


def chosen(file: Path, count: int) -> list[Mutant]:
    """Return so many mistakes of a file, as many of each kind as can be."""
    by_kind: dict[str, list[Mutant]] = {}
    for mutant in sorted(mutants(file), key=lambda one: one.rank):
        by_kind.setdefault(mutant.operator, []).append(mutant)
    ranked = [
        (place, mutant.rank, mutant)
        for kind in by_kind.values()
        for place, mutant in enumerate(kind)
    ]
    return [mutant for _, _, mutant in sorted(ranked)[:count]]
