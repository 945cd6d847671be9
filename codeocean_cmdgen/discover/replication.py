"""Finds when the replication of the backup's buckets to the target ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.errors import DiscoveryError
from codeocean_cmdgen.programs.replication_jobs import DESCRIPTION
from codeocean_cmdgen.values import BucketArn, Instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.discover.caller import Caller
    from codeocean_cmdgen.discover.finder import Finder


def find_end(finder: Finder, caller: Caller) -> None:
    """Find when the last job that replicated the buckets ended; nothing was written after it.

    S3 lists jobs until 90 days after their end. Without a job there is nothing to find.
    """
    buckets = {BucketArn(arn).name for arn in finder.texts("bucket_arn")}
    table = "target.s3-point-in-time"
    try:
        jobs = [
            job
            for job in _jobs(caller)
            if (ours := DESCRIPTION.fullmatch(job.get("Description", "")))
            and ours["bucket"] in buckets
        ]
    except DiscoveryError as error:
        finder.miss("until", error.problems[0].message, table=table)
        return
    at_work = [job["JobId"] for job in jobs if not job.get("TerminationDate")]
    if at_work:
        command = f"codeocean-cmdgen discover backup {finder.file.option}"
        hint = f"run {command} again when it has ended"
        finder.miss("until", f"job {at_work[0]} is still replicating", hint, table)
    elif jobs:
        last = max(job["TerminationDate"] for job in jobs) + timedelta(seconds=1)
        moment = Instant.of(last)  # rounded up
        finder.take("until", (moment,), "end of the last replication job", table)


def _jobs(caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield the replication jobs of an account; boto3 has no paginator for them."""
    place = {"AccountId": caller.account_id, "MaxResults": 1000}
    while True:
        page = caller.ask("the replication jobs", "s3control", "list_jobs", **place)
        yield from page["Jobs"]
        if not page.get("NextToken"):
            return
        place["NextToken"] = page["NextToken"]
