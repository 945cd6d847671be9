"""From a step to the text of its script.

Pure: the same values give the same bytes, for ever. No date, user, path or version gets in.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from markupsafe import Markup

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.marks import STEP
from codeocean_cmdgen.rendering.paste import (
    MAX_BYTES,
    MAX_LINES,
    fits_paste,
    pasted,
    shared_parts,
    wrapped,
)
from codeocean_cmdgen.rendering.quoting import LINE_WIDTH, shell_assignment, shell_word
from codeocean_cmdgen.rendering.templates import file_text, package_text, script_templates, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeocean_cmdgen.steps.base import Step


def render(step: Step, origins: Mapping[str, str]) -> str:
    """Return the script of a step.

    origins: where each value came from, by field name; the script says so.

    Raises:
        InputError: the script would be larger than one paste may be.

    """
    step = step.variant()
    body = _body(type(step), _values(step, origins))
    script = wrapped(step.name, f"false <<'END_OF_BODY'\n{body}END_OF_BODY\n")
    if not all(fits_paste(text, step.place) for text in pasted(script, step.place)):
        raise InputError([_too_large(step, script)])
    return script


def _body(step: type[Step], values: Markup) -> str:
    """Return the text inside the wrapper: the same for all values but for the values block."""
    return (
        script_templates()
        .get_template("_body.sh.j2")
        .render(
            header=_header(step),
            values=values,
            template=f"steps/{step.template or step.name}.sh.j2",
            parts=[_digested(part, part_text(part)) for part in step.parts],
            programs=[_digested(module, program_text(module)) for module in step.programs],
            **shared_parts(step.place),
        )
    )


def _digested(name: str, text: str) -> tuple[Markup, str, Markup]:
    """Return what the script says of a text that it shares with others, and that text."""
    return Markup(name), sha256(text), Markup(text)  # noqa: S704 - files of ours


def part_text(name: str) -> str:
    """Return the functions in a file of templates/parts, without its head."""
    return script_templates().get_template(f"parts/{name}.sh").render()


def program_text(name: str) -> str:
    """Return a module of codeocean_cmdgen/programs as it stands."""
    return package_text(f"programs/{name}.py")


LABELS = {
    "where": "Run in",
    "at": "--at",
    "changes": "Changes",
    "takes": "Takes",
    "costs": "Costs",
    "again": "Again",
    "killed": "Killed",
    "undo": "Undo",
    "done": "Done if",
}
"""What a header calls the parts of `Step.header`; "at" explains the value of that option."""


def _header(step: type[Step]) -> Markup:
    """Return what a person must know before running the script, as comment lines."""
    settings = ["PLAN=1 shows what would change, and changes nothing."]
    if step.watches:
        settings.append("WATCH=0 starts the work, does not wait for it, and ends with exit code 4.")
    if step.confirm:
        settings.append(f"CONFIRM={step.confirm} confirms without a terminal.")
    lines = [f"{STEP.format(step.name)}{step.title}", "#"]
    for key, label in LABELS.items():
        if key in step.header:
            lines += _told(label, step.header[key])
    lines += _told("Settings", tuple((setting, "") for setting in settings))
    return Markup("\n".join(lines))  # noqa: S704 - each line begins with the sign of a comment


def _told(label: str, what: str | tuple[tuple[str, str], ...]) -> list[str]:
    """Return a labelled paragraph, or a labelled list of calls and what each does."""
    first = f"# {label}:".ljust(12)
    if isinstance(what, str):
        return _paragraph(first, what)
    width = max(len(call) for call, _ in what) + 3
    lines = []
    for call, effect in what:
        lines += _paragraph(first + (call.ljust(width) if effect else call), effect)
        first = "#".ljust(12)
    return lines


def _paragraph(first: str, text: str) -> list[str]:
    """Return a text as comment lines, the first one begun."""
    if not text:
        return [first.rstrip()]
    rest = "#".ljust(len(first))
    return wrap(text, LINE_WIDTH, initial_indent=first, subsequent_indent=rest)


TEXT_DIGEST = "text of this release: sha256 "
BY_DEFAULT = "by default"
MADE = "made from the values above and the options"
"""Comments of the values block, besides "from" and an origin."""


def _values(step: Step, origins: Mapping[str, str]) -> Markup:
    """Return the inside of the values block, from which `verify` makes the step again.

    First the digest of the rest of the text; then the values, grouped by where they came from. A
    value that was given but that no variable holds as it was given stands there as its option.
    """
    variables = step.variables()
    groups: dict[str, list[str]] = {f"{TEXT_DIGEST}{text_digest(type(step))}": []}
    groups["the step"] = [shell_assignment("STEP", step.name)]
    for name in step.arguments():
        by_default = origins[name] == "default"
        lines: list[str] = []
        if name in variables:
            lines.append(shell_assignment(name.upper(), variables[name]))
        value = getattr(step, name)
        if not by_default and value is not None and variables.get(name) != value:
            texts = value if isinstance(value, tuple) else (value,)
            lines += [f"# {flag(name)} {shell_word(text)}" for text in texts]
        if lines:
            group = groups.setdefault(BY_DEFAULT if by_default else f"from {origins[name]}", [])
            group += lines
    for name, value in step.documents().items():
        groups.setdefault(MADE, []).append(shell_assignment(name.upper(), value))
    block = "\n".join(
        f"  {line}" for title, lines in groups.items() for line in (f"# {title}", *lines)
    )
    return Markup(block)  # noqa: S704 - our words, in comments; each value is quoted


_FORM_OF_VALUES = 1
"""Part of `text_digest`. Raise it if a release prints the same values in another way: otherwise
`verify` would call a script of the release before it changed."""


def text_digest(step: type[Step]) -> str:
    """Return the SHA-256 of what this release prints for a step besides the values.

    The scripts name it. It tells a script of another release from one that was changed, and it is
    the same in all releases that print the same. A version number would be another one in each.
    """
    return sha256(f"{_FORM_OF_VALUES}\n{file_text('_script.sh.j2')}{_body(step, Markup())}")


def _too_large(step: Step, script: str) -> Problem:
    size, lines = f"{len(script):,} bytes", script.count("\n")
    limit = f"{MAX_BYTES:,} bytes"
    if step.place == "host":
        size, limit = f"{size} and {lines:,} lines", f"{limit} and {MAX_LINES:,} lines"
    given = {name: getattr(step, name) for name in step.arguments()}
    many = [name for name, value in given.items() if value and isinstance(value, tuple)]
    hint = step.if_too_large.format(", ".join(map(flag, many))) if many else ""
    message = f"the script would have {size}, more than the {limit} that one paste may have"
    return Problem(message, hint)
