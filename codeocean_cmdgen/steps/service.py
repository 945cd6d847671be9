"""Stop the application on the services instance, and start it again."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.values import Folder, LocalUrl, RunName


class ServiceStop(HostStep):
    """Stop the application, and whatever else could write to the data volume, until it is started.

    Replicated objects would be deleted by the application's cleanup while it runs.
    """

    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "service-stop"
    title = "stop the application and all that writes to the data volume"
    watches = False
    header = {
        "where": INSTANCE.format("target (in a migration: the source too)"),
        "changes": "stops and masks the codeocean service, so that a reboot does not start it; "
        "moves cron files away that are not the system's; stops containers that mount the data "
        "volume. service-start undoes just that. Nobody can work in the meantime. An instance that "
        "Auto Scaling puts in the place of this one would start the service by itself: first run "
        "instance-hold.",
        "takes": "a minute or two.",
        "costs": "nothing.",
        "again": "says since when it is stopped. Once service-start has run, this run is over, and "
        "stopping once more wants a new --run.",
    }
    tables = ("target", "source")


class ServiceStart(HostStep):
    """Start the application again: undo what service-stop did, and wait until it is well."""

    data_mount: Folder = DATA_MOUNT
    health_url: LocalUrl = LocalUrl("http://localhost:8300/health")
    run: RunName = FIRST_RUN

    name = "service-start"
    title = "start the application again"
    watches = False
    header = {
        "where": INSTANCE.format("target"),
        "changes": "undoes what service-stop wrote down, and starts the codeocean service. From "
        "then on people can work, and the application cleans up: only when the data is complete.",
        "takes": "minutes; it says how many. Up to five more where nothing answers at the health "
        "endpoint, whose path is known for older versions only.",
        "costs": "nothing.",
        "again": "says whether the service is active. It does not start what another run has "
        "stopped since.",
    }
    tables = ("target", "source")
