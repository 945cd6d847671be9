"""Three deployments that are as they should be, and what the program gathers about them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.check.questions import ask_accounts
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.simulator import Simulator, World, example_world
from codeocean_cmdgen.simulator.backends import find_bucket
from codeocean_cmdgen.simulator.world import BACKUP, KINDS, REGION, SOURCE, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeocean_cmdgen.check import Facts

NOW = datetime(2019, 11, 25, 12, tzinfo=timezone.utc)
ROLES = {"source": SOURCE, "backup": BACKUP, "target": TARGET}


def values_for(procedure: str) -> str:
    """Return the example values, as the procedure wants them."""
    text = EXAMPLE.read_text(encoding="utf-8")
    if procedure != "migration":
        return text
    source, rest = text.split("[backup]\n", 1)
    source = source.replace("backup-destination", "migration-destination")
    source = source.replace("codeocean-backup-v1", "codeocean-v1").replace(BACKUP, TARGET)
    source = source.replace("codeocean-backup-", "codeocean-target-")
    rest = rest.replace(
        f'restore_source_account_id = "{BACKUP}"', f'restore_source_account_id = "{SOURCE}"'
    )
    return f"{source}[backup]\n{rest}"


def clean_world(simulator: Simulator, procedure: str) -> None:
    """Build the example, with all that its deployments have for the procedure."""
    world = example_world(simulator, objects_per_bucket=0)
    origin = SOURCE if procedure == "migration" else BACKUP
    for role, account in ROLES.items():
        s3 = simulator.account(account).client("s3")
        for kind in KINDS:
            s3.put_bucket_ownership_controls(
                Bucket=f"codeocean-{role}-{kind}",
                OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            )
    for stack in simulator.cloudformation.stacks:
        if stack.account == TARGET:
            stack.parameters["pRestoreSourceAccountId"] = origin
        elif stack.account == SOURCE:
            stack.parameters["pDnsRootDomain"] = "old.example.com"
    if procedure == "migration":
        _let_the_source_move(simulator, world)
    simulator.clear_requests()


def _let_the_source_move(simulator: Simulator, world: World) -> None:
    """Let the source send to the target what it sends to the backup."""
    for kind in KINDS:
        source, target = (find_bucket(f"codeocean-{role}-{kind}") for role in ("source", "target"))
        assert source is not None
        assert target is not None
        del simulator.s3.replication[source.name]
        target.policy = None
        world.replication_rule(source, target, storage_class="STANDARD")
    vault = f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:codeocean-v1"
    policies = simulator.backup.policies
    policies[vault] = policies[vault].replace(BACKUP, SOURCE)
    (stack,) = (one for one in simulator.cloudformation.stacks if one.account == SOURCE)
    stack.parameters["pDestinationBackupVaultArn"] = vault


def ask_simulator(simulator: Simulator, facts: Facts) -> None:
    """Gather from the simulated accounts, without a socket."""
    clients: dict[str, Callable[[str, str], Any]] = {
        role: simulator.account(account).client for role, account in ROLES.items()
    }
    ask_accounts(facts, clients, ROLES, lambda *_, **__: None)
