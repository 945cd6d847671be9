"""The secrets that the source has saved on its data volume."""

from __future__ import annotations

from typing import Any

from codeocean_cmdgen.simulator.world import REGION, SOURCE


def document(parameters: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return what secrets-save of the source writes."""
    return {
        "account_id": SOURCE,
        "region": REGION,
        "stack_name": "codeocean",
        "saved": "2026-01-01T00:00:00+00:00",
        "parameters": [
            {"Name": f"/codeocean/{name}", "Type": kind, "Value": value}
            for name, (kind, value) in parameters.items()
        ],
    }
