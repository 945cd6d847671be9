"""A whole procedure with the values of a file: what there is to do, and every script in place.

It reads nothing but the deployment file: the same file always gives the same runbook.
"""

from codeocean_cmdgen.runbook.making import make
from codeocean_cmdgen.runbook.model import Entry, Pasting, Place, Runbook

__all__ = ["Entry", "Pasting", "Place", "Runbook", "make"]
