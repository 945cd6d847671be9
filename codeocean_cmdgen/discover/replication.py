"""When the replication of the backup's buckets into the target ended."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.discover.account import Account
    from codeocean_cmdgen.discover.finder import Finder

_JOB = re.compile(r"codeocean-cmdgen s3-batch-replication run=\S+ bucket=(\S+) ")
"""The description of a job that s3-batch-replication made."""


def find_end(finder: Finder, account: Account) -> None:
    """Find when the last job ended that replicated the buckets: nothing was written since.

    Jobs are listed until 90 days after their end. Before the first there is nothing to find.
    """
    buckets = {arn.rpartition(":")[2] for arn in finder.has("bucket_arn")}
    table = "target.s3-point-in-time"
    try:
        jobs = [
            job
            for job in _jobs(account)
            if (made := _JOB.match(job.get("Description", ""))) and made[1] in buckets
        ]
    except DiscoveryError as error:
        finder.miss("until", error.problems[0].message, table=table)
        return
    at_work = [job["JobId"] for job in jobs if not job.get("TerminationDate")]
    if at_work:
        hint = "codeocean-cmdgen discover backup again when it has ended"
        finder.miss("until", f"job {at_work[0]} still replicates", hint, table)
    elif jobs:
        last = max(job["TerminationDate"] for job in jobs) + timedelta(seconds=1)
        moment = f"{last.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"  # rounded up
        finder.take("until", (moment,), "end of the last replication job", table)


def _jobs(account: Account) -> Iterator[dict[str, Any]]:
    """Yield the replication jobs of an account, of which boto3 pages none by itself."""
    place = {"AccountId": account.id, "MaxResults": 1000}
    while True:
        page = account.ask("the replication jobs", "s3control", "list_jobs", **place)
        yield from page["Jobs"]
        if not page.get("NextToken"):
            return
        place["NextToken"] = page["NextToken"]
