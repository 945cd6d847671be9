"""Tasks of more than one procedure."""

from __future__ import annotations

from codeocean_cmdgen.procedures.derive import temporary_host
from codeocean_cmdgen.procedures.model import Prose, Task
from codeocean_cmdgen.procedures.prose import shared as prose
from codeocean_cmdgen.steps import (
    DatasetsNotCached,
    DbCopyIn,
    DbDelete,
    DbRestore,
    InstanceHold,
    InstanceRelease,
    SecretsRestore,
    ServiceStart,
    ServiceStop,
    StackCreate,
    VolumeCopyIn,
    VolumeDelete,
    VolumeRelease,
    VolumeRestore,
)

# The first steps of a restore, with their numbers there.

DEPLOYED = Task("1", prose.DEPLOY, "target", step=StackCreate)
DEPLOYMENT_WAITED = Task("2", prose.WAIT_FOR_DEPLOYMENT, "target", place="cloudshell")
HELD = Task("2a", prose.HOLD_INSTANCE, "target", step=InstanceHold)
STOPPED = Task("3", prose.STOP_SERVICE, "target", step=ServiceStop)
STACK_WAITED = Task("5", prose.WAIT_FOR_STACK, "backup", place="cloudshell")


def volume_restored(number: str, run: str) -> Task:
    """Return restore step 10."""
    return Task(
        f"{number}10", prose.RESTORE_VOLUME, "target", step=VolumeRestore, options={"run": run}
    )


def database_restored(number: str, run: str) -> Task:
    """Return restore step 11."""
    return Task(
        f"{number}11", prose.RESTORE_DATABASE, "target", step=DbRestore, options={"run": run}
    )


def session(number: str) -> Task:
    """Return restore step 12."""
    return Task(
        f"{number}12",
        prose.START_SESSION,
        "target",
        place="host",
        shows=("services_instance_id",),
    )


def volume_in(number: str, run: str) -> Task:
    """Return restore step 13."""
    return Task(
        f"{number}13", prose.COPY_IN_VOLUME, "target", step=VolumeCopyIn, options={"run": run}
    )


def database_in(number: str, run: str) -> Task:
    """Return restore step 14."""
    return Task(
        f"{number}14",
        prose.COPY_IN_DATABASE,
        "target",
        step=DbCopyIn,
        options={"run": run},
        derive=temporary_host,
    )


def started(number: str) -> tuple[Task, ...]:
    """Return restore steps 16 to 18."""
    return (
        Task(f"{number}16", prose.RESTORE_SECRETS, "target", step=SecretsRestore),
        Task(f"{number}17", prose.START_SERVICE, "target", step=ServiceStart),
        Task(f"{number}18", prose.RESET_DATASETS, "target", step=DatasetsNotCached),
    )


def released(number: str) -> Task:
    """Return the end of HELD, which has a number of its own in each procedure."""
    return Task(number, prose.RELEASE_INSTANCE, "target", step=InstanceRelease)


def volume_removed(
    number: str,
    run: str,
    *between: Task,
    joins: str = "",
    delete: Prose = prose.DELETE_VOLUME,
) -> tuple[Task, ...]:
    """Return restore step 19: two scripts, because the instance's role may not detach volumes.

    between: tasks between the two, in the same place as the second. delete: the second's text.
    """
    return (
        Task(
            f"{number}19",
            prose.UNMOUNT_VOLUME,
            "target",
            step=VolumeRelease,
            options={"run": run},
            joins=joins,
        ),
        *between,
        Task(
            f"{number}19b" if between else f"{number}19a",
            delete,
            "target",
            step=VolumeDelete,
            options={"run": run},
        ),
    )


def database_removed(number: str, run: str) -> Task:
    """Return restore step 20."""
    return Task(f"{number}20", prose.DELETE_DATABASE, "target", step=DbDelete, options={"run": run})
