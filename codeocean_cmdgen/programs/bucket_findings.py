"""Judge whether the objects in buckets can be replicated, from what S3 answered about them.

    bucket_findings.py ACCOUNT_ID REGION BUCKET...

The folder buckets/BUCKET holds the answers, a file for each question: location, versioning,
replication, versions, lifecycle, encryption. QUESTION.failed holds the message of AWS if the
question failed.

Prints one finding a line, as KIND BUCKET TEXT:

    elsewhere  it is not known to be a bucket of this account and Region
    problem    its objects cannot be replicated
    warning    some of its objects may stay behind
    note       some objects may stay behind, if there are such objects: said once for all buckets
    empty      it holds no version and no delete marker; TEXT is where its rules replicate to
    full       it holds some, or is not proved to hold none; TEXT likewise
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

NEEDED = ("versioning", "replication", "versions")
"""Without these answers, nothing is started."""
HELPFUL = ("lifecycle", "encryption")
"""Without these, there is a warning, and the jobs start."""
NOTHING_CONFIGURED = ("NoSuchLifecycle", "EncryptionConfigurationNotFound")
"""What S3 answers instead of an empty configuration."""
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes that cannot be replicated."""


class Finding(NamedTuple):
    """What was found about a bucket."""

    kind: str
    text: str


class Answers:
    """What S3 answered about one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def error(self, question: str) -> str:
        """Return why a question has no answer; empty if it has one."""
        failed = self.folder / f"{question}.failed"
        if failed.exists():
            return failed.read_text(encoding="utf-8", errors="replace")
        if not (self.folder / question).exists():
            return f"S3 was not asked about {question}"
        return ""

    def answer(self, question: str) -> dict[str, Any]:
        """Return an answer. It is empty if S3 says nothing, or says that nothing is configured."""
        if self.error(question):
            return {}
        text = (self.folder / question).read_text(encoding="utf-8", errors="replace")
        document: dict[str, Any] = json.loads(text) if text.strip() else {}
        return document


def findings(answers: Answers, account_id: str, region: str) -> Iterator[Finding]:
    """Yield what was found about a bucket."""
    error = answers.error("location")
    if error:
        yield Finding("elsewhere", error)
        return
    actual = bucket_region(answers.answer("location"))
    if actual != region:
        yield Finding("elsewhere", f"the bucket is in Region {actual}, not {region}")
        return
    errors = [error for error in map(answers.error, NEEDED) if error]
    if errors:
        yield from (Finding("problem", error) for error in errors)
        return
    for error in map(answers.error, HELPFUL):
        if error and not any(word in error for word in NOTHING_CONFIGURED):
            yield Finding("warning", error)
    rules = enabled(answers.answer("replication").get("ReplicationConfiguration"))
    destinations = sorted({rule["Destination"]["Bucket"] for rule in rules})
    kind = "empty" if is_proved_empty(answers.answer("versions")) else "full"
    yield Finding(kind, " and ".join(destinations))
    if answers.answer("versioning").get("Status") != "Enabled":
        text = "versioning is not enabled; S3 replicates versioned buckets only"
        yield Finding("problem", text)
    if not rules:
        yield Finding("problem", "the bucket has no enabled replication rule")
    elif all(map(is_narrow, rules)):
        text = "the rules have a prefix or tag filter; other objects are not replicated"
        yield Finding("warning", text)
    yield from lifecycle_findings(answers.answer("lifecycle"))
    yield from encryption_findings(answers.answer("encryption"), rules, account_id)


def bucket_region(location: dict[str, Any]) -> str:
    """Return the Region that S3 reports, which has other words for two of them."""
    constraint = str(location.get("LocationConstraint") or "us-east-1")
    return "eu-west-1" if constraint == "EU" else constraint


def is_proved_empty(versions: dict[str, Any]) -> bool:
    """Tell whether one version or delete marker was asked for, and S3 said that there is none.

    S3 may answer 200 with an error in it, which AWS CLI 2.9 takes for an answer without content:
    that proves nothing.
    """
    some = versions.get("Versions") or versions.get("DeleteMarkers")
    return versions.get("IsTruncated") is False and not some


def enabled(configuration: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the enabled rules of a replication or lifecycle configuration."""
    rules = (configuration or {}).get("Rules") or []
    return [rule for rule in rules if rule.get("Status") == "Enabled"]


def is_narrow(rule: dict[str, Any]) -> bool:
    """Tell whether a replication rule is for some of the keys only."""
    chosen = {"Prefix": rule.get("Prefix"), **(rule.get("Filter") or {})}
    return any(chosen.get(name) for name in ("Prefix", "Tag", "And"))


def lifecycle_findings(configuration: dict[str, Any]) -> Iterator[Finding]:
    """Yield a warning if lifecycle rules work against a replication.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
    """
    names = [str(rule.get("ID", "?")) for rule in enabled(configuration) if is_in_the_way(rule)]
    if names:
        text = (
            "lifecycle rules may remove versions and delete markers while the job runs, and what "
            f"they archived is left out: {', '.join(names)}"
        )
        yield Finding("warning", text)


def is_in_the_way(rule: dict[str, Any]) -> bool:
    """Tell whether a lifecycle rule removes versions, or archives them."""
    if rule.get("Expiration") or rule.get("NoncurrentVersionExpiration"):
        return True
    transitions = [
        *(rule.get("Transitions") or []),
        *(rule.get("NoncurrentVersionTransitions") or []),
    ]
    return any(transition.get("StorageClass") in ARCHIVED for transition in transitions)


def encryption_findings(
    configuration: dict[str, Any], rules: list[dict[str, Any]], account_id: str
) -> Iterator[Finding]:
    """Yield what keeps objects that are encrypted with SSE-KMS from being replicated."""
    by_default = is_kms_by_default(configuration)
    destinations = [rule["Destination"] for rule in rules if replicates_kms(rule)]
    aliases = [key for one in destinations for key in foreign_aliases(one, account_id)]
    if by_default and not destinations:
        text = "objects are encrypted with SSE-KMS by default, which no rule replicates"
        yield Finding("warning", text)
    if aliases and by_default:
        text = f"will fail: {aliases[0]} cannot cross accounts"
        yield Finding("warning", f"objects are encrypted with SSE-KMS by default and {text}")
    elif aliases:
        text = f"will fail: {aliases[0]} cannot cross accounts"
        yield Finding("note", f"objects uploaded with SSE-KMS {text}")


def is_kms_by_default(configuration: dict[str, Any]) -> bool:
    """Tell whether a bucket encrypts with SSE-KMS what is uploaded without a word on encryption."""
    rules = configuration.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
    return str(default.get("SSEAlgorithm", "")).startswith("aws:kms")


def replicates_kms(rule: dict[str, Any]) -> bool:
    """Tell whether a rule replicates objects that are encrypted with SSE-KMS."""
    criteria = rule.get("SourceSelectionCriteria") or {}
    return bool((criteria.get("SseKmsEncryptedObjects") or {}).get("Status") == "Enabled")


def foreign_aliases(destination: dict[str, Any], account_id: str) -> Iterator[str]:
    """Yield the key of a destination if it is an alias in another account.

    An alias is resolved in the account of the caller, and the key of aws/s3 cannot be shared.
    """
    key = str((destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID", ""))
    if "alias/" not in key:
        return
    of_arn = key.split(":")[4:5]
    owner = of_arn[0] if of_arn else destination.get("Account", account_id)
    if owner != account_id:
        yield key


def line(finding: Finding, bucket: str) -> str:
    """Return a finding as one line, whatever names and messages from outside contain."""
    text = " ".join(finding.text.split()).encode("utf-8", "replace").decode("utf-8")
    return f"{finding.kind} {bucket} {text}\n"


def main(account_id: str, region: str, *buckets: str) -> None:
    """Print the findings about the buckets."""
    noted: set[str] = set()
    for bucket in buckets:
        for finding in findings(Answers(Path("buckets", bucket)), account_id, region):
            if finding.kind == "note" and finding.text in noted:
                continue
            noted.add(finding.text)
            sys.stdout.write(line(finding, bucket))


if __name__ == "__main__":
    main(*sys.argv[1:])
