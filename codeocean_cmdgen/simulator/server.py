"""The simulated AWS: receives requests, checks them, and passes them to the services."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cache, cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from moto.core.utils import get_service_model

from codeocean_cmdgen.isolation import NO_AWS_SETTINGS, private_folder, search_path
from codeocean_cmdgen.simulator import backends, parameters
from codeocean_cmdgen.simulator.autoscaling import AutoScaling
from codeocean_cmdgen.simulator.backup import Backup
from codeocean_cmdgen.simulator.backup_jobs import BackupJobs
from codeocean_cmdgen.simulator.clock import Clock
from codeocean_cmdgen.simulator.cloudformation import CloudFormation
from codeocean_cmdgen.simulator.errors import AwsError, DisconnectedError
from codeocean_cmdgen.simulator.faults import Faults
from codeocean_cmdgen.simulator.organization import Organization
from codeocean_cmdgen.simulator.proxy import (
    CONTROL_PATH,
    PASSWORD_HEADER,
    Proxy,
    json_response,
)
from codeocean_cmdgen.simulator.rds import Rds
from codeocean_cmdgen.simulator.s3 import S3
from codeocean_cmdgen.simulator.s3_batch import S3Batch
from codeocean_cmdgen.simulator.validation import parse_strictly
from codeocean_cmdgen.simulator.wire import (
    Call,
    HttpRequest,
    HttpResponse,
    error_response,
    read_call,
    read_signature,
    result_response,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from datetime import datetime
    from types import TracebackType

    from botocore.awsrequest import AWSPreparedRequest
    from typing_extensions import Self

    from codeocean_cmdgen.simulator.ec2 import Ec2
    from codeocean_cmdgen.simulator.proxy import Listener

_ACCOUNT_ID = re.compile(r"\d{12}")
_KEY_PREFIX = "AKIASIML"  # with the account ID as long as a real key: 20 characters

# Codes of errors that any service can return: service or protocol, then code and status.
# Sources: each service's API Reference, "Common Errors"; S3's "Error Responses".
_COMMON_ERRORS: dict[str, dict[str, tuple[str, int]]] = {
    "throttle": {
        "s3": ("SlowDown", 503),
        "s3control": ("TooManyRequestsException", 429),
        "ec2": ("RequestLimitExceeded", 503),
        "query": ("Throttling", 400),
        "": ("ThrottlingException", 400),
    },
    "internal-error": {
        "s3": ("InternalError", 500),
        "s3control": ("InternalServiceException", 500),
        "backup": ("ServiceUnavailableException", 500),
        "ec2": ("InternalError", 500),
        "": ("InternalFailure", 500),
    },
    "access-denied": {
        "s3": ("AccessDenied", 403),
        "s3control": ("AccessDenied", 403),
        "ec2": ("UnauthorizedOperation", 403),
        "query": ("AccessDenied", 403),
        "": ("AccessDeniedException", 403),
    },
    "expired-token": {
        "s3": ("ExpiredToken", 400),
        "s3control": ("ExpiredToken", 400),
        "ec2": ("RequestExpired", 400),
        "query": ("ExpiredToken", 403),
        "": ("ExpiredTokenException", 403),
    },
    "unknown-key": {
        "s3": ("InvalidAccessKeyId", 403),
        "s3control": ("InvalidAccessKeyId", 403),
        "ec2": ("AuthFailure", 401),
        "query": ("InvalidClientTokenId", 403),
        "": ("UnrecognizedClientException", 403),
    },
}
_MESSAGES = {
    "throttle": "Rate exceeded",
    "internal-error": "The service failed, as injected",
    "access-denied": "The caller is not authorized to perform this operation, as injected",
    "expired-token": "The security token included in the request is expired",
    "unknown-key": "The security token included in the request is invalid",
}

# sleep(1) for scripts under test: advances simulated time instead of waiting.
_SLEEP = """#!/bin/bash
[[ ${SIMULATOR_PORT-} ]] || exec /bin/sleep "$@"
body="{\\"seconds\\": \\"$*\\"}"
exec 3<>"/dev/tcp/127.0.0.1/$SIMULATOR_PORT" || exit 1
printf 'POST %sclock/advance HTTP/1.0\\r\\n%s: %s\\r\\nContent-Length: %d\\r\\n\\r\\n%s' \\
  PATH HEADER 'PASSWORD' "${#body}" "$body" >&3
read -r _ status _ <&3
[[ $status == 200 ]]
""".replace("PATH", CONTROL_PATH).replace("HEADER", PASSWORD_HEADER)
_SLEEP_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class RoleSession:
    """A session of a role that allows only some actions, written like ec2:AttachVolume."""

    account: str
    role: str
    name: str
    actions: frozenset[str]

    @property
    def access_key(self) -> str:
        """The access key, the only part of the credentials that matters."""
        digest = hashlib.sha256(f"{self.account}/{self.role}/{self.name}".encode()).hexdigest()
        return f"ASIA{digest[:16].upper()}"

    def may(self, action: str) -> bool:
        """Return whether an action is allowed; GetCallerIdentity always is."""
        patterns = (*self.actions, "sts:GetCallerIdentity")
        return any(fnmatchcase(action, pattern) for pattern in patterns)


@dataclass
class Request:
    """A recorded request; ``error`` is the error code, None if it succeeded.

    A request whose connection was cut has status 0.
    """

    account: str = ""
    service: str = ""
    operation: str = ""
    region: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    error: str | None = None


class _Body(BytesIO):
    """The body of a response, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        """Yield the content in one piece."""
        yield self.read()


class Account:
    """One simulated AWS account."""

    def __init__(self, simulator: Simulator, account_id: str) -> None:
        """Use ``Simulator.account`` instead."""
        self.id = account_id
        self.access_key = f"{_KEY_PREFIX}{account_id}"
        self._simulator = simulator
        self._clients: dict[tuple[str, str], Any] = {}

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which AWS tools work in this account.

        They disable AWS configuration files and the metadata service, but no other variables of an
        environment that they are added to: use them alone.
        """
        proxy = self._simulator.proxy_url
        return {
            **NO_AWS_SETTINGS,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": f"secret-of-{self.id}",
            "AWS_CA_BUNDLE": str(self._simulator.ca_bundle),
            # Tools that read both spellings prefer the lower case.
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
            "SIMULATOR_PORT": str(self._simulator.port),
        }

    def client(self, service: str, region: str = "us-east-1") -> Any:  # noqa: ANN401 - untyped
        """Return a boto3-style client that reaches the simulator without a socket.

        It does not retry, so that every injected fault is visible.
        """
        if (service, region) not in self._clients:
            client = _sdk_session().create_client(
                service,
                region_name=region,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=f"secret-of-{self.id}",
                config=Config(
                    retries={"total_max_attempts": 1},
                    ignore_configured_endpoint_urls=True,
                    defaults_mode="legacy",  # other modes may call the metadata service
                ),
            )
            client.meta.events.register("before-send", self._send)
            self._clients[service, region] = client
        return self._clients[service, region]

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        host, path = re.findall(r"https?://([^/]+)(/.*)?", request.url)[0]
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        try:
            response = self._simulator.handle(
                HttpRequest(request.method, host, path or "/", headers, content)
            )
        except DisconnectedError as error:
            raise ConnectionClosedError(endpoint_url=request.url) from error
        return AWSResponse(request.url, response.status, response.headers, _Body(response.body))


class Simulator:
    """A local AWS with any number of accounts, reached through a proxy on 127.0.0.1.

    Only one can be open in a process, because moto keeps its state in module globals. Opening one
    deletes that state. Use it as a context manager.
    """

    def __init__(self, clock_speed: float = 0.0, start: datetime | None = None) -> None:
        """Start the proxy; see Clock for the arguments."""
        backends.reset()
        self.clock = Clock(clock_speed, start)
        self.faults = Faults()
        self.s3 = S3()
        self.s3_batch = S3Batch(self.clock, self.s3)
        self.backup = Backup(self.clock)
        self.organization = Organization(self.clock)
        self.cloudformation = CloudFormation(self.clock)
        self.autoscaling = AutoScaling(self.clock)
        self.rds = Rds(self.clock)
        self.backup_jobs = BackupJobs(self.clock, self.backup, self.rds, lambda: self.ec2)
        self.requests: list[Request] = []
        self._accounts: dict[str, Account] = {}
        self._sessions: dict[str, RoleSession] = {}
        self._lock = threading.RLock()
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-", dir=private_folder())
        self.ca_bundle = Path(self._folder.name) / "ca.pem"
        self.sleep_shim_directory = Path(self._folder.name) / "bin"
        self._proxy = Proxy(self.ca_bundle, self.handle, self._control)
        self.port, self.proxy_url = self._proxy.port, self._proxy.url
        self.password = self._proxy.password
        """The value that the control interface expects in PASSWORD_HEADER."""
        self._write_sleep_shim()
        self.clock.on_advance.append(self.settle)

    def __enter__(self) -> Self:
        """Return the simulator, which is already running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the simulator."""
        self.close()

    def close(self) -> None:
        """Stop the proxy and delete all state."""
        self._proxy.close()
        backends.reset()
        self._folder.cleanup()

    def account(self, account_id: str) -> Account:
        """Return an account, creating it if needed; raise ValueError for a malformed ID."""
        if not _ACCOUNT_ID.fullmatch(account_id):
            msg = f"{account_id!r} is not an account ID: expected 12 digits"
            raise ValueError(msg)
        key = f"{_KEY_PREFIX}{account_id}"
        return self._accounts.setdefault(key, Account(self, account_id))

    def assume(self, session: RoleSession) -> RoleSession:
        """Activate the access key of a role session; return the session."""
        self._sessions[session.access_key] = session
        return session

    def listen_too(self, listening: socket.socket) -> Listener:
        """Serve the proxy on another socket, of another network, without a password."""
        return self._proxy.listen_too(listening)

    @cached_property
    def ec2(self) -> Ec2:
        """EC2, which takes a second to load."""
        from codeocean_cmdgen.simulator.ec2 import Ec2  # noqa: PLC0415 - see above

        return Ec2(self.clock, Path(self._folder.name) / "volumes", self.backup)

    def environment(self, account_id: str, path: str | None = None) -> dict[str, str]:
        """Return an account's environment with a PATH on which sleep advances simulated time.

        ``path`` is the PATH after the shim; by default it is that of this process, without parts
        that depend on the current folder.
        """
        behind = search_path() if path is None else path
        shimmed = f"{self.sleep_shim_directory}{os.pathsep}{behind}"
        return {**self.account(account_id).environment(), "PATH": shimmed}

    def calls(self, operation: str) -> list[Request]:
        """Return the recorded requests of ``service:Operation``, with ``*`` as a wildcard."""
        return [
            request
            for request in self.requests
            if fnmatchcase(f"{request.service}:{request.operation}", operation)
        ]

    def clear_requests(self) -> None:
        """Delete the requests recorded so far."""
        self.requests.clear()

    def settle(self) -> None:
        """Update the state of all jobs to the current simulated time."""
        with self._lock:
            self.s3_batch.settle()
            self.backup_jobs.settle()
            self.backup.settle()
            self.cloudformation.settle()
            self.rds.settle()
            if "ec2" in vars(self):
                self.ec2.settle()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer and record a request to AWS; raise DisconnectedError if the answer is cut."""
        record = Request()
        with self._lock:
            self.requests.append(record)
            try:
                self.settle()
                response = self._answer(request, record)
            except AwsError as error:
                record.error = error.code
                response = error_response(error, record.service, _protocol(record.service))
            except DisconnectedError:
                raise
            except Exception as bug:  # noqa: BLE001 - a cut connection would hide it
                record.error = "InternalFailure"
                failure = AwsError(f"the simulator failed: {bug!r}", record.error, 500)
                response = error_response(failure, record.service, _protocol(record.service))
            record.status = response.status
            if request.method == "HEAD":
                response.body = b""
            return response

    def _answer(self, request: HttpRequest, record: Request) -> HttpResponse:
        signature = read_signature(request)
        record.service, record.region = signature.service, signature.region
        record.account = self._account_of(signature.access_key, signature.service)
        call = read_call(request, signature)
        call.account = record.account
        record.operation = call.operation
        record.parameters = call.parameters = parse_strictly(call)
        call.faults = self.faults.take(f"{call.service}:{call.operation}", call.parameters)
        _refuse_by_fault(call)
        self._refuse_by_role(call)
        response = self._dispatch(call)
        if "disconnect-after" in call.faults:
            raise DisconnectedError
        if response.status >= 300:  # noqa: PLR2004 - HTTP: not a success
            record.error = _error_code(response)
        return response

    def _account_of(self, access_key: str, service: str) -> str:
        if access_key in self._accounts:
            return self._accounts[access_key].id
        if access_key in self._sessions:
            return self._sessions[access_key].account
        account = backends.account_of(access_key)
        if account is None:
            unknown = _common_error("unknown-key", service)
            raise unknown
        return account

    def _refuse_by_role(self, call: Call) -> None:
        session = self._sessions.get(call.access_key)
        action = f"{call.service}:{call.operation}"
        if session and not session.may(action):
            denied = _common_error("access-denied", call.service)
            denied.message = f"{_arn(call, session)} is not authorized to perform: {action}"
            raise denied

    def _dispatch(self, call: Call) -> HttpResponse:
        result: dict[str, Any] | HttpResponse
        if call.service == "s3control":
            _check_host_account(call)
        operations: dict[str, dict[str, Any]] = {
            "s3control": self.s3_batch.operations,
            "backup": {
                **self.backup.operations,
                **self.backup_jobs.operations,
                **self.organization.backup_operations,
            },
            "organizations": self.organization.operations,
            "cloudformation": self.cloudformation.operations,
            "autoscaling": self.autoscaling.operations,
            "rds": self.rds.operations,
        }
        operation = operations.get(call.service, {}).get(call.operation)
        if operation:
            result = operation(call)
        elif call.service == "s3":
            result = self.s3.answer(call)
        elif call.service == "ec2":
            result = self.ec2.answer(call)
        elif call.service == "ssm":
            result = parameters.answer(call)
        elif call.operation == "GetCallerIdentity" and call.access_key in self._accounts:
            result = _caller_identity(call)
        elif call.operation == "GetCallerIdentity" and call.access_key in self._sessions:
            result = _session_identity(call, self._sessions[call.access_key])
        else:
            result = backends.answer(call)
        return result_response(call, result) if isinstance(result, dict) else result

    def _control(self, request: HttpRequest) -> HttpResponse:
        """Answer a request to the control interface; see the handlers for their arguments."""
        handlers = {
            ("GET", "requests"): self._control_requests,
            ("POST", "clock/advance"): self._control_clock,
            ("POST", "faults"): self._control_faults,
        }
        handler = handlers.get((request.method, request.path[len(CONTROL_PATH) :]))
        if handler is None:
            return json_response({"error": "no such control"}, 404)
        try:
            return json_response(handler(json.loads(request.body or b"{}")))
        except (KeyError, TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)

    def _control_requests(self, _given: dict[str, Any]) -> object:
        return [asdict(request) for request in self.requests]

    def _control_clock(self, given: dict[str, Any]) -> object:
        """Advance by ``seconds``: a number, or operands of sleep(1)."""
        with self._lock:
            self.clock.advance(_seconds(given["seconds"]))
        return {"now": self.clock.now().isoformat()}

    def _control_faults(self, given: dict[str, Any]) -> object:
        """Add a fault: the arguments of Faults.add."""
        self.faults.add(**given)
        return {}

    def _write_sleep_shim(self) -> None:
        self.sleep_shim_directory.mkdir()
        shim = self.sleep_shim_directory / "sleep"
        shim.write_text(_SLEEP.replace("PASSWORD", self.password), encoding="utf-8")
        shim.chmod(0o755)


@cache
def _sdk_session() -> Any:  # noqa: ANN401 - botocore has no types
    """Return one session for all clients: it caches the service models."""
    # Use no settings of the operator: botocore would refuse even a profile that does not exist.
    empty = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return botocore.session.Session(empty)


def _protocol(service: str) -> str:
    if not service:
        return ""
    return str(get_service_model(service).protocol)


def _common_error(kind: str, service: str) -> AwsError:
    codes = _COMMON_ERRORS[kind]
    code, status = codes.get(service) or codes.get(_protocol(service)) or codes[""]
    return AwsError(_MESSAGES[kind], code, status)


def _refuse_by_fault(call: Call) -> None:
    if "disconnect" in call.faults:
        raise DisconnectedError
    for kind in _COMMON_ERRORS.keys() & call.faults.keys():
        raise _common_error(kind, call.service)


def _check_host_account(call: Call) -> None:
    """Refuse s3control calls for another account, in the host name or in the header."""
    header = call.http.header("x-amz-account-id")
    named = {call.parameters["AccountId"], header or call.account}
    if named != {call.account}:
        message = f"Account {call.account} may not act for {', '.join(sorted(named))}"
        raise AwsError(message, "AccessDenied", 403)


def _caller_identity(call: Call) -> dict[str, Any]:
    partition = backends.partition_of(call.region)
    return {
        "Account": call.account,
        "UserId": f"AROA{call.account}OPER:operator",
        "Arn": f"arn:{partition}:sts::{call.account}:assumed-role/Operator/operator",
    }


def _arn(call: Call, session: RoleSession) -> str:
    partition = backends.partition_of(call.region)
    return f"arn:{partition}:sts::{session.account}:assumed-role/{session.role}/{session.name}"


def _session_identity(call: Call, session: RoleSession) -> dict[str, Any]:
    return {
        "Account": session.account,
        "UserId": f"AROA{session.account}ROLE:{session.name}",
        "Arn": _arn(call, session),
    }


def _error_code(response: HttpResponse) -> str:
    """Read the code of an error that moto wrote."""
    found = re.search(rb"<Code>([^<]+)</Code>|\"__type\": *\"([^\"]+)\"", response.body)
    return (found[1] or found[2]).decode() if found else str(response.status)


def _seconds(operands: float | str) -> float:
    """Return how long sleep(1) waits for these operands; raise ValueError for wrong operands."""
    if not isinstance(operands, str):
        return float(operands)
    if not operands.strip():
        msg = "sleep needs an operand"
        raise ValueError(msg)
    return sum(
        float(operand.rstrip("smhd")) * _SLEEP_UNITS.get(operand[-1], 1)
        for operand in operands.split()
    )
