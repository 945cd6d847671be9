"""Follow the S3 Batch Replication jobs of one run: which they are, how far, and how they ended.

    replication_jobs.py read RUN
    replication_jobs.py plan SET_DIGEST BUCKET...
    replication_jobs.py progress | failed | judge

Files in the current folder:

    pages    the answers of list-jobs, one page a line
    tokens   BUCKET TOKEN: the token that the description of this run's job for the bucket names
    created  BUCKET JOB_ID: the jobs that were created just now, which S3 may not list yet
    empty    the buckets that were proved empty
    jobs     what "read" knows of the run's jobs, for the other commands and for the next "read"
    buckets/BUCKET/description  what describe-job answered; description.failed: why it did not
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

ENDED = ("Complete", "Failed", "Cancelled", "lost")
FAILED = ("Failed", "Cancelled", "lost")
STILL_COUNTING = ("New", "Preparing")
"""The statuses of jobs that do not know all of their objects yet."""
MOST_UNLISTED = 10
"""A job that S3 has not listed so often in a row, and once more, is lost."""
NO_KEYS = "found no keys"
"""A part of the reason that S3 gives if no object is eligible."""
OPERATION = "S3ReplicateObject"
"""What S3 calls the operation of a replication job."""
DESCRIPTION = re.compile(
    r"codeocean-cmdgen s3-batch-replication run=(?P<run>[^ ]+) bucket=(?P<bucket>[^ ]+) "
    r"set=(?P<set_digest>[0-9a-f]{8}):(?P<set_size>[1-9][0-9]*) token=(?P<token>[^ ]+)"
)
"""What this run's script gives its jobs: list-jobs does not name their buckets."""
WORD = re.compile(r"[A-Za-z0-9_:.+-]{1,64}")
"""The ID, the status and the times of a job. The script reads them as words of a line."""


@dataclass(frozen=True)
class Job:
    """A job of this run.

    status: as S3 calls it, or "lost" if S3 no longer lists it.
    set_digest, set_size: the buckets that its script was for, and how many jobs it needed.
    unlisted: how often in a row S3 has not listed it.
    """

    bucket: str
    job_id: str
    status: str = "New"
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    seconds: int = 0
    ended: str = "-"
    set_digest: str = ""
    set_size: int = 0
    unlisted: int = 0


class Verdict(NamedTuple):
    """How a job ended."""

    good: bool
    text: str


def listed_jobs(
    pages: Iterable[dict[str, Any]], run: str, tokens: dict[str, str]
) -> dict[str, Job]:
    """Return the listed jobs of a run by bucket, if they have the tokens of these values."""
    found = {}
    for page in pages:
        for entry in page.get("Jobs") or []:
            match = DESCRIPTION.fullmatch(entry.get("Description") or "")
            if match and is_of_run(entry, match, run, tokens):
                found[match["bucket"]] = listed_job(entry, match)
    return found


def is_of_run(
    entry: dict[str, Any], description: re.Match[str], run: str, tokens: dict[str, str]
) -> bool:
    """Return whether a job is a replication job of a run. Anybody may copy its description."""
    return (
        entry.get("Operation") == OPERATION
        and description["run"] == run
        and description["token"] == tokens.get(description["bucket"])
    )


def listed_job(entry: dict[str, Any], description: re.Match[str]) -> Job:
    """Return a job as list-jobs shows it."""
    progress = entry.get("ProgressSummary") or {}
    timers = progress.get("Timers") or {}
    ended = re.sub(r"[.][0-9]+", "", str(entry.get("TerminationDate") or "-"))
    return Job(
        bucket=description["bucket"],
        job_id=word(entry["JobId"]),
        status=word(entry["Status"]),
        total=count(progress.get("TotalNumberOfTasks")),
        succeeded=count(progress.get("NumberOfTasksSucceeded")),
        failed=count(progress.get("NumberOfTasksFailed")),
        seconds=count(timers.get("ElapsedTimeInActiveSeconds")),
        ended=word(ended),
        set_digest=description["set_digest"],
        set_size=int(description["set_size"]),
    )


def word(value: object) -> str:
    """Return one word of an answer; exit if it is none."""
    text = str(value)
    if not WORD.fullmatch(text):
        sys.exit(f"S3 describes a job with {ascii(text)}, which is not an ID, a status or a time")
    return text


def count(value: object) -> int:
    """Return a number of an answer, 0 if there is none; exit if it is none."""
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        sys.exit(f"S3 describes a job with {ascii(value)}, which is not a count")
    return value


def updated(known: dict[str, Job], listed: dict[str, Job]) -> dict[str, Job]:
    """Return the jobs by bucket: what is listed, and what is known but not listed, or not yet."""
    unlisted = {bucket: not_listed(job) for bucket, job in known.items()}
    return {**unlisted, **listed}


def not_listed(job: Job) -> Job:
    """Return a job after one more list without it."""
    if job.status in ENDED:
        return job
    if job.unlisted < MOST_UNLISTED:
        return replace(job, unlisted=job.unlisted + 1)
    return Job(job.bucket, job.job_id, status="lost")


def plan(
    buckets: Iterable[str], jobs: dict[str, Job], empty: set[str], set_digest: str
) -> dict[str, str]:
    """Return what to do, by bucket: "follow" its job, "create" one, or leave it.

    An "empty" bucket needs no job. If all jobs of the run were created, a bucket without one
    "was-empty" when the run began: what it holds now is for another run.
    """
    decisions = {}
    for bucket in buckets:
        if bucket in jobs:
            decisions[bucket] = "follow"
        else:
            decisions[bucket] = "empty" if bucket in empty else "create"
    sizes = [job.set_size for job in jobs.values() if job.set_digest == set_digest]
    if sizes and len(jobs) >= max(sizes):
        decisions = {
            bucket: decision.replace("create", "was-empty")
            for bucket, decision in decisions.items()
        }
    return decisions


def progress(jobs: Iterable[Job]) -> list[str]:
    """Return lines to show one after the other: one for each job that runs, after one for all.

    The list is empty if all have ended.
    """
    jobs = list(jobs)
    ended = "".join(f"{job.bucket} ended {job.status}; " for job in jobs if job.status in FAILED)
    done = how_far(
        sum(job.total for job in jobs),
        sum(job.succeeded for job in jobs),
        sum(job.failed for job in jobs),
        max((job.seconds for job in jobs), default=0),
    )
    more = "; more to come" if any(job.status in STILL_COUNTING for job in jobs) else ""
    lines = []
    for job in jobs:
        if job.status not in ENDED:
            own = how_far(job.total, job.succeeded, job.failed, job.seconds)
            lines += [f"{ended}all: {done}{more}", f"{job.bucket} {job.status}, {own}"]
    return lines


def how_far(total: int, succeeded: int, failed: int, seconds: int) -> str:
    """Return counts, per cent, rate and time left."""
    if total == 0:
        return "being prepared"
    text = f"{succeeded} of {total} objects done ({100 * succeeded // total}%), {failed} failed"
    tried = succeeded + failed
    if seconds == 0 or tried == 0:
        return text
    minutes_left = max(total - tried, 0) * seconds // tried // 60
    return f"{text}, {tried / seconds:.1f}/s, {minutes_left} min left"


def judge(job: Job, reason: str, *, empty: bool) -> Verdict:
    """Return what the end of a job means: Complete alone does not mean success.

    reason: what S3 says about a job that failed. empty: whether the bucket was proved empty.
    """
    nothing_found = job.total == 0 and job.failed == 0
    no_keys = job.status == "Failed" and nothing_found and NO_KEYS in reason
    if empty and nothing_found and (job.status == "Complete" or no_keys):
        return Verdict(good=True, text="there was nothing to replicate")
    if job.status == "Complete":
        return judge_counts(job)
    if no_keys:
        return failure(f"{reason} (all archived, COMPLETED or outside rules?)")
    if job.status == "Failed":
        return failure(reason or "S3 gives no reason")
    if job.status == "lost":
        return failure("S3 no longer lists this job; its result is unknown")
    return failure(f"the job is {job.status}. {reason}".strip())


def judge_counts(job: Job) -> Verdict:
    """Return what the counts of a job mean that is Complete, of a bucket that is not empty."""
    if job.failed > 0:
        return failure(f"{job.failed} of {job.total} objects were not replicated")
    if job.total == 0:
        return failure("nothing was replicated, and the bucket is not empty")
    if job.succeeded != job.total:
        return failure(f"S3 accounts for {job.succeeded} of {job.total} objects only")
    return Verdict(good=True, text=f"{job.total} objects")


def failure(text: str) -> Verdict:
    """Return the verdict on a job that has not replicated what it should."""
    return Verdict(good=False, text=text)


def reason_of(bucket: str) -> str:
    """Return what S3 says about a job that failed, or why it does not say so."""
    folder = Path("buckets", bucket)
    failed = folder / "description.failed"
    if failed.exists():
        return one_line(failed.read_text(encoding="utf-8", errors="replace"))
    if not (folder / "description").exists():
        return ""
    job = json.loads((folder / "description").read_text(encoding="utf-8")).get("Job") or {}
    reasons = [one.get("FailureReason") for one in job.get("FailureReasons") or []]
    return one_line(" ".join(filter(None, [*reasons, job.get("StatusUpdateReason")])))


def one_line(text: str) -> str:
    """Return a text from outside as one line."""
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


def pairs(name: str) -> dict[str, str]:
    """Return a file of two words a line; empty if there is none."""
    file = Path(name)
    if not file.exists():
        return {}
    with file.open(encoding="utf-8") as lines:
        return dict(line.split() for line in lines)


def known_jobs() -> dict[str, Job]:
    """Return the jobs that were created just now, and those that the last "read" has written.

    A job exists from its creation, also if S3 cannot be asked for a list.
    """
    created = {bucket: Job(bucket, job_id) for bucket, job_id in pairs("created").items()}
    file = Path("jobs")
    records = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return {**created, **{record["bucket"]: Job(**record) for record in records}}


def read(run: str) -> None:
    """Bring the file of the run's jobs up to date."""
    with Path("pages").open(encoding="utf-8") as lines:
        listed = listed_jobs(map(json.loads, lines), run, pairs("tokens"))
    jobs = updated(known_jobs(), listed)
    text = json.dumps([asdict(job) for job in jobs.values()])
    Path("jobs").write_text(text, encoding="utf-8")


def main(command: str, *arguments: str) -> None:
    """Do what the command says; print its answer."""
    jobs = known_jobs()
    empty = set(Path("empty").read_text(encoding="utf-8").split())
    if command == "read":
        read(*arguments)
    elif command == "plan":
        set_digest, *buckets = arguments
        for bucket, decision in plan(buckets, jobs, empty, set_digest).items():
            sys.stdout.write(f"{decision} {bucket}\n")
    elif command == "progress":
        sys.stdout.writelines(f"{line}\n" for line in progress(jobs.values()))
    elif command == "failed":
        for job in jobs.values():
            if job.status in FAILED:
                sys.stdout.write(f"{job.bucket} {job.job_id} {job.status}\n")
    elif command == "judge":
        for job in jobs.values():
            verdict = judge(job, reason_of(job.bucket), empty=job.bucket in empty)
            outcome = "done" if verdict.good else "failed"
            words = (outcome, job.bucket, job.job_id, str(job.succeeded), job.ended, verdict.text)
            sys.stdout.write(f"{' '.join(words)}\n")
    else:
        sys.exit(f"there is no command {command}")


if __name__ == "__main__":
    main(*sys.argv[1:])
