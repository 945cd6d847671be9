"""Rehearses a procedure: a world is built, lost, and brought back by generated scripts alone."""

from codeocean_cmdgen.rehearsal import report
from codeocean_cmdgen.rehearsal.run import Rehearsal, Row, Staging

__all__ = ["Rehearsal", "Row", "Staging", "report"]
