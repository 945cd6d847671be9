"""The argument that names a procedure: apart from the others, because no step needs it."""

from typing import Annotated

import click
import typer

from codeocean_cmdgen.procedures import PROCEDURES

ProcedureName = Annotated[
    str, typer.Argument(metavar="PROCEDURE", click_type=click.Choice(list(PROCEDURES)))
]
