"""Looks over a values file and the live accounts before anyone pastes anything.

Rules are pure functions over facts; only gather.py speaks to AWS, and never changes anything.
"""

from __future__ import annotations

from codeocean_cmdgen.check import account, bucket, file, machine, vault
from codeocean_cmdgen.check.facts import ROUTES, Facts, load
from codeocean_cmdgen.check.report import as_json, as_table
from codeocean_cmdgen.check.rule import RULES, Rule, Verdict, apply

__all__ = [
    "ROUTES",
    "RULES",
    "Facts",
    "Rule",
    "Verdict",
    "account",
    "as_json",
    "as_table",
    "bucket",
    "file",
    "load",
    "look_over",
    "machine",
    "vault",
]


def look_over(facts: Facts, values_file: str, *, offline: bool) -> Verdict:
    """Apply all rules; offline, those that need no account."""
    return apply([rule for rule in RULES if not (offline and rule.live)], facts, values_file)
