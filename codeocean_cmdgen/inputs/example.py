"""A new deployment file, with every value commented out: an example, and where to find it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from codeocean_cmdgen.arguments import FACTS, KNOWN
from codeocean_cmdgen.inputs.deployment_file import TABLES, read_deployment_file, takes
from codeocean_cmdgen.steps import STEPS

EXAMPLE = Path(__file__).parent.parent / "examples" / "deployment.toml"
"""A deployment file whose values are consistent with each other."""

_HEAD = """\
# The deployment file: the facts of the three deployments. To fill in the source's facts, run
# `codeocean-cmdgen discover source --values FILE` with credentials of its account; likewise
# `discover backup` and `discover target`. Add missing values yourself: remove the # from the line
# and replace the example value.
#
# Keys have the names of the options. A table such as [backup.snapshot-copy] holds values for that
# step only, and overrides [backup]. Do not put secrets into this file.
"""

_TITLES = {
    "source": "The deployment that is protected or moved.",
    "backup": "The backup stack, which receives snapshots and replicas.",
    "target": "The new deployment, which data is restored or moved to.",
}


def example_values() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the example values, which are consistent with each other, by table and name."""
    return read_deployment_file(EXAMPLE).tables


def empty_file() -> str:
    """Return the text of a file in which every value is commented out."""
    examples = example_values()
    layout = _layout(examples)
    text = _HEAD
    for table in TABLES:
        for home, names in layout.items():
            if home == table:
                text += f"\n# {_TITLES[table]}\n[{home}]\n"
            elif home.startswith(f"{table}."):
                text += f"\n[{home}]\n"
            else:
                continue
            for name in names:
                known = KNOWN[name]
                values = examples.get(home, {}).get(name, (known.kind.example,))
                text += _described(name) + _assigned(name, values)
    return text


def _layout(examples: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, list[str]]:
    """Return the names for each table: values that steps need or the example has, and that exist.

    A value that a person chooses each time, such as the name of the run, is not a fact.
    """
    layout: dict[str, list[str]] = {}
    for table in TABLES:
        layout[table] = []
        for step in STEPS:
            for name, needed in step.arguments().items():
                narrow = f"{table}.{step.name}"
                home = narrow if name in examples.get(narrow, {}) else table
                found = KNOWN[name].where and step.elsewhere.get(name, table) == table
                wanted = needed or name in examples.get(home, {})
                if found and wanted and takes(step, table, name):
                    names = layout.setdefault(home, [])
                    names += [name] if name not in names else []
        if "stack_name" in layout[table] and "data_volume_id" in layout[table]:
            layout[table] += FACTS
    return {home: [name for name in KNOWN if name in names] for home, names in layout.items()}


def _described(name: str) -> str:
    argument = KNOWN[name]
    text = f"{argument.help}; find it in: {argument.where}"
    lines = textwrap.wrap(text, 98, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _assigned(name: str, values: tuple[str, ...]) -> str:
    if not KNOWN[name].many:
        return f'#{name} = "{values[0]}"\n'
    return "".join(
        f"#{line}\n" for line in (f"{name} = [", *(f'  "{one}",' for one in values), "]")
    )
