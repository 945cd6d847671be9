"""The commands that work in a simulated AWS, which is an extra: simulate, rehearse."""

import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from codeocean_cmdgen.cli.procedures import ProcedureName
from codeocean_cmdgen.cli.shared import FileName
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import PRIVATE_MODE, demand_replaceable, write_whole
from codeocean_cmdgen.isolation import isolated
from codeocean_cmdgen.terminal import echo, echo_lines, is_terminal, stdout

if TYPE_CHECKING:
    from codeocean_cmdgen.rehearsal.mishaps import Mishap


def simulate(
    *,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="print the environments as one line of JSON, for programs"),
    ] = False,
) -> None:
    """Simulate three deployments that match the example values, until Ctrl-C.

    Prints, for each account, the `export` lines that make a shell work in it. Scripts run there
    unchanged, with the real AWS CLI; nothing leaves this machine. Your own credentials, profiles
    and AWS settings are not used, and the lines remove them from the shell. HOME becomes a folder
    of the simulation, so your AWS CLI aliases do not run, and records of simulated scripts do not
    mix with yours. The folder is removed when the simulation ends, even if you close the terminal.

    With --json, it prints one object that has, for each of management, source, backup and target,
    the account_id and the environment. Start programs with these variables and no others.
    """
    _clean_up_on_signals()
    with isolated():
        try:
            from codeocean_cmdgen import simulator  # noqa: PLC0415 - an extra, and slow
        except ImportError as error:
            raise _no_simulator(error) from error
        gc.enable()  # this command lives long
        simulator.simulate(stdout(), as_json=as_json)


def _clean_up_on_signals() -> None:
    """Let a closed terminal and `kill` end this program as Ctrl-C does, which cleans up."""
    ending = [
        number
        for number in (signal.SIGHUP, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN  # as `nohup` starts a program
    ]

    def end(*_: object) -> None:
        for number in ending:  # the shell may send it as well, in the middle of cleaning up
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in ending:
        signal.signal(number, end)


def _list_faults(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted and not context.resilient_parsing:
        from codeocean_cmdgen.rehearsal.mishaps import MISHAPS  # noqa: PLC0415 - rarely wanted

        for name, mishap in MISHAPS.items():
            echo(f"{name:20} {mishap.step.name}: {mishap.about}")
        raise typer.Exit


def _mishap(name: str, procedure: str) -> "Mishap":
    from codeocean_cmdgen.rehearsal.mishaps import MISHAPS  # noqa: PLC0415 - rarely wanted

    if name not in MISHAPS:
        raise InputError(
            [Problem(f"--fault: there is no fault {shown(name)}", "list them with --list-faults")]
        )
    if not MISHAPS[name].fits(procedure):
        step = MISHAPS[name].step.name
        problem = Problem(
            f"--fault: fault {name} needs step {step}, which is not part of {procedure}"
        )
        raise InputError([problem])
    return MISHAPS[name]


def rehearse(
    *,
    procedure: ProcedureName,
    receipt: Annotated[
        Optional[str],
        typer.Option(
            metavar="FILE",
            click_type=FileName(),
            help="write what was done and compared to this file, as JSON",
        ),
    ] = None,
    fault: Annotated[
        Optional[list[str]],
        typer.Option(metavar="NAME", help="inject this fault and see how the script handles it"),
    ] = None,
    pause: Annotated[
        bool, typer.Option("--pause", help="paste the scripts yourself, into your own terminals")
    ] = False,
    list_faults: Annotated[  # noqa: ARG001 - its callback ends the program
        bool,
        typer.Option("--list-faults", callback=_list_faults, is_eager=True, help="list the faults"),
    ] = False,
) -> None:
    """Create a deployment, back it up, lose it, and restore it using only the generated scripts.

    PROCEDURE is backup, restore or migration. Every script runs exactly as generated, in its own
    place: in shells of three accounts, and on services instances with systemd, XFS and PostgreSQL,
    which this machine simulates if you are root. Nothing leaves this machine, and your own
    credentials, profiles and AWS settings are not used. Exits with 0 if every step was done and
    every object version, file, row and secret is equal.
    """
    _clean_up_on_signals()
    with isolated():
        well = _rehearse(procedure, receipt, fault or [], pause=pause)
    raise typer.Exit(0 if well else 1)


def _rehearse(procedure: str, receipt: Optional[str], faults: list[str], *, pause: bool) -> bool:
    """Rehearse, and report it; return whether every step was done and everything is equal."""
    try:
        from rich.console import Console  # noqa: PLC0415 - slow

        from codeocean_cmdgen.rehearsal import report  # noqa: PLC0415 - an extra, slow
        from codeocean_cmdgen.rehearsal.person import Person  # noqa: PLC0415 - likewise
        from codeocean_cmdgen.rehearsal.run import Staging  # noqa: PLC0415 - likewise
        from codeocean_cmdgen.simulator.aws import AwsUnavailableError  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise _no_simulator(error) from error
    gc.enable()  # this command lives long
    output = stdout()
    if receipt:
        _demand_writable(Path(receipt))
    mishaps = tuple(_mishap(name, procedure) for name in faults)
    width = None if is_terminal(sys.stdout) else 120
    try:
        with Staging(procedure) as rehearsal:
            rehearsal.mishaps = mishaps
            # A live display: `report` makes printable what it shows.
            console = Console(file=output, width=width)
            rehearsal.person = Person(console, rehearsal.folder) if pause else None
            well = report.follow(rehearsal, console)
            if receipt:
                text = json.dumps(report.receipt(rehearsal), indent=2) + "\n"
                _write_receipt(Path(receipt), text)
    except AwsUnavailableError as error:
        problem = Problem(str(error), "https://docs.aws.amazon.com/cli/latest/userguide/")
        raise InputError([problem]) from error
    return well


def _demand_writable(receipt: Path) -> None:
    """Refuse, before a rehearsal begins, a receipt that could not be written at its end."""
    demand_replaceable(receipt, "--receipt", {})
    if not receipt.parent.is_dir() or not os.access(receipt.parent, os.W_OK | os.X_OK):
        folder = shown(str(receipt.parent))
        problem = Problem(f"--receipt: {folder} is not a folder that you can write to")
        raise InputError([problem])


def _write_receipt(path: Path, text: str) -> None:
    """Write the receipt, or print it if it cannot be written: the rehearsal took long.

    Raises:
        InputError: it was printed instead.

    """
    try:
        demand_replaceable(path, "--receipt", {})
        write_whole(path, text, PRIVATE_MODE, "--receipt")
    except InputError as error:
        echo_lines(text)
        hint = "the receipt is printed above: save it"
        raise InputError([*error.problems, Problem("--receipt: not written", hint)]) from error


def _no_simulator(error: ImportError) -> InputError:
    problem = Problem(
        f"this installation has no simulator: {error.name} is missing",
        "in a clone of the repository: pip install '.[simulator]'. The single file has none.",
    )
    return InputError([problem])
