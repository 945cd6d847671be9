"""Resolves the values of a step: from the option, the environment, a file, or the person.

The first of these that has a value provides it, and the script names where it came from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from codeocean_cmdgen.arguments import VOCABULARY, flag, why_not
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import read_input
from codeocean_cmdgen.inputs import stack_json as stack_json_of
from codeocean_cmdgen.steps.base import broken_rules

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.inputs.stack_json import StackJson
    from codeocean_cmdgen.steps import Step


class Given(NamedTuple):
    """The texts of one value, not yet checked, and where they came from."""

    texts: tuple[str, ...]
    origin: str


Ask = Callable[[str], "tuple[str, ...]"]
"""Asks the person for the value of a name; returns its texts, or none without an answer."""


class Resolved(NamedTuple):
    """A step made of checked values, and the origin of each by field name."""

    step: Step
    origins: dict[str, str]


class Excuse(NamedTuple):
    """Why stack.json does not provide some values, and whether that is all there is to say.

    instead: names whose absence needs no message of its own.
    """

    problems: tuple[Problem, ...] = ()
    instead: frozenset[str] = frozenset()


def resolve(
    step: type[Step],
    options: Mapping[str, Given],
    *,
    table: Optional[str] = None,
    deployment_file: Optional[DeploymentFile] = None,
    stack_json: Optional[Path] = None,
    own_stack_json: bool = True,
    ask: Optional[Ask] = None,
) -> Resolved:
    """Make a step from the given values.

    options: the values from the command line and the environment, by field name.
    table: the table of the deployment file that the step uses; if None, the step's default.
    deployment_file: the deployment file, or None without one.
    stack_json: a stack.json to use instead of the services instance's own.
    own_stack_json: whether this host's own stack.json may be used, if there is one.
    ask: asks for values that are still missing; without it, a missing value is a problem.

    Raises:
        InputError: with all problems.

    """
    table = table or step.tables[0]
    problems: list[Problem] = []
    given = _from_deployment_file(step, table, deployment_file)
    given.update(options)
    _read_files(given, problems)
    excuse = Excuse()
    # Other deployments that the script may run for have their own stack.json.
    places = [
        names
        for deployment, names in step.from_stack_json.items()
        if deployment == table or deployment not in step.tables
    ]
    if places and stack_json:
        excuse = _fill_from_stack_json(places, stack_json_of.read_stack_json(stack_json), given)
    elif places and own_stack_json and stack_json_of.is_services_instance():
        excuse = _fill_from_own_stack_json(places, given)
    if ask and not problems and not excuse.problems:
        _fill_by_asking(step, ask, given)
    return checked(step, given, problems, excuse)


def missing(
    step: type[Step], table: str, file: DeploymentFile, also: Container[str] = ()
) -> list[str]:
    """Return the values that a step needs and a deployment file does not give.

    also: values that are optional for the step but needed here.
    """
    return [
        name
        for name, needed in step.arguments().items()
        if (needed or name in also) and not file.first(step, table, name)[1]
    ]


def checked(
    step: type[Step],
    given: Mapping[str, Given],
    problems: Iterable[Problem] = (),
    excuse: Excuse = Excuse(),  # noqa: B008 - immutable
) -> Resolved:
    """Make a step of texts: each value of its kind, and all of them as the step's rules demand.

    problems: what is wrong already. excuse: why stack.json could not help, if something is
    missing.

    Raises:
        InputError: with every problem there is.

    """
    found = [*problems]
    values = _parse(step, given, found, excuse)
    found += broken_rules(step.checks, values)
    if found:
        raise InputError(found)
    origins = {
        name: given[name].origin if name in given else "default" for name in step.arguments()
    }
    return Resolved(step(**values), origins)


def _from_deployment_file(
    step: type[Step], table: str, file: Optional[DeploymentFile]
) -> dict[str, Given]:
    given: dict[str, Given] = {}
    if file is None:
        return given
    for name in step.arguments():
        home, texts = file.first(step, table, name)
        if texts:
            given[name] = Given(texts, f"deployment file [{home}]")
    return given


def _fill_by_asking(step: type[Step], ask: Ask, given: dict[str, Given]) -> None:
    for name, needed in step.arguments().items():
        if needed and name not in given:
            texts = ask(name)
            if texts:
                given[name] = Given(texts, "answer on the terminal")


def _parse(
    step: type[Step], given: Mapping[str, Given], problems: list[Problem], excuse: Excuse
) -> dict[str, Any]:
    """Return the checked values; a wrong or missing value becomes a problem."""
    values: dict[str, Any] = {}
    excuses = excuse.problems
    for name, needed in step.arguments().items():
        argument = VOCABULARY[name]
        where = f"find it in: {argument.where}" if argument.where else ""
        if name in given:
            texts, origin = given[name]
            reasons = why_not(name, texts)
            problems += [Problem(f"{flag(name)}: {why} ({origin})", where) for why in reasons]
            if not reasons:
                parsed = tuple(map(argument.kind, texts))
                values[name] = parsed if argument.many else parsed[0]
        elif needed:
            problems += excuses
            excuses = ()
            example = argument.kind.example
            if name not in excuse.instead:
                missing = f"{flag(name)} is missing: {argument.help}, such as {example}"
                problems.append(Problem(missing, where))
    return values


def _read_files(given: dict[str, Given], problems: list[Problem]) -> None:
    """Replace the path of each file by the texts that the file holds."""
    for name in [name for name in given if VOCABULARY[name].file]:
        paths, origin = given.pop(name)
        hint = ""
        try:
            (path,) = paths
            texts = _saved_parameters(json.loads(read_input(Path(path))))
        except OSError as error:
            what = f"cannot read {shown(path)}: {error.strerror}"
        except (ValueError, LookupError, TypeError, RecursionError):
            what = f"{shown(', '.join(paths))} is not the answer of `describe-stacks` for one stack"
            hint = "aws cloudformation describe-stacks --stack-name NAME --output json >FILE"
        else:
            given[name] = Given(texts, origin)
            continue
        problems.append(Problem(f"{flag(name)}: {what} ({origin})", hint))


def _saved_parameters(answer: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
    """Return the parameters of the only stack in an answer of `describe-stacks`."""
    (stack,) = answer["Stacks"]
    return tuple(f"{one['ParameterKey']}={one['ParameterValue']}" for one in stack["Parameters"])


# stack.json.


def _fill_from_own_stack_json(places: list[tuple[str, ...]], given: dict[str, Given]) -> Excuse:
    """Fill in from this host's stack.json. If it cannot be read, options may replace it."""
    try:
        stack = stack_json_of.read_stack_json(stack_json_of.STACK_JSON)
    except InputError as error:
        (problem,) = error.problems
        names = [name for place in places for name in place]
        hint = f"read another with --stack-json FILE, or give {' '.join(map(flag, names))}"
        return Excuse((problem._replace(hint=hint),), frozenset(names))
    return _fill_from_stack_json(places, stack, given)


def _fill_from_stack_json(
    places: Iterable[tuple[str, ...]], stack: StackJson, given: dict[str, Given]
) -> Excuse:
    """Fill each place of which no value was given; return why a place could not be filled."""
    excuses: list[Problem] = []
    for names in places:
        if any(name in given for name in names):
            continue
        found = {name: stack.look_up(name) for name in names}
        reasons = [one for one in found.values() if isinstance(one, Problem)]
        if not reasons:
            given.update({name: Given(texts, "stack.json") for name, texts in found.items()})
        excuses += reasons
    return Excuse(tuple(excuses))
