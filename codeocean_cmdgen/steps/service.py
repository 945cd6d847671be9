"""Stop the application on the services instance, and start it again."""

from __future__ import annotations

from codeocean_cmdgen import vendor
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import (
    DATA_MOUNT,
    INSTANCE,
    REMOUNT,
    STOPPED_INSTANCE,
    HostStep,
)
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
        "where": INSTANCE.format("target or, in a migration, of the source") + " First run "
        "instance-hold: an instance that replaces this one would start the service by itself.",
        "changes": (
            ("systemctl stop", "stops the codeocean service and other units of the vendor"),
            (
                "systemctl mask",
                (
                    "keeps a reboot from starting them. A unit file that is where the mask would "
                    "be is moved away first."
                ),
            ),
            (
                "mv",
                (
                    "moves away cron files that no package of the operating system owns. A file "
                    "that was moved away before is never overwritten: both are kept."
                ),
            ),
            ("docker update", "keeps docker from restarting containers that reach the data volume"),
            (
                "docker stop",
                (
                    "stops these containers. docker removes those that were started with --rm; the "
                    "script names them."
                ),
            ),
            REMOUNT,
        ),
        "takes": "a minute or two.",
        "costs": "nothing. Nobody can work until service-start.",
        "again": "continues, or reports when the service was stopped. After service-start of "
        "the same run it stops nothing: to stop the service again, use a new --run.",
        "killed": "leaves a part of this stopped. Each thing is noted on the disk before it is "
        "stopped, so service-start finds it. If the kill hits the moment in which the data volume "
        "is read-only, the next paste makes it writable again.",
        "undo": "service-start. It cannot start containers that docker has removed, nor units that "
        "have no unit file, as those of systemd-run.",
        "done": "no process could write to the data volume, and the kernel has made it read-only, "
        "which it refuses while a file is open for writing.",
    }
    parts = ("held_files",)
    tables = ("target", "source")


class ServiceStart(HostStep):
    """Start the application again: undo what service-stop did, and wait until it is healthy."""

    data_mount: Folder = DATA_MOUNT
    health_url: LocalUrl = LocalUrl(vendor.HEALTH_URL)
    run: RunName = FIRST_RUN

    name = "service-start"
    title = "start the application again"
    watches = False
    header = {
        "where": STOPPED_INSTANCE + " Run it only when the data is complete: from then on people "
        "can work, and the application deletes what its database does not refer to.",
        "changes": (
            ("systemctl unmask", "unmasks what service-stop of this run masked"),
            (
                "mv",
                (
                    "moves unit files and cron files back. If there is a new file in that place, "
                    "it is kept, with a number and ~ after its name."
                ),
            ),
            ("systemctl start", "starts the codeocean service and the other units"),
            ("docker update", "restores the restart policy of containers"),
            ("docker start", "starts the containers that were running"),
            (
                "mount --options remount",
                "makes the data volume writable, if a killed script left it read-only",
            ),
            ("rm", "removes the folder in which service-stop kept all this"),
        ),
        "takes": "minutes; the script reports how many. Up to five more if the health endpoint "
        "does not answer: its path is known only for older versions.",
        "costs": "nothing.",
        "again": "continues, or reports that the service is active. It does not start what another "
        "run has stopped since.",
        "killed": "leaves a part of this started. What is not put back yet stays in the folder.",
        "undo": "service-stop with a new --run. What the application has deleted is gone.",
        "done": "the service is active three times in a row with the same process. The last line "
        "says what is known about its health.",
    }
    parts = ("complete_copy", "held_files")
    tables = ("target", "source")
