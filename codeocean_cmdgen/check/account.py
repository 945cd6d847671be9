"""Rules about accounts, roles and stacks."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen import vendor
from codeocean_cmdgen.check.facts import Unknown, UnknownError
from codeocean_cmdgen.check.file import both_deployments, route
from codeocean_cmdgen.check.rule import ADMIT_ORIGIN, EDIT, SET_DESTINATION, WARNING, rule
from codeocean_cmdgen.values import BucketArn, VaultArn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts, PassedRole

_STABLE = re.compile(r"(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT)_COMPLETE")
_COPY = "https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy"
CLEAR_DESTINATIONS = (
    "codeocean-cmdgen stack-parameters --from target --values {file} "
    f"--clear {vendor.DESTINATION_VAULT} --clear {vendor.DESTINATION_KEY}"
)
"""The command that lets the target copy its data nowhere."""


def _stacks(facts: Facts) -> Iterator[tuple[Deployment, str]]:
    for one in facts.route:
        name = one.text("stack_name")
        if name:
            yield one, name


def _source_and_target(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    return [(facts.source, facts.target)]


def _passed_roles(facts: Facts) -> Iterator[tuple[Deployment, PassedRole]]:
    for one in facts.route:
        for passed in facts.passed_roles(one):
            yield one, passed


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _source(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(facts.source, facts)]


def allows(document: str, account_id: str, action: str) -> bool:
    """Return whether a statement of a policy allows an account an action.

    This ignores conditions and Deny statements. So a policy that allows the action here may still
    refuse it, but one that does not is certainly wrong.
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


def show_caller(deployment: Deployment) -> str:
    """Return the command that shows whose the credentials are that the check used."""
    command = "aws sts get-caller-identity --region {0.region}"
    return f"AWS_PROFILE={{0.profile}} {command}" if deployment.profile else command


@rule(
    "A01",
    each=both_deployments,
    why="the scripts refuse to run with these credentials, and no check can read the account",
    source="the guard of each script, which compares the account",
    fix=show_caller,
    fix_in="",
    advice="This shows whose credentials they are. Then run the check again with "
    "--profile {0}=NAME, where NAME is a profile for account {0.account_id}.",
)
def credentials_of_the_account(deployment: Deployment) -> Iterator[str]:
    """The credentials belong to the account in the file."""
    found = deployment.credentials
    if not found:
        raise UnknownError(Unknown(deployment.why_not_asked))
    if found != deployment.account_id:
        yield f"[{deployment}] is {deployment.account_id}, but the credentials belong to {found}"


@rule(
    "A02",
    each=route,
    why="AWS Backup copies only between accounts of the same organization",
    source=_COPY,
    fix="aws organizations describe-organization --region {1.region}",
    fix_in="{1}",
    advice="Compare the organizations of both accounts. Then invite the account that is outside, "
    "with credentials of the organization's management account.",
)
def one_organization(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """Both accounts are in the same organization."""
    if origin.account_id == destination.account_id:
        return
    found = {}
    for one in (origin, destination):
        answer = one.answer("DescribeOrganization")
        if answer is None:
            yield f"account {one.account_id} of [{one}] does not belong to an organization"
            return
        found[one.role] = answer["Organization"]["Id"]
    if len(set(found.values())) > 1:
        yield ", ".join(f"[{role}] is in {identity}" for role, identity in found.items())


@rule(
    "A03",
    each=_passed_roles,
    why="the job cannot start without its role",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
    fix="codeocean-cmdgen discover {0} --values {file}",
    advice=f"{vendor.DEFAULT_ROLE} is created by the console of AWS Backup: open Protected "
    "resources > Create on-demand backup once.",
)
def role_exists(deployment: Deployment, passed: PassedRole) -> Iterator[str]:
    """Each role exists."""
    if deployment.answer("GetRole", passed.role_arn) is None:
        yield f"{passed.role_arn}, which {passed.step} passes, does not exist"


@rule(
    "A04",
    each=_passed_roles,
    why="the service cannot assume the role, so every job fails",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-service.html",
    fix="aws iam get-role --role-name {1.role_arn.name} --region {0.region}",
    advice="Allow {1.service} to assume the role in its trust policy, or correct role_arn in the "
    "deployment file.",
)
def role_trusts_the_service(deployment: Deployment, passed: PassedRole) -> Iterator[str]:
    """Each role trusts the service that it is passed to."""
    answer = deployment.answer("GetRole", passed.role_arn)
    trust = answer["Role"]["AssumeRolePolicyDocument"] if answer else {}
    trusted = {
        service
        for statement in statements(json.dumps(trust))
        if statement.get("Effect") == "Allow"
        for service in _list(statement.get("Principal", {}), "Service")
    }
    if answer and passed.service not in trusted:
        yield f"{passed.role_arn} of {passed.step} does not trust {passed.service}"


@rule(
    "S01",
    each=_stacks,
    why="every step needs the stack's resources; in the wrong Region there are none",
    source=vendor.GUIDE,
    fix="aws cloudformation describe-stacks --region {0.region}",
    advice="This lists the stacks that exist. Correct stack_name or region in the deployment file, "
    "or create the stack with the step stack-create.",
)
def stack_exists(deployment: Deployment, name: str) -> Iterator[str]:
    """The stack exists in the account and the Region."""
    if deployment.answer("DescribeStacks", name) is None:
        place = f"{deployment.account_id} {deployment.region}"
        yield f"stack {name} of [{deployment}] does not exist in {place}"


@rule(
    "S02",
    each=_stacks,
    why="CloudFormation refuses to update a stack that is being changed or has failed",
    source="https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html",
    fix="aws cloudformation describe-stack-events --stack-name {1} --region {0.region}",
    advice="Wait until the change is complete. After a failure, the events show the cause.",
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
    why="another version cannot read the data; the guide requires the same version",
    source=f"{vendor.GUIDE}: make sure to use the same version",
    fix=EDIT,
    advice="Set template_url in [target.stack-parameters] to the template of [source]. Then run "
    "stack-parameters --from target.",
)
def one_version(source: Deployment, target: Deployment) -> Iterator[str]:
    """Source and target use the same version of the template."""
    mine, its = (
        one.answer("GetTemplateSummary", one.text("stack_name")) for one in (source, target)
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
        yield f"[source] is {mine.get('Description')!r}, [target] is {its.get('Description')!r}"


@rule(
    "S04",
    each=route,
    procedures=("restore", "migration"),
    why="without it, the target's vault, key and buckets allow no other account",
    source=f"{vendor.TEMPLATE}, {vendor.RESTORE_SOURCE}",
    fix=ADMIT_ORIGIN,
    fix_in="target",
)
def restore_source_is_set(origin: Deployment, target: Deployment) -> Iterator[str]:
    """The target's restore source parameter is the account that data is copied from."""
    parameters = target.parameters
    found = parameters.get(vendor.RESTORE_SOURCE, "")
    if parameters and found != origin.account_id:
        yield f"{vendor.RESTORE_SOURCE} of [target] is {found or 'empty'}, not {origin.account_id}"


@rule(
    "S05",
    each=_target,
    procedures=("restore", "migration"),
    why="each copy into the vault would start a copy back, and deletions would be replicated back",
    source=f"{vendor.TEMPLATE}, CopyJobEventRule, and the rules of the buckets",
    fix=CLEAR_DESTINATIONS,
)
def target_copies_nothing_back(target: Deployment) -> Iterator[str]:
    """No parameter of the target names a destination for its backups."""
    for key, value in sorted(target.parameters.items()):
        if key in (vendor.DESTINATION_VAULT, vendor.DESTINATION_KEY) and value:
            yield f"{key} of [target] is {value}"


@rule(
    "S06",
    each=route,
    procedures=("backup", "migration"),
    why="the backups are copied to a vault that the file does not name",
    source=f"{vendor.TEMPLATE}, {vendor.DESTINATION_VAULT}",
    fix=SET_DESTINATION,
)
def copies_go_to_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The source's stack copies its backups only to the destination's vault."""
    found = origin.parameters.get(vendor.DESTINATION_VAULT, "")
    if not found or not destination.vault:
        return  # stack-parameters has not run yet
    vault = VaultArn(found)
    wanted = (destination.account_id, destination.region, destination.vault)
    if VaultArn.why_not(found) or (vault.account_id, vault.region, vault.name) != wanted:
        yield f"{vendor.DESTINATION_VAULT} of [{origin}] is {found}"


@rule(
    "S07",
    each=route,
    procedures=("backup", "migration"),
    why="objects would be replicated to a bucket of the wrong kind, which no restore can undo",
    source=f"{vendor.TEMPLATE}, {vendor.bucket_parameter('...')}",
    fix=SET_DESTINATION,
)
def bucket_parameters_are_not_crossed(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """Each bucket parameter of the source's stack names the bucket of its kind."""
    parameters = origin.parameters
    for kind in vendor.REPLICATED_BUCKETS:
        found = parameters.get(vendor.bucket_parameter(kind), "")
        wanted = destination.kinds[kind]
        if found and wanted and BucketArn(found).name not in wanted:
            yield f"{vendor.bucket_parameter(kind)} of [{origin}] is {found}, not {wanted[0]}"


@rule(
    "S08",
    each=_source,
    level=WARNING,
    procedures=("backup", "migration"),
    why="STANDARD costs more than a backup needs; with GLACIER_IR a running deployment pays for "
    "each read",
    source=f"{vendor.GUIDE}: GLACIER_IR for backup, STANDARD (not GLACIER_IR) for migration",
    fix=SET_DESTINATION,
)
def storage_class_of_the_procedure(source: Deployment, facts: Facts) -> Iterator[str]:
    """The storage class of the source's replicas fits the procedure."""
    parameters = source.parameters
    found = parameters.get(vendor.DESTINATION_STORAGE_CLASS, "")
    wanted = "STANDARD" if facts.procedure == "migration" else "GLACIER_IR"
    if parameters.get(vendor.DESTINATION_KEY) and found != wanted:
        yield (
            f"{vendor.DESTINATION_STORAGE_CLASS} of [source] is {found}, but {facts.procedure} "
            f"needs {wanted}"
        )


def _across_regions(facts: Facts) -> list[tuple[Deployment, str]]:
    """Return the origin, and whether data is copied to another Region: yes or no."""
    origin, destination = facts.route
    return [(origin, "no" if origin.region == destination.region else "yes")]


@rule(
    "S09",
    each=_across_regions,
    procedures=("backup", "migration"),
    why="if the parameter is wrong, backups are not copied to the other Region",
    source=f"{vendor.TEMPLATE}, {vendor.DESTINATION_CROSS_REGION}",
    fix="codeocean-cmdgen stack-parameters --from {0} --values {file} "
    f"--set {vendor.DESTINATION_CROSS_REGION}={{1}}",
)
def other_region_is_said(origin: Deployment, wanted: str) -> Iterator[str]:
    """The cross-Region parameter of the source's stack fits its destination vault."""
    parameters = origin.parameters
    found = parameters.get(vendor.DESTINATION_CROSS_REGION, "no")
    if parameters.get(vendor.DESTINATION_VAULT) and found != wanted:
        yield f"{vendor.DESTINATION_CROSS_REGION} of [{origin}] is {found}, but must be {wanted}"


@rule(
    "S10",
    each=_source_and_target,
    level=WARNING,
    procedures=("migration",),
    why="its certificate is validated by DNS, which still points to the source",
    source=f"{vendor.GUIDE}: first set the new stack on a different domain",
    fix=EDIT,
    advice=f"Set {vendor.DOMAIN} in [target.stack-parameters] to a domain that only the target "
    "has. Then run stack-parameters --from target.",
)
def domain_of_its_own(source: Deployment, target: Deployment) -> Iterator[str]:
    """The target has its own domain until DNS is switched."""
    mine, its = (one.parameters.get(vendor.DOMAIN, "") for one in (source, target))
    if mine and mine == its:
        yield f"{vendor.DOMAIN} of both [source] and [target] is {its}"


@rule(
    "S11",
    each=_source,
    level=WARNING,
    procedures=("backup", "migration"),
    why="without the key the bucket ARNs have no effect: the stack has no replication rule",
    source=f"{vendor.TEMPLATE}, cS3Backup",
    fix=SET_DESTINATION,
)
def key_goes_with_the_buckets(source: Deployment, _: Facts) -> Iterator[str]:
    """A stack that names destination buckets also names the key."""
    parameters = source.parameters
    named = [
        kind for kind in vendor.REPLICATED_BUCKETS if parameters.get(vendor.bucket_parameter(kind))
    ]
    if named and not parameters.get(vendor.DESTINATION_KEY):
        yield f"{vendor.DESTINATION_KEY} of [source] is empty, but {len(named)} buckets are named"
