"""Which scripts may be pasted at once, one after the other."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from codeocean_cmdgen.rendering.paste import fits_paste, joined, pasted
from codeocean_cmdgen.runbook.model import Paste

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.runbook.scripts import Made


def find_pastes(made: list[Made]) -> list[Paste]:
    """Return what may be pasted at once.

    Scripts in the same place that follow each other, but nothing after one that asks for a
    confirmation: it throws away what was typed ahead.
    """
    moving = {one.task.number for one in made if one.task.joins}
    while True:
        groups = [
            group for run in _runs(_in_order_of_pastes(made, moving)) for group in _groups(run)
        ]
        # A task that was moved to follow another, but landed in the paste behind, stays in its
        # own place: else a paste would hold scripts that come earlier in the runbook.
        parted = {number for group in groups for number in _parted(group)} & moving
        if not parted:
            return [_paste(group) for group in groups if len(group) > 1]
        moving -= parted


def _parted(group: list[Made]) -> set[str]:
    """Return the numbers of tasks that join another one which is not in the group."""
    numbers = {one.task.number for one in group}
    return {one.task.number for one in group if one.task.joins and one.task.joins not in numbers}


def _in_order_of_pastes(made: list[Made], moving: set[str]) -> list[Made]:
    """Return the tasks in order, but those of the numbers right behind the one that they join."""
    order: list[Made] = []
    for one in made:
        may_move = one.task.number in moving
        joined = [place for place, other in enumerate(order, 1) if may_move and _joins(one, other)]
        order.insert(joined[0] if joined else len(order), one)
    return order


def _joins(one: Made, other: Made) -> bool:
    return bool(one.task.joins == other.task.number and other.step and one.step)


def _runs(made: list[Made]) -> Iterator[list[Made]]:
    """Yield what follows each other in one shell, without anything by hand between."""
    left = (one for one in made if not one.task.prose.seen_to)
    for shell, run in groupby(left, lambda one: one.shell):
        if shell:
            yield list(run)


def _groups(run: Iterable[Made]) -> Iterator[list[Made]]:
    group: list[Made] = []
    for one in run:
        if group and not _fits([*group, one]):
            yield group
            group = []
        group.append(one)
        if one.step and one.step.variant().confirm:
            yield group
            group = []
    yield group


def _fits(group: list[Made]) -> bool:
    kind = group[0].place.kind
    texts = [pasted(one.script, kind) for one in group]
    alone = all(len(parts) == 1 for parts in texts)
    return alone and fits_paste(joined(text for text, *_ in texts), kind)


def _paste(group: list[Made]) -> Paste:
    kind = group[0].place.kind
    text = joined(pasted(one.script, kind)[0] for one in group)
    return Paste(tuple(one.task.number for one in group), text)
