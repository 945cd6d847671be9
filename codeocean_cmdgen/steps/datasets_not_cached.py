"""Let the vendor's migration command set all datasets to not cached."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.values import CommandLine, Folder, LocalUrl, RunName


class DatasetsNotCached(HostStep):
    """Run the vendor's command, and follow the job that it starts.

    The cache of datasets lies on EFS, which no snapshot holds: the target's is empty.
    """

    command: CommandLine
    data_mount: Folder = DATA_MOUNT
    health_url: LocalUrl = LocalUrl("http://localhost:8300/health")
    job_url: LocalUrl = LocalUrl("http://localhost:8105/jobs/")
    run: RunName = FIRST_RUN

    name = "datasets-not-cached"
    title = "set all datasets to not cached, by the vendor's command"
    confirm = "datasets-not-cached"
    header = {
        "where": INSTANCE.format("target") + " After service-start.",
        "changes": "runs the vendor's command, which is not public, as root. When its output ends "
        "in the id of a job, in JSON (job_id, jobId, id) or as one word of eight characters or "
        "more with a digit, the vendor's job service is asked until that job is completed or "
        "failed.",
        "takes": "as long as the command and its job. They go on when the session ends.",
        "costs": "nothing.",
        "again": "follows the work, or says when it was completed. A command or a job that failed "
        "is run again. One whose end nobody knows, because it was killed or the job service does "
        "not tell, is run again only after a typed confirmation: ask the vendor whether it may. To "
        "end one that hangs: systemctl stop codeocean-cmdgen-datasets-not-cached",
    }
    tables = ("target",)
