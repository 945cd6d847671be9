"""Accounts of a simulator, and jobs of S3 Batch Operations in one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator

ACCOUNT = "222222222222"
OTHER = "333333333333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"


class Batch:
    """Shorthands for jobs of S3 Batch Operations in ACCOUNT."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.client = sim.account(ACCOUNT).client("s3control")

    def request(self, source: str = "source", **changes: Any) -> dict[str, Any]:
        """Return a valid CreateJob request; keywords replace members, None removes them."""
        filters = changes.pop("filters", {})
        generator = {
            "SourceBucket": f"arn:aws:s3:::{source}",
            "EnableManifestOutput": False,
            "Filter": filters,
        }
        request = {
            "AccountId": ACCOUNT,
            "ConfirmationRequired": False,
            "Operation": {"S3ReplicateObject": {}},
            "Report": {"Enabled": False},
            "ClientRequestToken": "token",
            "Priority": 1,
            "RoleArn": ROLE,
            "ManifestGenerator": {"S3JobManifestGenerator": generator},
            **changes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def create(self, source: str = "source", **changes: Any) -> str:
        """Create a job and return its id."""
        return str(self.client.create_job(**self.request(source, **changes))["JobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return the description of a job."""
        job: dict[str, Any] = self.client.describe_job(AccountId=ACCOUNT, JobId=job_id)["Job"]
        return job

    def run(self, source: str = "source", **changes: Any) -> dict[str, Any]:
        """Create a job, let an hour pass and return its description."""
        job_id = self.create(source, **changes)
        self.sim.clock.advance(3600)
        return self.describe(job_id)
