"""Entries of listings, and a task, for the tests of the programs of s3-point-in-time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.programs.s3_task import Entry, Task, instant

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = 1_700_000_000
AT, UNTIL = instant(MOMENT), instant(MOMENT + 1000)


def entry(
    version: str, seconds: int, key: str = "key", *, size: int | None = 1, **more: Any
) -> Entry:
    """Return an entry written some seconds after the moment; one without a size is a marker."""
    made: Entry = {"Key": key, "VersionId": version, "LastModified": instant(MOMENT + seconds)}
    if size is not None:
        made["Size"] = size
        made["ETag"] = more.pop("etag", "etag")
        made["StorageClass"] = more.pop("storage_class", "STANDARD")
    return made


def marker(version: str, seconds: int, key: str = "key") -> Entry:
    """Return a delete marker."""
    return entry(version, seconds, key, size=None)


class Client:
    """Stands in for the client of a bucket with these entries: lists them, and has tags."""

    def __init__(self, *entries: Entry, page: int = 1000) -> None:
        self.entries = list(entries)
        self.page = page
        self.tags: dict[str, dict[str, str]] = {}

    def list_object_versions(self, **request: Any) -> dict[str, Any]:
        assert request["ExpectedBucketOwner"] == "333333333333"
        first = int(request.get("KeyMarker", 0))
        prefix = request.get("Prefix", "")
        found = [one for one in self.entries if one["Key"].startswith(prefix)]
        some = found[first : first + min(self.page, request.get("MaxKeys", self.page))]
        last = first + len(some)
        return {
            "IsTruncated": last < len(found),
            "NextKeyMarker": str(last),
            "NextVersionIdMarker": "",
            "Versions": [one for one in some if "Size" in one],
            "DeleteMarkers": [one for one in some if "Size" not in one],
            "Order": [b"Version" if "Size" in one else b"DeleteMarker" for one in some],
        }

    def get_object_tagging(self, **request: Any) -> dict[str, Any]:
        tags = self.tags.get(request["VersionId"], {})
        return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}


def task(folder: Path, client: Client) -> Task:
    """Return a task for one bucket, for which its folder is made."""
    (folder / "bucket").mkdir(exist_ok=True)
    return Task(folder, "333333333333", "us-east-1", AT, UNTIL, ["bucket"], client, client)
