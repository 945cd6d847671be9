"""What a step is: a set of checked values, and the words that introduce its script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from codeocean_cmdgen.values import RunName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Union

    from codeocean_cmdgen.errors import Problem
    from codeocean_cmdgen.values import AccountId, Region, Value

    Printed = Union[Value, tuple[Value, ...], dict[str, Any], str, None]
    """What may become a shell variable: a word, an array, a JSON document, or the empty word."""

    Check = Callable[..., Iterator[Problem]]
    """A rule between values. Its parameters are named as the fields that it compares."""


class Step:
    """One script that runs in one place. The fields are the values that it was made from.

    A field is an annotation that is no ClassVar; one named in the vocabulary is an option of the
    command, and one without a default must be given. No dataclass: those of all the steps would
    take a quarter of the program's start-up to make.
    """

    account_id: AccountId
    region: Region

    name: ClassVar[str]
    """The kebab-case word: command, template, golden file, anchor in the runbook."""
    title: ClassVar[str]
    """What the script does, in one line."""
    template: ClassVar[str] = ""
    """The template's word, where it is not the name."""
    place: ClassVar[str] = "cloudshell"
    """The kind of place that it runs in: its guard is the part of that name."""
    confirm: ClassVar[str] = ""
    """What the script wants typed before it destroys, in words; empty when it destroys nothing."""
    watches: ClassVar[bool] = True
    """Whether it waits for work that goes on without it: `WATCH=0` leaves that out."""
    shows: ClassVar[bool] = True
    """Whether its shell shows how far the work is, rather than a program that it starts."""
    permissions: ClassVar[tuple[str, ...]] = ()
    """The IAM actions that the script needs besides those of its calls of the AWS CLI."""
    header: ClassVar[dict[str, str]]
    """What a person must know before running it: where, changes, takes, costs, again."""
    tables: ClassVar[tuple[str, ...]]
    """The deployment that the script works for: a table of the values file, the default first."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Field -> table, for values that belong to another deployment than the script's own."""
    from_stack_json: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Deployment -> the fields that its services instance's stack.json fills, all or none."""
    checks: ClassVar[tuple[Check, ...]] = ()
    """The rules between the values."""

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - each of its own kind
        """Take the values of the fields.

        Raises:
            TypeError: a field that must be given is missing, or there is no such field.

        """
        fields = self.arguments()
        missing = [name for name, needed in fields.items() if needed and name not in values]
        unknown = [name for name in values if name not in fields]
        if missing or unknown:
            message = f"{type(self).__name__}: missing {missing}, unknown {unknown}"
            raise TypeError(message)
        vars(self).update(values)

    @classmethod
    def arguments(cls) -> dict[str, bool]:
        """Return the names of the fields in order, and whether each must be given."""
        annotations: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            annotations.update(getattr(base, "__annotations__", {}))
        return {
            name: not hasattr(cls, name)
            for name, kind in annotations.items()
            if not kind.startswith("ClassVar")
        }

    def variables(self) -> dict[str, Printed]:
        """Return what the script's values block assigns, by field name."""
        return {name: getattr(self, name) for name in self.arguments()}

    def documents(self) -> dict[str, Printed]:
        """Return what the values block assigns besides, made from the fields."""
        return {"partition": self.region.aws_partition}

    def variant(self) -> Step:
        """Return the step to print: itself, unless a value asks for quite another script.

        Of that one it is the same script again.
        """
        return self


FIRST_RUN = RunName("first")


def broken_rules(checks: tuple[Check, ...], values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong between the values.

    A rule about a value that is not there is skipped, unless its parameter has a default.
    """
    for check in checks:
        code = check.__code__
        names = code.co_varnames[: code.co_argcount]
        needed = names[: len(names) - len(check.__defaults__ or ())]
        if all(name in values for name in needed):
            yield from check(**{name: values[name] for name in names if name in values})
