"""HTTP messages, the API operations in them, and error answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request as MotoRequest
from moto.core.request import determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from moto.core.model import OperationModel

    from codeocean_cmdgen.simulator.faults import Fault

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")

# Names that services are signed with, if they differ from the model's name.
_SIGNING_NAMES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch"}
_CREDENTIAL = re.compile(r"(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)/aws4_request")
_REGION_LABEL = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")


@dataclass
class HttpRequest:
    """An HTTP request to a host of AWS; ``path`` includes the query string."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def url(self) -> str:
        """The requested URL."""
        return f"https://{self.host}{self.path}"

    def header(self, name: str) -> str:
        """Return a header, ignoring the case of its name, or an empty string."""
        return next((v for k, v in self.headers.items() if k.lower() == name.lower()), "")


@dataclass
class HttpResponse:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Call:
    """One parsed API call: caller, service, operation and parameters."""

    http: HttpRequest
    access_key: str
    region: str
    service: str
    model: OperationModel
    protocol: str
    moto_request: MotoRequest
    parameters: dict[str, Any]
    account: str = ""
    faults: dict[str, Fault] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """Name of the operation in the service's model."""
        return str(self.model.name)


def is_aws(host: str) -> bool:
    """Return whether a host belongs to AWS."""
    return host.lower().endswith(AWS_DOMAINS)


@dataclass
class Signature:
    """The names in the signature of a request; the signature itself is not checked."""

    access_key: str
    region: str
    service: str


def read_signature(request: HttpRequest) -> Signature:
    """Read access key, Region and service from a request's version 4 signature.

    Raise AwsError if there is no signature, if the service has no model, or if the host belongs to
    another Region.
    """
    query = parse_qs(urlsplit(request.path).query)
    scope = request.header("Authorization") or "".join(query.get("X-Amz-Credential", []))
    found = _CREDENTIAL.search(scope)
    if not found:
        message = "Request is missing Authentication Token"
        raise AwsError(message, "MissingAuthenticationToken", 403)
    service = _SIGNING_NAMES.get(found["service"], found["service"])
    if service == "s3" and ".s3-control." in f".{request.host}":
        service = "s3control"
    if service not in _available_services():
        message = f"no service model is named {service}"
        raise AwsError(message, "UnknownEndpoint", 404)
    _check_host(request.host, service, found["region"])
    return Signature(found["key"], found["region"], service)


def read_call(request: HttpRequest, signature: Signature) -> Call:
    """Find the operation and parse its parameters; raise AwsError if that fails."""
    moto_request = MotoRequest.from_primitives(
        request.method, request.url, request.headers, request.body
    )
    # Moto's router reads percent-encoded keys from here.
    moto_request.environ["RAW_URI"] = request.path
    service = get_service_model(signature.service)
    try:
        protocol = determine_request_protocol(service, moto_request.content_type)
        model, labels = get_service_router(signature.service).match(moto_request)
    except (HTTPException, NotImplementedError) as error:
        message = f"{signature.service} has no operation for {request.method} {request.path}"
        raise AwsError(message, "UnknownOperationException", 404) from error
    return Call(
        request,
        signature.access_key,
        signature.region,
        signature.service,
        model,
        protocol,
        moto_request,
        labels,
    )


def parse_parameters(call: Call) -> dict[str, Any]:
    """Return the parameters by member name, typed as the model says.

    Raise ValueError if a value cannot be read as its type.
    """
    request = call.moto_request
    return dict(
        PROTOCOL_PARSERS[call.protocol](call.model).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": call.http.body,
                "url_path": request.path,
                "url_params": call.parameters,
            }
        )
    )


def result_response(call: Call, result: dict[str, Any]) -> HttpResponse:
    """Return a result in the form of the operation's protocol."""
    serializer = get_serializer_class(call.service, call.protocol)(call.model)
    serialized = serializer.serialize(result)
    body = serialized["body"]
    return HttpResponse(
        serialized["status_code"],
        dict(serialized["headers"]),
        body if isinstance(body, bytes) else body.encode(),
    )


def error_response(error: AwsError, service: str, protocol: str) -> HttpResponse:
    """Return an error in the form of the protocol; service and protocol are empty if unknown."""
    if "json" in protocol:
        body = json.dumps({"__type": error.code, "message": error.message})
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    else:
        body = _error_xml(error, service, protocol)
        headers = {"Content-Type": "application/xml"}
    return HttpResponse(error.status, {**headers, **error.headers}, body.encode())


def _error_xml(error: AwsError, service: str, protocol: str) -> str:
    content = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if protocol == "ec2":
        return f"<Response><Errors><Error>{content}</Error></Errors></Response>"
    if service == "s3":
        return f"<Error>{content}</Error>"
    return f"<ErrorResponse><Error>{content}</Error></ErrorResponse>"


@cache
def _available_services() -> frozenset[str]:
    return frozenset(Loader().list_available_services("service-2"))


def _check_host(host: str, service: str, region: str) -> None:
    prefix = get_service_model(service).endpoint_prefix
    labels = f".{host.lower()}"
    # Older S3 hosts join service and Region: s3-eu-west-1.amazonaws.com
    if f".{prefix}." not in labels and not (service == "s3" and ".s3-" in labels):
        message = f"host {host} does not belong to {service}"
        raise AwsError(message, "UnknownEndpoint", 404)
    in_host = _REGION_LABEL.search(host)
    if in_host and in_host[1] != region:
        message = f"Credential should be scoped to a valid Region, not {region} for {host}"
        raise AwsError(message, "SignatureDoesNotMatch", 403)
