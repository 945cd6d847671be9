"""Moto, called without its server: the state of all accounts is in this process.

Moto keeps its state in module globals, so one process holds one simulated AWS at a time.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException

from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.wire import Call, HttpResponse

if TYPE_CHECKING:
    from moto.iam.models import Role
    from moto.s3.models import FakeBucket, S3Backend

_ROLE_ARN = re.compile(r"arn:(?P<partition>[^:]+):iam::(?P<account>\d{12}):role/.+")


def reset() -> None:
    """Delete the state of all accounts."""
    BackendDict.reset()
    reset_model_data()
    s3_backends.bucket_accounts.clear()


def account_of(access_key: str) -> str | None:
    """Return the account of an access key that moto issued (CreateAccessKey, AssumeRole)."""
    for account, partitions in list(iam_backends.items()):
        if any(access_key in backend.access_keys for backend in partitions.values()):
            return account
    return None


def find_bucket(name: str) -> FakeBucket | None:
    """Return a bucket of any account, or None."""
    partition, account = s3_backends.bucket_accounts.get(name, ("", ""))
    return s3_backends[account][partition].buckets.get(name) if account else None


def s3_backend(bucket: FakeBucket) -> S3Backend:
    """Return the part of moto's S3 that holds the bucket."""
    return s3_backends[bucket.account_id][bucket.partition]


def find_role(arn: str) -> Role | None:
    """Return a role of any account, or None."""
    found = _ROLE_ARN.fullmatch(arn)
    if not found or found["partition"] not in iam_backends[found["account"]]:
        return None
    roles = iam_backends[found["account"]][found["partition"]].roles.values()
    return next((role for role in roles if role.arn == arn), None)


def answer(call: Call) -> HttpResponse:
    """Let moto answer a call; raise AwsError if it does not have the operation."""
    call.moto_request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
    for pattern, handler in _handlers(call.service):
        if pattern.match(call.http.path.partition("?")[0]):
            return _run(handler, call)
    raise _not_simulated(call)


def _run(handler: Any, call: Call) -> HttpResponse:  # noqa: ANN401 - any of moto's callables
    try:
        result = handler(call.moto_request, call.moto_request.raw_url, call.moto_request.headers)
    except HTTPException as error:
        result = (error.code, dict(error.get_headers()), error.get_body())
    except NotImplementedError as error:
        raise _not_simulated(call) from error
    status, headers, body = result if isinstance(result, tuple) else (200, {}, result)
    return HttpResponse(
        status,
        {name: str(value) for name, value in headers.items()},
        body.encode() if isinstance(body, str) else bytes(body or b""),
    )


@cache
def _handlers(service: str) -> list[tuple[re.Pattern[str], Any]]:
    try:
        backends: Any = get_backend(service)  # type: ignore[call-overload]
    except (ImportError, AttributeError):
        return []
    region = "us-east-1" if "us-east-1" in backends["123456789012"] else "aws"
    paths = backends["123456789012"][region].url_paths
    return [(re.compile(path), handler) for path, handler in paths.items()]


def _not_simulated(call: Call) -> AwsError:
    message = f"the simulator does not have {call.service}:{call.operation}"
    return AwsError(message, "NotImplemented", 501)


def partition_of(region: str) -> str:
    """Return the partition of a Region: aws, aws-cn or aws-us-gov."""
    return get_partition(region)
