"""Let the vendor's migration command set all datasets to not cached."""

from __future__ import annotations

from codeocean_cmdgen import vendor
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.values import CommandLine, Folder, LocalUrl, RunName


class DatasetsNotCached(HostStep):
    """Run the vendor's command, and follow the job that it starts.

    The cache of datasets is on EFS, which no snapshot contains, so it is empty in the target.
    """

    command: CommandLine
    data_mount: Folder = DATA_MOUNT
    health_url: LocalUrl = LocalUrl(vendor.HEALTH_URL)
    job_url: LocalUrl = LocalUrl(vendor.JOB_URL)
    run: RunName = FIRST_RUN

    name = "datasets-not-cached"
    title = "set all datasets to not cached with the vendor's command"
    confirm = "datasets-not-cached"
    header = {
        "where": INSTANCE.format("target") + " Run it after service-start.",
        "changes": (
            (
                "bash -c COMMAND",
                (
                    "runs the vendor's command, which is not public, as root. If its output ends "
                    "in the ID of a job, in JSON (job_id, jobId, id) or as one word of eight "
                    "characters or more with a digit, asks the vendor's job service until that "
                    "job has completed or failed."
                ),
            ),
            (
                "systemd-run",
                (
                    "does that in the unit codeocean-cmdgen-datasets-not-cached, which continues "
                    "when the session ends. systemctl stop codeocean-cmdgen-datasets-not-cached "
                    "ends the unit, but not what the command runs in a container (docker exec) or "
                    "its job: check with docker top CONTAINER."
                ),
            ),
        ),
        "takes": "as long as the command and its job.",
        "costs": "nothing.",
        "again": "follows the work, or reports when it was completed. A command or a job that "
        "failed is run again. If its end is unknown, because it was killed or the job service does "
        "not answer, it is run again only after a confirmation. First check that it is not still "
        "running (ps -ef, docker top CONTAINER), and ask the vendor whether that is safe.",
        "killed": "leaves the unit, which continues. If the unit itself is killed, the command may "
        "still run in a container.",
        "undo": "not by a script: ask the vendor.",
        "done": "the command has ended with exit code 0, and the job service reports its job as "
        "completed. If no job is recognized in the output, the last line says so.",
    }
    parts = ("vendor_command",)
    tables = ("target",)
