"""Reports on a rehearsal: line by line while it runs, then its result."""

from __future__ import annotations

import platform
from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from codeocean_cmdgen.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from rich.console import Console

    from codeocean_cmdgen.rehearsal.run import Rehearsal, Row

_MINUTE, _HOUR = 60, 3600
_TAIL = 12  # lines shown of the output of a script that failed


def follow(rehearsal: Rehearsal, console: Console) -> bool:
    """Rehearse and report; return whether everything was done and the result is equal."""
    console.print(f"[bold]Rehearsal: {rehearsal.procedure}[/bold]: {rehearsal.plot.about}")
    with console.status("building the world"):
        rehearsal.prepare()
    for line in _reality(rehearsal):
        console.print(_as_text(line), highlight=False)
    rows = list(_follow(rehearsal, console))
    skipped = [row.number for row in rows if row.outcome.startswith("skipped")]
    console.print(_table(rows))
    _show_comparisons(rehearsal, console)
    problems = list(_problems(rehearsal, rows))
    verdict, colour = ("NOT rehearsed", "red") if problems else ("rehearsed", "green")
    if skipped and not problems:
        verdict, colour = "partly rehearsed", "yellow"
        problems = [
            f"skipped: steps {', '.join(skipped)}; the others were done, and the result is equal"
        ]
    console.print(
        Panel(
            "\n".join(
                map(
                    _as_text,
                    [
                        *_figures(rehearsal, rows),
                        *(problems or ["every step was done, and the result is equal"]),
                    ],
                )
            ),
            title=f"{rehearsal.procedure}: {verdict}",
            border_style=colour,
            expand=False,
        )
    )
    return not problems


def _as_text(line: str) -> str:
    """Return a line that may contain script output, with no effect on a terminal or on Rich."""
    return escape(printable(line))


def receipt(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return a record of the rehearsal to keep as a proof, for JSON."""
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
        "steps": [_as_record(row) for row in rehearsal.rows],
    }


def _as_record(row: Row) -> dict[str, Any]:
    return {
        "step": row.number,
        "place": row.place,
        "seconds_in_aws": round(row.seconds),
        "seconds_here": round(row.here, 1),
        "outcome": row.outcome,
        "done": row.done,
    }


def _follow(rehearsal: Rehearsal, console: Console) -> Iterator[Row]:
    """Do the steps, and report on each when it has ended."""
    rows = rehearsal.follow()
    while True:
        with nullcontext() if rehearsal.person else console.status("running the next step"):
            row = next(rows, None)
        if row is None:
            return
        mark = "[green]ok[/green]" if row.done else "[red]no[/red]"
        mark = "[yellow]!![/yellow]" if row.done and row.mishap else mark
        console.print(f"{mark} {row.number:>7}  {row.title}", highlight=False)
        console.print(
            f"            {_as_text(row.outcome)}",
            style="dim",
            highlight=False,
            soft_wrap=True,
        )
        if row.mishap or not row.done:
            for line in row.output.splitlines()[-_TAIL:]:
                console.print(f"            | {_as_text(line)}", highlight=False)
        yield row


def _reality(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield which parts of the world are real."""
    missing = rehearsal.stage.missing
    yield "real: the scripts, the AWS CLI, and all its requests"
    yield f"simulated: AWS, and the time that it takes; this machine is {platform.platform()}"
    yield (
        f"data volume and services instance: not available here: {missing.host}"
        if missing.host
        else "data volume: a real XFS file system on a loop device, on a host with a real systemd"
    )
    yield (
        f"analytics database: not available here: {missing.database}"
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
    """Return the outcome in one or two words."""
    if not row.done:
        return "[red]not done[/red]"
    if row.mishap:
        return "[yellow]as expected[/yellow]"
    if row.outcome.startswith("done: "):
        return "[green]done[/green]"
    return _as_text(row.outcome.partition(":")[0])


def _show_comparisons(rehearsal: Rehearsal, console: Console) -> None:
    for one in rehearsal.plot.comparisons:
        for difference in one.differences[:5]:
            console.print(f"[red]{one.kind}[/red]: ", end="")
            console.print(_as_text(difference), highlight=False)


def _figures(rehearsal: Rehearsal, rows: list[Row]) -> Iterator[str]:
    plot = rehearsal.plot
    if plot.moment:
        yield f"compared with: {plot.moment:%F %T} UTC, when the backup was created"
    counted = [f"{one.size} {one.kind}" for one in plot.comparisons]
    if counted:
        yield f"compared:      {', '.join(counted)}"
    if plot.moment and plot.lost:
        lost = _duration((plot.lost - plot.moment).total_seconds())
        yield f"recovery point: {lost} of work lost"
    if plot.lost and plot.served:
        took = _duration((plot.served - plot.lost).total_seconds())
        yield f"recovery time:  {took} until people could work again, in simulated time"
    yield f"real time:     {_duration(sum(row.here for row in rows))} for {len(rows)} entries"


def _problems(rehearsal: Rehearsal, rows: list[Row]) -> Iterator[str]:
    for row in rows[-1:]:
        if not row.done:
            yield f"ended at step {row.number}: {row.outcome}"
    for mishap in rehearsal.mishaps:
        yield f"this fault did not occur: {mishap.about}"
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
    """Return a duration in words."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
