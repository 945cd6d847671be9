"""S3 Batch Operations: jobs that replicate what is already in a bucket.

Sources: s3control service model; Amazon S3 User Guide, "Managing S3 Batch Operations jobs",
"Replicating existing objects with Batch Replication", "Tracking job status and completion
reports". If AWS does not document a failure code, the simulator uses its own.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator import backends, policy, replication
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.values import BucketArn, RoleArn

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.s3 import S3, Version
    from codeocean_cmdgen.simulator.wire import Call

_TERMINAL = {"Complete", "Failed", "Cancelled"}
_KEPT = timedelta(days=90)  # User Guide: jobs are kept 90 days after they end
_FRESH = timedelta(minutes=1)  # the fault "invisible" hides younger jobs
_NO_KEYS = "Manifest generation found no keys matching the filter criteria."
_NO_REPORT = "The job report could not be written to your report bucket"
# User Guide: a job of 1,000 tasks or more fails if over half of them fail.
_RATE_TASKS = 1000
_RATE = 0.5
_FILTERS = {"EligibleForReplication", "ObjectReplicationStatuses", "CreatedAfter", "CreatedBefore"}
_DESCRIBED = (
    "ConfirmationRequired",
    "Description",
    "ManifestGenerator",
    "Operation",
    "Priority",
    "Report",
    "RoleArn",
)


class JobFailedError(Exception):
    """A job cannot continue: reason and failure code."""

    def __init__(self, reason: str, code: str) -> None:
        """Set the reason and the code for FailureReasons."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass
class Job:
    """One job; its state is brought up to date by S3Batch.settle."""

    job_id: str
    account: str
    region: str
    request: dict[str, Any]
    created: datetime
    slow: bool = False
    failing: bool = False
    tasks_to_fail: int = 0
    status: str = "New"
    since: datetime = field(init=False)
    ended: datetime | None = None
    update_reason: str | None = None
    failure: JobFailedError | None = None
    tasks: list[replication.Task] | None = None
    results: list[tuple[Version, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Enter the first state."""
        self.since = self.created

    @property
    def source_arn(self) -> str:
        """ARN of the bucket to replicate from."""
        arn: str = self._generator["SourceBucket"]
        return arn

    @property
    def _generator(self) -> dict[str, Any]:
        generator: dict[str, Any] = self.request["ManifestGenerator"]["S3JobManifestGenerator"]
        return generator

    @property
    def filter(self) -> dict[str, Any]:
        """The filter that selects objects."""
        chosen: dict[str, Any] = self._generator.get("Filter", {})
        return chosen

    @property
    def expected_owner(self) -> str:
        """The account that must own the source bucket: the requested one, or the job's."""
        return str(self._generator.get("ExpectedBucketOwner", self.account))


class S3Batch:
    """S3 Batch Operations of all accounts and Regions.

    ``seconds_per_state`` is how long each state except Active takes, and ``objects_per_second`` is
    how fast an Active job works. Both may be changed at any time.
    """

    def __init__(self, clock: Clock, s3: S3) -> None:
        """Start without jobs."""
        self.seconds_per_state = 5.0
        self.objects_per_second = 100.0
        self._clock = clock
        self._s3 = s3
        self.jobs: dict[str, Job] = {}
        self._tokens: dict[tuple[str, str, str], Job] = {}
        self.operations = {
            "CreateJob": self._create_job,
            "DescribeJob": self._describe_job,
            "ListJobs": self._list_jobs,
            "UpdateJobStatus": self._update_job_status,
        }

    def settle(self) -> None:
        """Update the state of all jobs, and do the work that is due."""
        now = self._clock.now()
        for job in list(self.jobs.values()):
            while job.status not in _TERMINAL and self._leave(job, now):
                pass
            if job.ended and now - job.ended > _KEPT:
                del self.jobs[job.job_id]

    def _leave(self, job: Job, now: datetime) -> bool:
        """Move a job to its next state if its time in this one is over; return whether it moved."""
        duration = self._duration(job)
        if duration is None or job.since + timedelta(seconds=duration) > now:
            return False
        job.since += timedelta(seconds=duration)
        try:
            job.status = self._next_status(job)
        except JobFailedError as failure:
            job.failure = failure
            job.status = "Failed"
        if job.status in _TERMINAL:
            job.ended = job.since
        return True

    def _duration(self, job: Job) -> float | None:
        """Return the seconds that a job stays in its state; None if it waits for a person."""
        if job.status == "Suspended":
            return None
        if job.status == "Active":
            seconds = len(job.tasks or []) / self.objects_per_second
            return seconds * 10 if job.slow else seconds
        return self.seconds_per_state

    def _next_status(self, job: Job) -> str:
        if job.status == "Preparing":
            job.tasks = self._generate_manifest(job)
            return "Suspended" if job.request.get("ConfirmationRequired") else "Ready"
        if job.status == "Active":
            self._work(job)
        if job.status == "Completing":
            self._complete(job)
        following = {
            "New": "Preparing",
            "Ready": "Active",
            "Active": "Completing",
            "Completing": "Complete",
            "Cancelling": "Cancelled",
        }
        return following[job.status]

    def _generate_manifest(self, job: Job) -> list[replication.Task]:
        role = backends.find_role(job.request["RoleArn"])
        service = {"Service": "batchoperations.s3.amazonaws.com"}
        if role is None or not policy.allows(
            role.assume_role_policy_document, "sts:AssumeRole", service
        ):
            reason = f"S3 Batch Operations may not assume the role {job.request['RoleArn']}"
            raise JobFailedError(reason, "AssumeRoleNotPermitted")
        bucket = backends.find_bucket(BucketArn(job.source_arn).name)
        if bucket is None:
            reason = f"No bucket has the ARN {job.source_arn}"
            raise JobFailedError(reason, "SrcBucketNotFound")
        if bucket.account_id != job.expected_owner or bucket.account_id != job.account:
            reason = f"{job.source_arn} has another owner"
            raise JobFailedError(reason, "InvalidManifest")
        if bucket.region_name != job.region:
            reason = f"{job.source_arn} is in {bucket.region_name}"
            raise JobFailedError(reason, "SrcBucketInvalidRegion")
        if bucket.name not in self._s3.replication:
            reason = f"{job.source_arn} has no replication configuration"
            raise JobFailedError(reason, "SrcBucketReplicationConfigMissing")
        tasks = [
            task
            for task in replication.eligible_tasks(self._s3, bucket)
            if _selects(job.filter, task.version, self._s3.status_of(bucket.name, task.version))
        ]
        if not tasks:
            raise JobFailedError(_NO_KEYS, "ManifestGenerationFailed")
        return tasks

    def _work(self, job: Job) -> None:
        bucket = backends.find_bucket(BucketArn(job.source_arn).name)
        for index, task in enumerate(job.tasks or []):
            injected = "InternalError" if index < job.tasks_to_fail else ""
            failure = "SrcBucketNotFound"
            if bucket:
                failure = replication.replicate(self._s3, bucket, task, injected)
            job.results.append((task.version, failure))

    def _complete(self, job: Job) -> None:
        if job.failing:
            reason = "The job failed because of an internal error"
            raise JobFailedError(reason, "InternalError")
        report = job.request["Report"]
        if report["Enabled"] and not self._write_report(job, report):
            raise JobFailedError(_NO_REPORT, "JobReportFailed")
        failed = sum(bool(failure) for _, failure in job.results)
        if len(job.results) >= _RATE_TASKS and failed > _RATE * len(job.results):
            reason = "Job failure rate is above 50%"
            raise JobFailedError(reason, "JobFailureRate")

    def _write_report(self, job: Job, report: dict[str, Any]) -> bool:
        bucket = backends.find_bucket(BucketArn(report["Bucket"]).name)
        if bucket is None or report.get("ExpectedBucketOwner", job.account) != bucket.account_id:
            return False
        source = BucketArn(job.source_arn).name
        folder = "/".join(filter(None, [report.get("Prefix"), f"job-{job.job_id}"]))
        results = []
        for failed, status in ((False, "succeeded"), (True, "failed")):
            rows = [row for row in job.results if bool(row[1]) == failed]
            if not rows or (report["ReportScope"] == "FailedTasksOnly" and not failed):
                continue
            content = _report_csv(source, rows)
            key = f"{folder}/results/{hashlib.sha256(content).hexdigest()[:40]}.csv"
            backends.s3_backend(bucket).put_object(bucket.name, key, content)
            checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
            results.append(
                {"TaskExecutionStatus": status, "Bucket": bucket.name, "MD5Checksum": checksum}
                | {"Key": key}
            )
        manifest = {
            "Format": report["Format"],
            "ReportCreationDate": job.since.isoformat(),
            "Results": results,
            "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode,"
            " ResultMessage",
        }
        backends.s3_backend(bucket).put_object(
            bucket.name, f"{folder}/manifest.json", json.dumps(manifest).encode()
        )
        return True

    def _create_job(self, call: Call) -> dict[str, Any]:
        request = {k: v for k, v in call.parameters.items() if k != "AccountId"}
        token = (call.account, call.region, request.pop("ClientRequestToken"))
        earlier = self._tokens.get(token)
        if earlier:
            if earlier.request != request:
                message = "The token was used for a request with other parameters"
                raise AwsError(message, "IdempotencyException")
            return {"JobId": earlier.job_id}
        _check_request(call.account, request)
        job = Job(str(uuid.uuid4()), call.account, call.region, request, self._clock.now())
        job.slow = "slow-job" in call.faults
        job.failing = "fail-job" in call.faults
        if "failed-tasks" in call.faults:
            job.tasks_to_fail = call.faults["failed-tasks"].count
        self.jobs[job.job_id] = self._tokens[token] = job
        return {"JobId": job.job_id}

    def _find(self, call: Call) -> Job:
        job = self.jobs.get(call.parameters["JobId"])
        if job and "vanish" in call.faults:
            del self.jobs[job.job_id]
            job = None
        if job is None or (job.account, job.region) != (call.account, call.region):
            message = "The specified job does not exist"
            raise AwsError(message, "NoSuchJobException", 404)
        if self._is_hidden(call, job):
            message = "The specified job does not exist"
            raise AwsError(message, "NoSuchJobException", 404)
        return job

    def _is_hidden(self, call: Call, job: Job) -> bool:
        return "invisible" in call.faults and self._clock.now() - job.created < _FRESH

    def _describe_job(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        partition = backends.partition_of(job.region)
        given = {name: job.request[name] for name in _DESCRIBED if name in job.request}
        described = {
            **given,
            "JobId": job.job_id,
            "JobArn": f"arn:{partition}:s3:{job.region}:{job.account}:job/{job.job_id}",
            "Status": job.status,
            "StatusUpdateReason": job.update_reason,
            "ProgressSummary": self._progress(job),
            "CreationTime": job.created,
            "TerminationDate": job.ended,
        }
        if job.failure:
            reason = {"FailureCode": job.failure.code, "FailureReason": job.failure.reason}
            described["FailureReasons"] = [reason]
        if job.status == "Suspended":
            described["SuspendedDate"] = job.since
            described["SuspendedCause"] = "AwaitingConfirmation"
        return {"Job": described}

    def _progress(self, job: Job) -> dict[str, Any] | None:
        """Return the ProgressSummary; None until the manifest is generated or has failed."""
        if job.tasks is None and job.status not in _TERMINAL:
            return None
        total = len(job.tasks or [])
        done, seconds = len(job.results), 0.0
        if job.status == "Active":
            seconds = (self._clock.now() - job.since).total_seconds()
            done = int(total * seconds / (self._duration(job) or 1))
        elif job.results:
            seconds = total / self.objects_per_second * (10 if job.slow else 1)
        failed = sum(bool(failure) for _, failure in job.results)
        return {
            "TotalNumberOfTasks": total,
            "NumberOfTasksSucceeded": done - failed,
            "NumberOfTasksFailed": failed,
            "Timers": {"ElapsedTimeInActiveSeconds": int(seconds)},
        }

    def _list_jobs(self, call: Call) -> dict[str, Any]:
        wanted = call.parameters.get("JobStatuses")
        jobs = [
            job
            for job in reversed(list(self.jobs.values()))
            if (job.account, job.region) == (call.account, call.region)
            and (not wanted or job.status in wanted)
            and not self._is_hidden(call, job)
        ]
        first = _page_start(call.parameters.get("NextToken"), [job.job_id for job in jobs])
        last = first + (call.parameters.get("MaxResults") or 1000)
        return {
            "Jobs": [self._list_entry(job) for job in jobs[first:last]],
            "NextToken": jobs[last].job_id if last < len(jobs) else None,
        }

    def _list_entry(self, job: Job) -> dict[str, Any]:
        return {
            "JobId": job.job_id,
            "Description": job.request.get("Description"),
            "Operation": "S3ReplicateObject",
            "Priority": job.request["Priority"],
            "Status": job.status,
            "CreationTime": job.created,
            "TerminationDate": job.ended,
            "ProgressSummary": self._progress(job),
        }

    def _update_job_status(self, call: Call) -> dict[str, Any]:
        job = self._find(call)
        requested = call.parameters["RequestedJobStatus"]
        if job.status in _TERMINAL or (requested == "Ready" and job.status != "Suspended"):
            message = f"A job that is {job.status} cannot become {requested}"
            raise AwsError(message, "JobStatusException")
        job.status = "Ready" if requested == "Ready" else "Cancelling"
        job.since = self._clock.now()
        job.update_reason = call.parameters.get("StatusUpdateReason")
        return {"JobId": job.job_id, "Status": job.status, "StatusUpdateReason": job.update_reason}


def _page_start(token: str | None, ids: list[str]) -> int:
    if token is None:
        return 0
    if token not in ids:
        message = "The token is not valid"
        raise AwsError(message, "InvalidNextTokenException")
    return ids.index(token)


def _check_request(account: str, request: dict[str, Any]) -> None:
    """Refuse requests by rules that are not in the model (API Reference, CreateJob)."""
    if ("Manifest" in request) == ("ManifestGenerator" in request):
        message = "Exactly one of Manifest and ManifestGenerator must be given"
        raise AwsError(message, "InvalidRequest")
    if "Manifest" in request or request["Operation"].keys() != {"S3ReplicateObject"}:
        message = "The simulator runs only S3ReplicateObject with a generated manifest"
        raise AwsError(message, "InvalidRequest")
    generator = request["ManifestGenerator"]["S3JobManifestGenerator"]
    if generator["EnableManifestOutput"]:
        message = "The simulator does not save generated manifests"
        raise AwsError(message, "InvalidRequest")
    if generator.get("Filter", {}).keys() - _FILTERS:
        message = f"The simulator filters only by {', '.join(sorted(_FILTERS))}"
        raise AwsError(message, "InvalidRequest")
    report = request["Report"]
    if report["Enabled"] and not {"Bucket", "Format", "ReportScope"} <= report.keys():
        message = "Bucket, Format and ReportScope are required when a report is enabled"
        raise AwsError(message, "InvalidRequest")
    role = request["RoleArn"]
    if RoleArn(role).account_id != account or backends.find_role(role) is None:
        message = f"The role {role} does not exist in account {account}"
        raise AwsError(message, "InvalidRequest")


def _selects(chosen: dict[str, Any], version: Version, status: str) -> bool:
    """Return whether a filter selects a version (API Reference, JobManifestGeneratorFilter)."""
    modified = version.last_modified
    return (
        status in (chosen.get("ObjectReplicationStatuses") or [status])
        and modified >= chosen.get("CreatedAfter", modified)
        and modified <= chosen.get("CreatedBefore", modified)
    )


def _report_csv(bucket: str, results: list[tuple[Version, str]]) -> bytes:
    content = io.StringIO()
    writer = csv.writer(content)
    for version, failure in results:
        status = ("failed", failure, "500") if failure else ("succeeded", "", "200")
        row = [bucket, version.name, version.version_id, *status]
        writer.writerow([*row, "" if failure else "Successful"])
    return content.getvalue().encode()
