"""Checks the deployment file and the live accounts before anyone pastes a script.

Rules are pure functions over facts. Only questions.py calls AWS, and it never changes anything.
"""

from __future__ import annotations

from codeocean_cmdgen.check import account, bucket, file, machine, vault
from codeocean_cmdgen.check.facts import Facts, facts_in_file
from codeocean_cmdgen.check.report import as_json, as_text
from codeocean_cmdgen.check.rule import RULES, Result, Rule, apply

__all__ = [
    "RULES",
    "Facts",
    "Result",
    "Rule",
    "account",
    "as_json",
    "as_text",
    "bucket",
    "facts_in_file",
    "file",
    "look_over",
    "machine",
    "vault",
]


def look_over(facts: Facts, deployment_file: str, *, offline: bool) -> Result:
    """Apply all rules, or with `offline` only those that need no account."""
    rules = [rule for rule in RULES if not (offline and rule.live)]
    no_answer = not offline and all(one.why_not_asked for one in facts.deployments.values())
    return apply(rules, facts, deployment_file)._replace(no_answer=no_answer)
