"""How requests are identified, validated and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator.wire import HttpRequest, HttpResponse
from tests.support.simulated import ACCOUNT, OTHER, Batch

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator, World

NAMESPACE = 'xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"'
CREATE_JOB = {
    "Operation": "<Operation><S3ReplicateObject></S3ReplicateObject></Operation>",
    "Report": "<Report><Enabled>false</Enabled></Report>",
    "ClientRequestToken": "<ClientRequestToken>token</ClientRequestToken>",
    "Priority": "<Priority>1</Priority>",
    "RoleArn": f"<RoleArn>arn:aws:iam::{ACCOUNT}:role/batch</RoleArn>",
    "ManifestGenerator": (
        "<ManifestGenerator><S3JobManifestGenerator>"
        "<SourceBucket>arn:aws:s3:::source</SourceBucket>"
        "<EnableManifestOutput>false</EnableManifestOutput>"
        "</S3JobManifestGenerator></ManifestGenerator>"
    ),
}


def send(
    sim: Simulator,
    host: str,
    path: str = "/",
    body: str = "",
    *,
    method: str = "POST",
    service: str = "",
    region: str = "us-east-1",
    key: str = "",
    **headers: str,
) -> HttpResponse:
    """Send a request whose signature names the service and Region."""
    service = service or host.partition(".")[0]
    key = key or sim.account(ACCOUNT).access_key
    scope = f"AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, x=y"
    given = {"Authorization": scope, "Host": host}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return sim.handle(HttpRequest(method, host, path, given, body.encode()))


def create_job(sim: Simulator, **parts: str) -> HttpResponse:
    """Send a CreateJob request, with some of its elements replaced."""
    content = "".join((CREATE_JOB | parts).values())
    body = f"<CreateJobRequest {NAMESPACE}>{content}</CreateJobRequest>"
    host = f"{ACCOUNT}.s3-control.us-east-1.amazonaws.com"
    headers = {"x_amz_account_id": ACCOUNT}
    return send(sim, host, "/v20180820/jobs", body, service="s3", **headers)


def test_a_valid_create_job_passes(sim: Simulator, batch: Batch) -> None:
    assert batch
    assert create_job(sim).status == 200
    assert sim.requests[-1].parameters["Priority"] == 1


@pytest.mark.parametrize(
    ("name", "element", "message"),
    [
        ("Priority", "", "missing required member Priority"),
        ("Priority", "<Priority>-1</Priority>", "Priority must be at least 0"),
        ("Priority", "<Priority>3000000000</Priority>", "Priority must be at most 2147483647"),
        ("Priority", "<Priority>high</Priority>", "cannot be read"),
        ("Priority", "<Priority>1</Priority><Priority>2</Priority>", "more than once"),
        ("Extra", "<Colour>red</Colour>", "unknown element Colour"),
        ("RoleArn", "<RoleArn>bad</RoleArn>", "RoleArn must match"),
        ("Description", "<Description></Description>", "length of Description"),
        ("Report", "<Report><Enabled>no</Enabled></Report>", "Report.Enabled must be true or"),
        ("Report", "<Report><Enabled>true</Enabled><Format>x</Format></Report>", "Report.Format"),
        ("ManifestGenerator", "<ManifestGenerator/>", "exactly one member"),
        ("ClientRequestToken", f"<ClientRequestToken>{'x' * 65}</ClientRequestToken>", "at most"),
        ("Broken", "<Broken", "cannot be read"),
    ],
)
def test_a_broken_create_job_is_refused(
    sim: Simulator, name: str, element: str, message: str
) -> None:
    response = create_job(sim, **{name: element})
    assert response.status == 400
    assert message in response.body.decode()
    assert sim.requests[-1].error in {"BadRequest", "MalformedXML"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{}", "MissingParameterValueException", "RecoveryPointArn"),
        ('{"Colour": 1}', "InvalidParameterValueException", "unknown member Colour"),
        ('{"Lifecycle": {"DeleteAfterDays": "9"}}', "InvalidParameterValueException", "a long"),
        ('{"Lifecycle": {"DeleteAfterDays": true}}', "InvalidParameterValueException", "a long"),
        ("[]", "InvalidParameterValueException", "the body must be a structure"),
        ("{", "InvalidParameterValueException", "cannot be read"),
        (
            (
                '{"RecoveryPointArn":"a","DestinationBackupVaultArn":"b","IamRoleArn":"c",'
                '"SourceBackupVaultName":"not a name"}'
            ),
            "InvalidParameterValueException",
            "SourceBackupVaultName must match",
        ),
    ],
)
def test_a_broken_start_copy_job_is_refused(
    sim: Simulator, body: str, code: str, message: str
) -> None:
    host = "backup.us-east-1.amazonaws.com"
    response = send(sim, host, "/copy-jobs", body, method="PUT")
    assert (response.status, sim.requests[-1].error) == (400, code)
    assert message in response.body.decode()


def test_query_parameters_are_checked(sim: Simulator) -> None:
    host = "backup.us-east-1.amazonaws.com"
    for query in ("colour=red", "state=BLUE", "maxResults=0", "maxResults=many"):
        assert send(sim, host, f"/copy-jobs/?{query}", method="GET").status == 400
    assert send(sim, host, "/copy-jobs/?state=FAILED&x-id=List", method="GET").status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("Action=GetRole&Version=2010-05-08", "ValidationError"),
        ("Action=GetRole&Version=2010-05-08&RoleName=a&Colour=red", "ValidationError"),
        ("Action=GetRole&Version=2010-05-08&RoleName=a+b", "ValidationError"),
        ("Action=GetRole&Version=2010-05-08&RoleName=none", "NoSuchEntity"),
        ("Action=Nothing&Version=2010-05-08", "UnknownOperationException"),
    ],
)
def test_query_requests_are_checked(sim: Simulator, body: str, code: str) -> None:
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    send(sim, "iam.amazonaws.com", body=body, **headers)
    assert sim.requests[-1].error == code


def test_json_requests_are_checked(sim: Simulator) -> None:
    headers = {
        "Content_Type": "application/x-amz-json-1.1",
        "X_Amz_Target": "TrentService.DescribeKey",
    }
    host = "kms.us-east-1.amazonaws.com"
    for body, message in (("{}", "KeyId"), ('{"KeyId":"a","Colour":"red"}', "unknown member")):
        response = send(sim, host, body=body, **headers)
        assert (response.status, sim.requests[-1].error) == (400, "ValidationException")
        assert message in response.body.decode()


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("sts", "InvalidClientTokenId", 403),
        ("backup", "UnrecognizedClientException", 403),
        ("s3", "InvalidAccessKeyId", 403),
    ],
)
def test_unknown_access_keys_are_refused(
    sim: Simulator, service: str, code: str, status: int
) -> None:
    host = f"{service}.us-east-1.amazonaws.com"
    response = send(sim, host, method="GET", key="AKIAIOSFODNN7EXAMPLE")
    assert (response.status, sim.requests[-1].error) == (status, code)


def test_keys_from_assume_role_act_in_their_account(sim: Simulator) -> None:
    sts = sim.account(ACCOUNT).client("sts")
    role = f"arn:aws:iam::{OTHER}:role/visitor"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    response = send(
        sim, "sts.us-east-1.amazonaws.com", body=body, key=keys["AccessKeyId"], **headers
    )
    assert "assumed-role/visitor/me" in response.body.decode()
    assert sim.requests[-1].account == OTHER


def test_unsigned_misdirected_and_unknown_requests_are_refused(sim: Simulator) -> None:
    unsigned = HttpRequest("GET", "s3.us-east-1.amazonaws.com", "/", {})
    assert sim.handle(unsigned).status == 403
    assert send(sim, "kms.us-east-1.amazonaws.com", service="sts").status == 404
    assert send(sim, "nothing.us-east-1.amazonaws.com").status == 404
    assert send(sim, "backup.eu-west-1.amazonaws.com", "/copy-jobs/").status == 403
    assert send(sim, "backup.us-east-1.amazonaws.com", "/none").status == 404


def test_identity_and_records(sim: Simulator) -> None:
    account = sim.account(OTHER)
    identity = account.client("sts", "eu-west-1").get_caller_identity()
    assert identity["Account"] == OTHER
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/Operator/operator"
    account.client("iam").list_roles(PathPrefix="/a/")
    records: list[Any] = [
        (record.account, record.service, record.operation, record.region, record.status)
        for record in sim.requests
    ]
    assert records == [
        (OTHER, "sts", "GetCallerIdentity", "eu-west-1", 200),
        (OTHER, "iam", "ListRoles", "us-east-1", 200),
    ]
    assert sim.calls("iam:*")[0].parameters == {"PathPrefix": "/a/"}
    sim.clear_requests()
    assert sim.requests == []


def test_accounts_have_twelve_digits(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="12 digits"):
        sim.account("0123456789")


def test_other_partitions(sim: Simulator) -> None:
    client = sim.account(ACCOUNT).client("sts", "cn-north-1")
    assert client.get_caller_identity()["Arn"].startswith("arn:aws-cn:sts::")


def test_a_bug_in_the_simulator_is_told(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        message = "a bug"
        raise LookupError(message)

    monkeypatch.setattr(sim, "settle", fail)
    response = send(sim, "backup.us-east-1.amazonaws.com", "/copy-jobs/", method="GET")
    assert response.status == 500
    assert "LookupError('a bug')" in response.body.decode()


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("CreateKey", '{"Tags":[{"TagKey":"","TagValue":""}]}', "length of Tags[].TagKey"),
        ("CreateKey", '{"Tags":[1]}', "Tags[] must be a structure"),
        ("Encrypt", '{"KeyId":"a","Plaintext":"","EncryptionContext":{"a":1}}', "a string"),
    ],
)
def test_nested_json_is_checked(sim: Simulator, operation: str, body: str, message: str) -> None:
    headers = {
        "Content_Type": "application/x-amz-json-1.1",
        "X_Amz_Target": f"TrentService.{operation}",
    }
    response = send(sim, "kms.us-east-1.amazonaws.com", body=body, **headers)
    assert response.status == 400
    assert message in response.body.decode()


def test_maps_are_checked(sim: Simulator) -> None:
    body = '{"BackupVaultTags": {"colour": "red"}, "EncryptionKeyArn": "arn"}'
    host = "backup.us-east-1.amazonaws.com"
    assert send(sim, host, "/backup-vaults/mine", body, method="PUT").status == 200
    body = '{"BackupVaultTags": {"colour": 1}}'
    assert send(sim, host, "/backup-vaults/mine", body, method="PUT").status == 400


def test_s3_requests_are_checked(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "mine")
    host = "mine.s3.us-east-1.amazonaws.com"
    xml = '<{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'
    versioning = xml.format("VersioningConfiguration", "<Status>On</Status>")
    tags = xml.format("Tagging", "<TagSet><Label><Key>a</Key></Label></TagSet>")
    requests = (
        ("PUT", "/?versioning", versioning, "MalformedXML"),
        ("PUT", "/?tagging", tags, "MalformedXML"),
        ("GET", "/?versions&max-keys=many", "", "InvalidArgument"),
        ("GET", "/?versions&encoding-type=text", "", "InvalidArgument"),
        ("GET", "/?versions&delimiter=%2F", "", "NotImplemented"),
    )
    for method, path, body, code in requests:
        send(sim, host, path, body, method=method, service="s3")
        assert sim.requests[-1].error == code


def test_what_is_not_simulated_is_told(sim: Simulator) -> None:
    host = "backup.us-east-1.amazonaws.com"
    response = send(sim, host, "/audit/report-jobs", method="GET")
    assert response.status == 501
    assert "does not have backup:ListReportJobs" in response.body.decode()
