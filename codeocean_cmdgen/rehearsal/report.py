"""Tells of a rehearsal: line by line while it runs, and what came of it."""

from __future__ import annotations

import platform
from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.panel import Panel
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from rich.console import Console

    from codeocean_cmdgen.rehearsal.run import Rehearsal, Row

_MINUTE, _HOUR = 60, 3600
_TAIL = 12  # lines of what a script said that was not done


def follow(rehearsal: Rehearsal, console: Console) -> bool:
    """Rehearse, and tell of it; return whether all was done, and all is equal."""
    console.print(f"[bold]Rehearsal: {rehearsal.procedure}[/bold]: {rehearsal.plot.about}")
    with console.status("the world is made"):
        rehearsal.prepare()
    for line in _reality(rehearsal):
        console.print(line, highlight=False)
    rows = list(_told(rehearsal, console))
    left_out = [row.number for row in rows if row.outcome.startswith("left out")]
    console.print(_table(rows))
    _tell_comparisons(rehearsal, console)
    problems = list(_problems(rehearsal, rows))
    verdict, colour = ("NOT rehearsed", "red") if problems else ("rehearsed", "green")
    if left_out and not problems:
        verdict, colour = "rehearsed in part", "yellow"
        problems = [f"left out: steps {', '.join(left_out)}; all else was done, and is equal"]
    console.print(
        Panel(
            "\n".join([*_figures(rehearsal, rows), *(problems or ["all was done, all is equal"])]),
            title=f"{rehearsal.procedure}: {verdict}",
            border_style=colour,
            expand=False,
        )
    )
    return not problems


def receipt(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what can be kept as a proof, as JSON takes it."""
    plot = rehearsal.plot
    return {
        "program": f"codeocean-cmdgen {version('codeocean-cmdgen')}",
        "procedure": rehearsal.procedure,
        "runbook": rehearsal.runbook().digest,
        "simulated": True,
        "reality": list(_reality(rehearsal)),
        "compared_with": _moment(plot.moment),
        "lost": _moment(plot.lost),
        "served": _moment(plot.served),
        "recovery_point_seconds": _between(plot.moment, plot.lost),
        "recovery_time_seconds": _between(plot.lost, plot.served),
        "compared": {
            one.kind: {"count": one.size, "differences": list(one.differences)}
            for one in plot.comparisons
        },
        "steps": [_kept(row) for row in rehearsal.rows],
    }


def _kept(row: Row) -> dict[str, Any]:
    return {
        "step": row.number,
        "place": row.place,
        "seconds_in_aws": round(row.seconds),
        "seconds_here": round(row.here, 1),
        "outcome": row.outcome,
        "done": row.done,
    }


def _told(rehearsal: Rehearsal, console: Console) -> Iterator[Row]:
    """Do the steps, and tell of each when it has ended."""
    rows = rehearsal.follow()
    while True:
        with nullcontext() if rehearsal.person else console.status("the next step is done"):
            row = next(rows, None)
        if row is None:
            return
        mark = "[green]ok[/green]" if row.done else "[red]no[/red]"
        mark = "[yellow]!![/yellow]" if row.done and row.mishap else mark
        console.print(f"{mark} {row.number:>7}  {row.title}", highlight=False)
        console.print(
            f"            {row.outcome}",
            style="dim",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if row.mishap or not row.done:
            for line in row.output.splitlines()[-_TAIL:]:
                console.print(f"            | {line}", highlight=False, markup=False)
        yield row


def _reality(rehearsal: Rehearsal) -> Iterator[str]:
    """Say what of the world is real."""
    missing = rehearsal.stage.missing
    yield "real: the scripts, the AWS CLI, and every request that it makes"
    yield (f"simulated: AWS; what it takes there is made up. This machine: {platform.platform()}")
    yield (
        f"data volume: none, and no services instance: {missing.host}"
        if missing.host
        else "data volume: a real XFS file system on a loop device, on a host with a real systemd"
    )
    yield (
        f"analytics database: none: {missing.database}"
        if missing.database
        else "analytics database: a real PostgreSQL"
    )


def _table(rows: Iterable[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("step", justify="right")
    table.add_column("what", no_wrap=True, max_width=44)
    table.add_column("place", no_wrap=True)
    table.add_column("in AWS", justify="right")
    table.add_column("here", justify="right")
    table.add_column("outcome", no_wrap=True)
    for row in rows:
        took = (_duration(row.seconds), f"{row.here:.0f} s") if row.here else ("", "")
        table.add_row(row.number, row.title, row.place, *took, _short(row))
    return table


def _short(row: Row) -> str:
    """Return the outcome in a word or two."""
    if not row.done:
        return "[red]not done[/red]"
    if row.mishap:
        return "[yellow]met[/yellow]"
    if row.outcome.startswith("done: "):
        return "[green]done[/green]"
    return row.outcome.partition(":")[0]


def _tell_comparisons(rehearsal: Rehearsal, console: Console) -> None:
    for one in rehearsal.plot.comparisons:
        for difference in one.differences[:5]:
            console.print(f"[red]{one.kind}[/red]: ", end="")
            console.print(difference, highlight=False, markup=False)


def _figures(rehearsal: Rehearsal, rows: list[Row]) -> Iterator[str]:
    plot = rehearsal.plot
    if plot.moment:
        yield f"compared with: {plot.moment:%F %T} UTC, when the backup was made"
    counted = [f"{one.size} {one.kind}" for one in plot.comparisons]
    if counted:
        yield f"compared:      {', '.join(counted)}"
    if plot.moment and plot.lost:
        lost = _duration((plot.lost - plot.moment).total_seconds())
        yield f"recovery point: {lost} of work lost"
    if plot.lost and plot.served:
        took = _duration((plot.served - plot.lost).total_seconds())
        yield f"recovery time:  {took} until people could work again, as AWS is simulated here"
    yield f"took here:      {_duration(sum(row.here for row in rows))} for {len(rows)} entries"


def _problems(rehearsal: Rehearsal, rows: list[Row]) -> Iterator[str]:
    for row in rows[-1:]:
        if not row.done:
            yield f"ended at step {row.number}: {row.outcome}"
    for mishap in rehearsal.mishaps:
        yield f"never came: {mishap.about}"
    for one in rehearsal.plot.comparisons:
        if one.differences:
            yield f"NOT EQUAL: {len(one.differences)} differences in {one.kind}"
    if not rehearsal.plot.comparisons:
        yield "nothing was compared"


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds()) if begin and end else None


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _duration(seconds: float) -> str:
    """Write a duration as a person says it."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
