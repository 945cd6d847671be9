"""Rules about accounts, roles and stacks, as AWS describes them."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.check.facts import UnknownError
from codeocean_cmdgen.check.file import route, travellers
from codeocean_cmdgen.check.rule import WARNING, rule
from codeocean_cmdgen.values import BucketArn, VaultArn
from codeocean_cmdgen.vendor import (
    DESTINATION,
    REPLICATED_BUCKETS,
    RESTORE_SOURCE,
    bucket_parameter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts, Job

_STABLE = re.compile(r"(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT)_COMPLETE")
_TEMPLATE = "the vendor's template 3.8.2, codeocean.template.yaml"
_GUIDE = "the vendor's guide, Backup and restore"
_COPY = "https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy"
_LOOK = "aws cloudformation describe-stack-events --stack-name {1} --region {0.region}"
_CLEAR_DESTINATIONS = (
    "codeocean-cmdgen stack-parameters --from target --values {file} "
    f"--clear {DESTINATION}VaultArn --clear {DESTINATION}S3KmsKey"
)


def _stacks(facts: Facts) -> Iterator[tuple[Deployment, str]]:
    for one in facts.route:
        name = one.value("stack_name")
        if name:
            yield one, name


def _source_and_target(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    return [(facts.source, facts.target)]


def _jobs(facts: Facts) -> Iterator[tuple[Deployment, Job]]:
    for one in facts.route:
        for job in facts.jobs(one):
            yield one, job


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _source(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(facts.source, facts)]


def admits(document: str, account_id: str, action: str) -> bool:
    """Tell whether a statement of a policy allows an action to an account.

    Conditions and denials are not weighed: a policy that does not admit is broken, one that
    does may still refuse.
    """
    return any(
        statement.get("Effect") == "Allow"
        and _names(statement, account_id)
        and any(fnmatchcase(action.lower(), one.lower()) for one in _list(statement, "Action"))
        for statement in statements(document)
    )


def statements(document: str) -> list[dict[str, Any]]:
    """Return the statements of a policy."""
    found = json.loads(document).get("Statement", [])
    return found if isinstance(found, list) else [found]


def _list(statement: dict[str, Any], key: str) -> list[str]:
    found = statement.get(key, [])
    return found if isinstance(found, list) else [found]


def _names(statement: dict[str, Any], account_id: str) -> bool:
    principal = statement.get("Principal", {})
    named = [principal] if isinstance(principal, str) else _list(principal, "AWS")
    return any(one in ("*", account_id) or f":{account_id}:" in one for one in named)


@rule(
    "A01",
    each=travellers,
    why="the scripts would be refused, or what is looked at here is another deployment",
    source="the contract of each script: it knows where it is",
    mend="codeocean-cmdgen check PROCEDURE --values {file} --profile {0}=NAME",
)
def credentials_of_the_account(deployment: Deployment) -> Iterator[str]:
    """The credentials are those of the account in the file."""
    found = deployment.credentials
    if not found:
        raise UnknownError(deployment.unseen)
    if found != deployment.account_id:
        yield f"[{deployment}] is {deployment.account_id}, the credentials are of {found}"


@rule(
    "A02",
    each=route,
    why="AWS Backup copies between accounts of one organization only",
    source=_COPY,
    mend="aws organizations describe-organization",
)
def one_organization(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """Both accounts are in one organization."""
    if origin.account_id == destination.account_id:
        return
    found = {}
    for one in (origin, destination):
        answer = one.answer("DescribeOrganization")
        if answer is None:
            yield f"account {one.account_id} of [{one}] is in no organization"
            return
        found[one.role] = answer["Organization"]["Id"]
    if len(set(found.values())) > 1:
        yield ", ".join(f"[{role}] is in {identity}" for role, identity in found.items())


@rule(
    "A03",
    each=_jobs,
    why="the job cannot start; AWS makes the default role when its console is first used",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
    mend="aws iam create-role --path /service-role/ --role-name AWSBackupDefaultServiceRole "
    "--assume-role-policy-document file://trust.json; or open the console of AWS Backup in "
    "{0.account_id}, Protected resources, Create on-demand backup, once",
)
def role_exists(deployment: Deployment, job: Job) -> Iterator[str]:
    """Each role exists."""
    if deployment.answer("GetRole", job.role_arn) is None:
        yield f"{job.role_arn}, which {job.step} hands over, does not exist"


@rule(
    "A04",
    each=_jobs,
    why="the service cannot assume the role, and each of its jobs fails",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html",
    mend="aws iam get-role --role-name {1.role_arn.name}",
)
def role_trusts_the_service(deployment: Deployment, job: Job) -> Iterator[str]:
    """Each role trusts the service that it is handed to."""
    answer = deployment.answer("GetRole", job.role_arn)
    trust = answer["Role"]["AssumeRolePolicyDocument"] if answer else {}
    trusted = {
        service
        for statement in statements(json.dumps(trust))
        if statement.get("Effect") == "Allow"
        for service in _list(statement.get("Principal", {}), "Service")
    }
    if answer and job.service not in trusted:
        yield f"{job.role_arn} of {job.step} does not trust {job.service}"


@rule(
    "S01",
    each=_stacks,
    why="every step begins with the stack's resources; in the wrong Region there is none",
    source=_GUIDE,
    mend="codeocean-cmdgen stack-create --values {file}",
)
def stack_exists(deployment: Deployment, name: str) -> Iterator[str]:
    """The stack exists in the account and the Region."""
    if deployment.answer("DescribeStacks", name) is None:
        place = f"{deployment.account_id} {deployment.region}"
        yield f"there is no stack {name} of [{deployment}] in {place}"


@rule(
    "S02",
    each=_stacks,
    why="CloudFormation refuses to update a stack that is at work, or broken",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html",
    mend=_LOOK,
)
def stack_is_stable(deployment: Deployment, name: str) -> Iterator[str]:
    """The stack is complete."""
    answer = deployment.answer("DescribeStacks", name)
    status = answer["Stacks"][0]["StackStatus"] if answer else "CREATE_COMPLETE"
    if not _STABLE.fullmatch(status):
        yield f"stack {name} of [{deployment}] is {status}"


@rule(
    "S03",
    each=_source_and_target,
    procedures=("restore", "migration"),
    why="another version cannot read the data; the guide demands the same",
    source=f"{_GUIDE}: make sure to use the same version",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} --template-url URL",
)
def one_version(source: Deployment, target: Deployment) -> Iterator[str]:
    """Source and target have the same version of the template."""
    mine, its = (
        one.answer("GetTemplateSummary", one.value("stack_name")) for one in (source, target)
    )
    if not (mine and its):
        return
    mine_keys, its_keys = (
        {one["ParameterKey"] for one in summary["Parameters"]} for summary in (mine, its)
    )
    if mine_keys != its_keys:
        different = sorted(mine_keys ^ its_keys)
        yield f"only one of [source] and [target] has the parameters {', '.join(different)}"
    elif mine.get("Description") != its.get("Description"):
        yield f"[source] is {mine.get('Description')!r}, [target] {its.get('Description')!r}"


@rule(
    "S04",
    each=route,
    procedures=("restore", "migration"),
    why="without it the vault, its key and the buckets of the target admit no other account",
    source=f"{_TEMPLATE}, pRestoreSourceAccountId",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} --preset restore-source",
)
def restore_source_is_set(origin: Deployment, target: Deployment) -> Iterator[str]:
    """The restore source parameter of the target is the account that data comes from."""
    parameters = target.parameters
    found = parameters.get(RESTORE_SOURCE, "")
    if parameters and found != origin.account_id:
        yield f"{RESTORE_SOURCE} of [target] is {found or 'empty'}, not {origin.account_id}"


@rule(
    "S05",
    each=_target,
    procedures=("restore", "migration"),
    why="each copy that arrives in the vault would start a copy back, and deletions go back too",
    source=f"{_TEMPLATE}, CopyJobEventRule, and the rules of the buckets",
    mend=_CLEAR_DESTINATIONS,
)
def target_copies_nothing_back(target: Deployment) -> Iterator[str]:
    """No parameter of the target says where its backups go."""
    for key, value in sorted(target.parameters.items()):
        if key in (f"{DESTINATION}VaultArn", f"{DESTINATION}S3KmsKey") and value:
            yield f"{key} of [target] is {value}"


@rule(
    "S06",
    each=route,
    procedures=("backup", "migration"),
    why="the backups go somewhere else than the file says",
    source=f"{_TEMPLATE}, pDestinationBackupVaultArn",
    mend="codeocean-cmdgen stack-parameters --values {file}",
)
def copies_go_to_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The source's stack copies its backups to no other vault."""
    found = origin.parameters.get(f"{DESTINATION}VaultArn", "")
    if not found or not destination.vault:
        return  # stack-parameters is yet to come
    vault = VaultArn(found)
    wanted = (destination.account_id, destination.region, destination.vault)
    if VaultArn.why_not(found) or (vault.account_id, vault.region, vault.name) != wanted:
        yield f"{DESTINATION}VaultArn of [{origin}] is {found}"


@rule(
    "S07",
    each=route,
    procedures=("backup", "migration"),
    why="what belongs into one bucket lands in another: no restore puts that right",
    source=f"{_TEMPLATE}, pDestinationBackup...BucketArn",
    mend="codeocean-cmdgen stack-parameters --values {file}",
)
def bucket_parameters_are_not_crossed(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """Each bucket parameter of the source's stack names the bucket of its kind."""
    parameters = origin.parameters
    for kind in REPLICATED_BUCKETS:
        found = parameters.get(bucket_parameter(kind), "")
        wanted = destination.kinds[kind]
        if found and wanted and BucketArn(found).rpartition(":")[2] not in wanted:
            yield f"{bucket_parameter(kind)} of [{origin}] is {found}, not {wanted[0]}"


@rule(
    "S08",
    each=_source,
    level=WARNING,
    procedures=("backup", "migration"),
    why="STANDARD costs more than a backup needs; a deployment that lives on GLACIER_IR pays for "
    "each read",
    source=f"{_GUIDE}: GLACIER_IR for backup, STANDARD (not GLACIER_IR) for migration",
    mend="codeocean-cmdgen stack-parameters --values {file} --preset {1.procedure}-destination",
)
def storage_class_of_the_procedure(source: Deployment, facts: Facts) -> Iterator[str]:
    """The storage class of the source's replicas is that of the procedure."""
    parameters = source.parameters
    found = parameters.get(f"{DESTINATION}S3StorageClass", "")
    wanted = "STANDARD" if facts.procedure == "migration" else "GLACIER_IR"
    if parameters.get(f"{DESTINATION}S3KmsKey") and found != wanted:
        yield f"{DESTINATION}S3StorageClass of [source] is {found}, {facts.procedure} has {wanted}"


@rule(
    "S09",
    each=route,
    procedures=("backup", "migration"),
    why="without it the copy into another Region is never made",
    source=f"{_TEMPLATE}, pDestinationBackupVaultCrossRegion",
    mend="codeocean-cmdgen stack-parameters --values {file} "
    f"--set {DESTINATION}VaultCrossRegion=yes",
)
def other_region_is_said(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The source's stack knows whether its destination vault is in another Region."""
    parameters = origin.parameters
    found = parameters.get(f"{DESTINATION}VaultCrossRegion", "no")
    wanted = "no" if origin.region == destination.region else "yes"
    if parameters.get(f"{DESTINATION}VaultArn") and found != wanted:
        yield f"{DESTINATION}VaultCrossRegion of [{origin}] is {found}, and it should be {wanted}"


@rule(
    "S10",
    each=_source_and_target,
    level=WARNING,
    procedures=("migration",),
    why="its certificate is validated by DNS, which still points to the source",
    source=f"{_GUIDE}: first set the new stack on a different domain",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} "
    "--set pDnsRootDomain=DOMAIN",
)
def domain_of_its_own(source: Deployment, target: Deployment) -> Iterator[str]:
    """The target has a domain of its own until the switch."""
    mine, its = (one.parameters.get("pDnsRootDomain", "") for one in (source, target))
    if mine and mine == its:
        yield f"pDnsRootDomain of [source] and of [target] is {its}"


@rule(
    "S11",
    each=_source,
    level=WARNING,
    procedures=("backup", "migration"),
    why="the bucket ARNs do nothing without the key: the stack has no replication rule",
    source=f"{_TEMPLATE}, cS3Backup",
    mend="codeocean-cmdgen stack-parameters --values {file}",
)
def key_goes_with_the_buckets(source: Deployment, _: Facts) -> Iterator[str]:
    """A stack that names destination buckets names the key, too."""
    parameters = source.parameters
    named = [kind for kind in REPLICATED_BUCKETS if parameters.get(bucket_parameter(kind))]
    if named and not parameters.get(f"{DESTINATION}S3KmsKey"):
        yield f"{DESTINATION}S3KmsKey of [source] is empty, and buckets are named: {len(named)}"
