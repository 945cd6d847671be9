"""What a step is: a set of checked values, and the words that introduce its script."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

from codeocean_cmdgen.steps.frozen import Frozen
from codeocean_cmdgen.values import RunName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Literal, Union

    from codeocean_cmdgen.errors import Problem
    from codeocean_cmdgen.steps.permissions import Resources
    from codeocean_cmdgen.values import AccountId, Region, Value

    Printed = Union[Value, tuple[Value, ...], dict[str, Any], str, None]
    """What may become a shell variable: a word, an array, a JSON document, or the empty word."""

    Told = Union[str, tuple[tuple[str, str], ...]]
    """A sentence, or pairs of a changing call and what it does."""

    Place = Literal["cloudshell", "host"]
    """The kind of place in which a script runs: a key of PLACES. Type checkers find other words."""

    Check = Callable[..., Iterator[Problem]]
    """A rule between values. Its parameters are named as the fields that it compares."""

PLACES = {"cloudshell": "CloudShell", "host": "services instance"}
"""Kind of place -> its name for people."""


class Step(Frozen):
    """One script that runs in one place. The fields are the values that it was made from.

    A field that is named in the vocabulary is an option of the command.
    """

    account_id: AccountId
    region: Region

    name: ClassVar[str]
    """The kebab-case word: command, template, golden file, anchor in the runbook."""
    title: ClassVar[str]
    """What the script does, in one line."""
    template: ClassVar[str] = ""
    """The name of the template in templates/steps, if it is not the name of the step."""
    place: ClassVar[Place] = "cloudshell"
    """The kind of place that it runs in, which decides on the shared part."""
    confirm: ClassVar[str] = ""
    """The confirmation that the script asks for, in words; empty if it asks for none."""
    watches: ClassVar[bool] = True
    """Whether it waits for work that continues without it: `WATCH=0` does not wait."""
    permissions: ClassVar[Mapping[Resources, tuple[str, ...]]]
    """Resources -> the IAM actions that the script needs on them."""
    role_service: ClassVar[str] = ""
    """The service that assumes `role_arn` for the job; empty if the script passes no role."""
    if_too_large: ClassVar[str] = "give fewer {} and generate several scripts"
    """What to do if the script is larger than one paste may be; {}: the repeatable options."""
    header: ClassVar[Mapping[str, Told]]
    """What a person must know before running it, by the keys of `rendering.script`: where it runs,
    what it changes, how long it takes, what it costs, what a second paste does, what a kill leaves,
    how to undo it, and what proves that it is done.

    Each text ends with a full stop. The effect of a call does so only if it has several
    sentences.
    """
    parts: ClassVar[tuple[str, ...]] = ()
    """The files of templates/parts that the script holds: functions that several steps use."""
    programs: ClassVar[tuple[str, ...]] = ()
    """The modules of codeocean_cmdgen/programs that the script holds."""
    tables: ClassVar[tuple[str, ...]]
    """The deployments that it can work for: tables of the deployment file, the default first."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Field -> table, for values that belong to another deployment than the script's own."""
    is_discovered: ClassVar[bool] = True
    """Whether `discover` finds its values: not if its stack does not exist yet, or is elsewhere."""
    from_stack_json: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Deployment -> the fields that its services instance's stack.json fills, all or none."""
    checks: ClassVar[tuple[Check, ...]] = ()
    """The rules between the values."""

    unprinted: ClassVar[tuple[str, ...]] = ()
    """The fields that the values block does not assign: they only shape the script."""

    def variables(self) -> dict[str, Printed]:
        """Return what the script's values block assigns, by field name."""
        printed = [name for name in self.arguments() if name not in self.unprinted]
        return {name: getattr(self, name) for name in printed}

    def documents(self) -> dict[str, Printed]:
        """Return what the values block assigns besides, made from the fields."""
        return {"partition": self.region.aws_partition}

    def variant(self) -> Step:
        """Return the step to print: itself, unless a value asks for another script."""
        return self


FIRST_RUN = RunName("first")


def broken_rules(checks: tuple[Check, ...], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong between the values.

    A rule about a value that is not there is skipped, unless its parameter has a default.
    """
    for check in checks:
        parameters = signature(check).parameters
        needed = [name for name, one in parameters.items() if one.default is one.empty]
        if all(name in values for name in needed):
            yield from check(**{name: values[name] for name in parameters if name in values})
