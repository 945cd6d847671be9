"""Parameter Store, Secrets Manager, and roles that may do little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator.server import RoleSession
from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeocean_cmdgen.simulator import Simulator, World


@pytest.fixture
def ssm(sim: Simulator) -> Any:
    return sim.account(ACCOUNT).client("ssm")


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_parameters_come_in_pages_of_ten(world: World, ssm: Any) -> None:
    for number in range(12):
        world.parameter(ACCOUNT, f"/codeocean/secrets/{number:02}", f"value {number}")
    world.parameter(ACCOUNT, "/codeocean2/other", "not asked for", secure=False)
    asked = {"Path": "/codeocean", "Recursive": True, "WithDecryption": True}
    first = ssm.get_parameters_by_path(**asked)
    second = ssm.get_parameters_by_path(**asked, NextToken=first["NextToken"])
    found = first["Parameters"] + second["Parameters"]
    assert len(first["Parameters"]) == 10
    assert [one["Value"] for one in found] == [f"value {number}" for number in range(12)]
    assert {one["Type"] for one in found} == {"SecureString"}
    assert ssm.get_parameters_by_path(Path="/codeocean")["Parameters"] == []


def test_a_secure_value_is_encrypted_unless_decrypted(world: World, ssm: Any) -> None:
    world.parameter(ACCOUNT, "/codeocean/a", "value")
    (found,) = ssm.get_parameters_by_path(Path="/codeocean")["Parameters"]
    assert found["Value"] != "value"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MaxResults": 11}, "ValidationException"),
        ({"Path": "codeocean"}, "ValidationException"),
        ({"Path": "/code ocean"}, "ValidationException"),
        ({"NextToken": "none"}, "InvalidNextToken"),
    ],
)
def test_what_cannot_be_listed(ssm: Any, changes: dict[str, Any], code: str) -> None:
    assert refusal(ssm.get_parameters_by_path, **{"Path": "/codeocean", **changes}) == code


def test_overwriting_has_to_be_asked_for(world: World, ssm: Any) -> None:
    world.parameter(ACCOUNT, "/codeocean/a", "old")
    put = {"Name": "/codeocean/a", "Value": "new"}
    assert refusal(ssm.put_parameter, **put, Type="SecureString") == "ParameterAlreadyExists"
    assert ssm.put_parameter(**put, Overwrite=True)["Version"] == 2
    found = ssm.get_parameter(Name="/codeocean/a", WithDecryption=True)["Parameter"]
    assert (found["Type"], found["Value"]) == ("SecureString", "new")


def test_a_parameter_keeps_its_type_and_tier(ssm: Any) -> None:
    put = {"Name": "/codeocean/a", "Value": "x" * 5000, "Overwrite": True}
    ssm.put_parameter(**put, Type="String", Tier="Advanced", AllowedPattern="^x*$")
    assert ssm.put_parameter(**put)["Tier"] == "Advanced"
    assert refusal(ssm.put_parameter, **put, Tier="Standard") == "ValidationException"
    changed = refusal(ssm.put_parameter, **put, Type="SecureString")
    assert changed == "HierarchyTypeMismatchException"
    mismatch = refusal(ssm.put_parameter, **{**put, "Value": "y"})
    assert mismatch == "ParameterPatternMismatchException"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Type": None}, "ValidationException"),
        ({"Value": ""}, "ValidationException"),
        ({"Value": "x" * 4097}, "ValidationException"),
        ({"Value": "é" * 2049}, "ValidationException"),
        ({"Value": "x" * 8193, "Tier": "Advanced"}, "ValidationException"),
        ({"Value": "{{ssm:other}}"}, "ValidationException"),
        ({"Value": "x", "AllowedPattern": "^[0-9]+$"}, "ParameterPatternMismatchException"),
        ({"Name": "codeocean/a"}, "ValidationException"),
        ({"Name": "/codeocean/a b"}, "ValidationException"),
        ({"Name": "/codeocean//a"}, "ValidationException"),
        ({"Name": "/codeocean/a/"}, "ValidationException"),
        ({"Name": "/aws/a"}, "AccessDeniedException"),
        ({"Name": "/ssm-a"}, "ValidationException"),
        ({"Name": "/" + "/".join("abcdefghijklmnop")}, "HierarchyLevelLimitExceededException"),
    ],
)
def test_what_cannot_be_put(ssm: Any, changes: dict[str, Any], code: str) -> None:
    request = {"Name": "/codeocean/a", "Value": "x", "Type": "String", **changes}
    given = {name: value for name, value in request.items() if value is not None}
    assert refusal(ssm.put_parameter, **given) == code


def test_a_secret_is_its_accounts(sim: Simulator, world: World) -> None:
    name = "/codeocean/analytics/master-password-0"
    arn = world.secret(ACCOUNT, name, "password")
    client = sim.account(ACCOUNT).client("secretsmanager")
    assert client.get_secret_value(SecretId=name)["SecretString"] == "password"
    assert client.get_secret_value(SecretId=arn)["Name"] == name
    other = sim.account(OTHER).client("secretsmanager")
    assert refusal(other.get_secret_value, SecretId=arn) == "ResourceNotFoundException"


def test_a_role_may_do_what_it_may(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = frozenset({"ec2:Describe*", "ssm:PutParameter"})
    session = sim.assume(RoleSession(ACCOUNT, "services", "i-0123456789abcdef0", actions))
    account = sim.account(ACCOUNT)
    monkeypatch.setattr(account, "access_key", session.access_key)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/services/i-0123456789abcdef0"
    assert account.client("sts").get_caller_identity()["Arn"] == arn
    assert account.client("ec2").describe_volumes()["Volumes"] == []
    create = {"AvailabilityZone": "us-east-1a", "Size": 1}
    assert refusal(account.client("ec2").create_volume, **create) == "UnauthorizedOperation"
    get = account.client("ssm").get_parameters_by_path
    assert refusal(get, Path="/codeocean") == "AccessDeniedException"
    assert refusal(account.client("s3").list_buckets) == "AccessDenied"
