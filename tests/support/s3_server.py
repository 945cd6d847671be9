"""A small S3 for large buckets, over real HTTP: sorted listings, latency, faults at any request.

It knows what s3-point-in-time and its peers ask for, and refuses what Amazon S3 refuses. Source:
the Amazon S3 API Reference. Times are whole seconds since 1970, as S3's own are whole seconds.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from bisect import bisect_left, insort
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs, parse_qsl, quote_plus, unquote, urlencode, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1000
COPY_LIMIT = 5 * 1024**3
TAG_LIMIT = 10
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
KEPT_HEADERS = ("content-type", "cache-control", "content-encoding", "content-disposition")


@dataclass
class Version:
    """A version or, with ``marker``, a delete marker; ``size`` need not be that of ``content``."""

    version_id: str
    modified: int
    marker: bool = False
    content: bytes = b""
    size: int = 0
    etag: str = ""
    storage_class: str = "STANDARD"
    headers: dict[str, str] = field(default_factory=dict)
    tags: str = ""
    status: str = "REPLICA"
    held: bool = False
    restored: bool = False
    """Whether a copy of what is archived can be read for now."""

    def __post_init__(self) -> None:
        self.size = self.size or len(self.content)
        self.etag = self.etag or hashlib.md5(self.content).hexdigest()


@dataclass
class Bucket:
    """Keys as bytes, sorted; of each key its versions, newest first."""

    owner: str
    keys: list[bytes] = field(default_factory=list)
    stacks: dict[bytes, list[Version]] = field(default_factory=dict)
    versioning: dict[str, str] = field(default_factory=lambda: {"Status": "Enabled"})
    location: str = ""
    documents: dict[str, str] = field(default_factory=dict)
    """The XML of the configurations that there are: replication, lifecycle, object-lock."""

    def fill(self, stacks: dict[str, list[Version]]) -> None:
        """Take over whole histories at once."""
        self.stacks = {key.encode(): versions for key, versions in stacks.items()}
        self.keys = sorted(self.stacks)

    def put(self, key: str, version: Version) -> None:
        name = key.encode()
        if name not in self.stacks:
            insort(self.keys, name)
            self.stacks[name] = []
        self.stacks[name].insert(0, version)

    def remove(self, key: str, version_id: str) -> Version | None:
        name = key.encode()
        stack = self.stacks.get(name, [])
        for version in stack:
            if version.version_id == version_id:
                stack.remove(version)
                if not stack:
                    del self.stacks[name]
                    del self.keys[bisect_left(self.keys, name)]
                return version
        return None

    def find(self, key: str, version_id: str | None) -> Version | None:
        stack = self.stacks.get(key.encode(), [])
        if version_id is None:
            return stack[0] if stack else None
        return next((one for one in stack if one.version_id == version_id), None)

    def state(self) -> dict[str, list[Version]]:
        return {key.decode(): list(stack) for key, stack in self.stacks.items()}

    def entries(self, key_marker: str, version_id_marker: str) -> Iterator[tuple[str, Version]]:
        marker = key_marker.encode()
        for index in range(bisect_left(self.keys, marker), len(self.keys)):
            name = self.keys[index]
            stack = self.stacks[name]
            first = 0
            if name == marker:
                ids = [one.version_id for one in stack] if version_id_marker else []
                first = ids.index(version_id_marker) + 1 if ids else len(stack)
            key = name.decode()
            for version in stack[first:]:
                yield key, version


class S3Error(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


FAULTS = ("slow-down", "error-in-200", "internal-error", "cut", "cut-after", "key-errors")
"""What may strike a request and pass; and besides `expired` and `denied`, which do not."""


class S3Server(ThreadingHTTPServer):
    """Serves buckets on 127.0.0.1; ``fault`` names what strikes a request, if anything.

    ``requests`` counts by operation; ``clock`` gives the present second; ``message`` is what an
    error says, in place of its code.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency = latency
        self.buckets: dict[str, Bucket] = {}
        self.requests: Counter[str] = Counter()
        self.fault: Callable[[int, str], str | None] = lambda _number, _operation: None
        self.clock: Callable[[], int] = lambda: int(time.time())
        self.uploads: dict[str, dict[str, Any]] = {}
        self.message = ""
        self.lock = threading.RLock()

    def server_bind(self) -> None:
        """Bind without asking DNS who we are."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Bear with clients that go away."""


@contextmanager
def serving(latency: float = 0.0) -> Iterator[S3Server]:
    with S3Server(latency) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: S3Server

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        name, _, key = parts.path.lstrip("/").partition("/")
        self.key = unquote(key)
        self.query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self._operation()
        if self.server.latency:
            time.sleep(self.server.latency)
        with self.server.lock:
            self.server.requests[operation] += 1
            self.fault = self.server.fault(self.server.requests.total(), operation)
        try:
            self._refuse()
            with self.server.lock:
                self.bucket = self._bucket(name)
                status, headers, body = getattr(self, f"_{operation}")()
        except S3Error as error:
            status, headers = error.status, {}
            message = escape(self.server.message) or error.code
            body = f"<Error><Code>{error.code}</Code><Message>{message}</Message></Error>"
        if self.fault in {"cut", "cut-after"}:
            self.close_connection = True
            return
        self._answer(status, headers, body.encode())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

    def _operation(self) -> str:
        if not self.key:
            wanted = {"versions", "location", "versioning", "replication", "lifecycle", "delete"}
            (found,) = (wanted | {"object-lock"}) & self.query.keys()
            return found.replace("-", "_")
        if "tagging" in self.query:
            return "tags"
        if "uploads" in self.query or "uploadId" in self.query:
            return f"multipart_{self.command.lower()}"
        return {"PUT": "copy", "HEAD": "head", "GET": "head", "DELETE": "delete_one"}[self.command]

    def _refuse(self) -> None:
        if self.fault == "cut":
            raise S3Error(500, "Cut")
        passing = {"slow-down": (503, "SlowDown"), "internal-error": (500, "InternalError")}
        lasting = {"expired": (400, "ExpiredToken"), "denied": (403, "AccessDenied")}
        refusals = {**passing, **lasting, "error-in-200": (200, "SlowDown")}
        if self.fault in refusals:
            raise S3Error(*refusals[self.fault])

    def _bucket(self, name: str) -> Bucket:
        bucket = self.server.buckets.get(name)
        if bucket is None:
            raise S3Error(404, "NoSuchBucket")
        if self.headers.get("x-amz-expected-bucket-owner", bucket.owner) != bucket.owner:
            raise S3Error(403, "AccessDenied")
        return bucket

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204 and "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # Buckets.

    def _location(self) -> tuple[int, dict[str, str], str]:
        return 200, {}, f"<LocationConstraint>{self.bucket.location}</LocationConstraint>"

    def _versioning(self) -> tuple[int, dict[str, str], str]:
        found = "".join(f"<{k}>{v}</{k}>" for k, v in self.bucket.versioning.items())
        return 200, {}, f"<VersioningConfiguration>{found}</VersioningConfiguration>"

    def _document(self, kind: str, absent: str) -> tuple[int, dict[str, str], str]:
        if kind not in self.bucket.documents:
            raise S3Error(404, absent)
        return 200, {}, self.bucket.documents[kind]

    def _replication(self) -> tuple[int, dict[str, str], str]:
        return self._document("replication", "ReplicationConfigurationNotFoundError")

    def _lifecycle(self) -> tuple[int, dict[str, str], str]:
        return self._document("lifecycle", "NoSuchLifecycleConfiguration")

    def _object_lock(self) -> tuple[int, dict[str, str], str]:
        return self._document("object-lock", "ObjectLockConfigurationNotFoundError")

    def _versions(self) -> tuple[int, dict[str, str], str]:
        limit = min(int(self.query.get("max-keys", PAGE)), PAGE)
        prefix = self.query.get("prefix", "")
        marker = (self.query.get("key-marker", ""), self.query.get("version-id-marker", ""))
        first = marker if marker[0] >= prefix else (prefix, "")
        page: list[str] = []
        last: tuple[str, str] | None = None
        truncated = False
        before = marker[0]
        same = bool(marker[1])
        for key, version in self._from(first, prefix, marker):
            if not key.startswith(prefix):
                break
            if len(page) == limit:
                truncated = True
                break
            page.append(_entry(key, version, latest=not (same and key == before)))
            before, same = key, True
            last = (key, version.version_id)
        following = ""
        if truncated and last:
            following = (
                f"<NextKeyMarker>{quote_plus(last[0], safe='/')}</NextKeyMarker>"
                f"<NextVersionIdMarker>{last[1]}</NextVersionIdMarker>"
            )
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(truncated).lower()}</IsTruncated><EncodingType>url</EncodingType>"
            f"{following}{''.join(page)}</ListVersionsResult>"
        )
        return 200, {"Content-Type": "application/xml"}, body

    def _from(
        self, first: tuple[str, str], prefix: str, marker: tuple[str, str]
    ) -> Iterator[tuple[str, Version]]:
        if first == marker and marker[0]:
            return self.bucket.entries(*first)
        # A prefix is a place to begin with, not a key to go on behind.
        index = bisect_left(self.bucket.keys, prefix.encode())
        return (
            (name.decode(), version)
            for name in self.bucket.keys[index:]
            for version in self.bucket.stacks[name]
        )

    def _delete(self) -> tuple[int, dict[str, str], str]:
        try:
            objects = ET.fromstring(self.body).findall(".//{*}Object")
        except ET.ParseError as error:
            raise S3Error(400, "MalformedXML") from error
        if not 0 < len(objects) <= PAGE:
            raise S3Error(400, "MalformedXML")
        answers = []
        for number, one in enumerate(objects):
            key = one.findtext("{*}Key") or ""
            version_id = one.findtext("{*}VersionId")
            code = "InternalError" if self.fault == "key-errors" and number % 2 == 0 else ""
            answers.append(self._delete_version(key, version_id, code))
        return 200, {}, f"<DeleteResult>{''.join(answers)}</DeleteResult>"

    def _delete_version(self, key: str, version_id: str | None, code: str) -> str:
        version = self.bucket.find(key, version_id)
        if version and version.held:
            code = "AccessDenied"
        named = f"<Key>{escape(key)}</Key><VersionId>{version_id}</VersionId>"
        if code:
            return f"<Error>{named}<Code>{code}</Code><Message>{code}</Message></Error>"
        if version_id is None:
            self._put_marker(key)
        else:
            self.bucket.remove(key, version_id)
        return f"<Deleted>{named}</Deleted>"

    # Objects.

    def _put_marker(self, key: str) -> Version:
        marker = Version(secrets.token_urlsafe(24), self.server.clock(), marker=True, status="")
        self.bucket.put(key, marker)
        return marker

    def _delete_one(self) -> tuple[int, dict[str, str], str]:
        version_id = self.query.get("versionId")
        if version_id is None:
            marker = self._put_marker(self.key)
            headers = {"x-amz-version-id": marker.version_id, "x-amz-delete-marker": "true"}
            return 204, headers, ""
        if self._delete_version(self.key, version_id, "").startswith("<Error>"):
            raise S3Error(403, "AccessDenied")
        return 204, {"x-amz-version-id": version_id}, ""

    def _find(self, key: str, version_id: str | None) -> Version:
        version = self.bucket.find(key, version_id)
        if version is None:
            raise S3Error(404, "NoSuchVersion" if version_id else "NoSuchKey")
        if version.marker:
            raise S3Error(405 if version_id else 404, "MethodNotAllowed")
        return version

    def _head(self) -> tuple[int, dict[str, str], str]:
        version = self._find(self.key, self.query.get("versionId"))
        status = {"x-amz-replication-status": version.status} if version.status else {}
        headers = {
            "Content-Length": str(version.size),
            "ETag": f'"{version.etag}"',
            "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
            "x-amz-version-id": version.version_id,
            "x-amz-storage-class": version.storage_class,
        }
        return 200, {**headers, **version.headers, **status}, version.content.decode("latin-1")

    def _tags(self) -> tuple[int, dict[str, str], str]:
        version = self._find(self.key, self.query.get("versionId"))
        if self.command == "PUT":
            given = [
                (one.findtext("{*}Key") or "", one.findtext("{*}Value") or "")
                for one in ET.fromstring(self.body).findall(".//{*}Tag")
            ]
            if not given or len(given) > TAG_LIMIT:  # nothing is known of empty sets
                raise S3Error(400, "MalformedXML")
            version.tags = urlencode(given)
            return 200, {}, ""
        if self.command == "DELETE":
            version.tags = ""
            return 204, {}, ""
        tags = "".join(
            f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>"
            for key, value in parse_qsl(version.tags, keep_blank_values=True)
        )
        return 200, {}, f"<Tagging><TagSet>{tags}</TagSet></Tagging>"

    def _source(self) -> Version:
        name, _, rest = self.headers["x-amz-copy-source"].lstrip("/").partition("/")
        key, _, version_id = rest.partition("?versionId=")
        if name not in self.server.buckets:
            raise S3Error(404, "NoSuchBucket")
        source = self.server.buckets[name].find(unquote(key), version_id or None)
        if source is None or source.marker:
            raise S3Error(404, "NoSuchVersion")
        if source.storage_class in ARCHIVED and not source.restored:
            raise S3Error(403, "InvalidObjectState")
        return source

    def _copy(self) -> tuple[int, dict[str, str], str]:
        source = self._source()
        if source.size > COPY_LIMIT:
            raise S3Error(400, "InvalidRequest")
        etag = source.etag
        if source.headers.get("x-amz-server-side-encryption") == "aws:kms":
            etag = secrets.token_hex(16)
        elif "-" in etag:
            etag = hashlib.md5(source.content).hexdigest()
        made = self._made(source.content, source.size, etag, self.server.clock())
        made.headers, made.tags = dict(source.headers), source.tags
        if self.headers.get("x-amz-tagging-directive") == "REPLACE":
            made.tags = self.headers.get("x-amz-tagging", "")
        if len(parse_qsl(made.tags)) > TAG_LIMIT:
            raise S3Error(400, "BadRequest")
        self.bucket.put(self.key, made)
        headers = {"x-amz-version-id": made.version_id}
        return 200, headers, f"<CopyObjectResult><ETag>{made.etag}</ETag></CopyObjectResult>"

    def _made(self, content: bytes, size: int, etag: str, when: int) -> Version:
        storage_class = self.headers.get("x-amz-storage-class", "STANDARD")
        version_id = secrets.token_urlsafe(24)
        made = Version(version_id, when, content=content, size=size, etag=etag, status="")
        made.storage_class = storage_class
        return made

    def _multipart_post(self) -> tuple[int, dict[str, str], str]:
        if "uploads" in self.query:
            kept = {
                name.lower(): value
                for name, value in self.headers.items()
                if name.lower() in KEPT_HEADERS or name.lower().startswith("x-amz-meta-")
            }
            made = self._made(b"", 0, "", self.server.clock())
            made.headers, made.tags = kept, self.headers.get("x-amz-tagging", "")
            upload_id = secrets.token_hex(8)
            self.server.uploads[upload_id] = {"made": made, "parts": {}}
            return 200, {}, f"<R><UploadId>{upload_id}</UploadId></R>"
        upload = self.server.uploads.pop(self.query["uploadId"], None)
        if upload is None:
            raise S3Error(404, "NoSuchUpload")
        made = upload["made"]
        made.size = sum(size for size, _ in upload["parts"].values())
        made.content = upload["parts"][1][1]
        made.etag = f"{hashlib.md5(made.content).hexdigest()}-{len(upload['parts'])}"
        self.bucket.put(self.key, made)
        return 200, {"x-amz-version-id": made.version_id}, "<R><ETag>x</ETag></R>"

    def _multipart_put(self) -> tuple[int, dict[str, str], str]:
        source = self._source()
        first, _, last = self.headers["x-amz-copy-source-range"][len("bytes=") :].partition("-")
        if int(last) >= source.size:
            raise S3Error(400, "InvalidArgument")
        part = (int(last) - int(first) + 1, source.content)
        if part[0] > COPY_LIMIT:
            raise S3Error(400, "InvalidRequest")
        self.server.uploads[self.query["uploadId"]]["parts"][int(self.query["partNumber"])] = part
        return 200, {}, '<CopyPartResult><ETag>"part"</ETag></CopyPartResult>'

    def _multipart_delete(self) -> tuple[int, dict[str, str], str]:
        self.server.uploads.pop(self.query["uploadId"], None)
        return 204, {}, ""


def _entry(key: str, version: Version, *, latest: bool) -> str:
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(version.modified))
    common = (
        f"<Key>{quote_plus(key, safe='/')}</Key><VersionId>{version.version_id}</VersionId>"
        f"<IsLatest>{str(latest).lower()}</IsLatest><LastModified>{modified}</LastModified>"
    )
    if version.marker:
        return f"<DeleteMarker>{common}</DeleteMarker>"
    return (
        f"<Version>{common}<ETag>&quot;{version.etag}&quot;</ETag><Size>{version.size}</Size>"
        f"<StorageClass>{version.storage_class}</StorageClass></Version>"
    )
