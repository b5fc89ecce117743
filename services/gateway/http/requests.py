"""One request as this door sees it: the headers that count, the ids it goes by, and its body."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.http.asgi import Header, Receive, Scope
from services.gateway.http.problems import ProblemError
from shared.errors import FieldViolation
from shared.interceptors.context import REQUEST_ID
from shared.uuid7 import uuid7_text

HEADER_BYTES_MAX = 16 * 1024
"""Request line and headers together."""

_USED = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"prefer",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-request-id",
    }
)
_ONCE_ONLY = {b"authorization": "Authorization", b"idempotency-key": "Idempotency-Key"}
_JSON_TYPE = re.compile(rb'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)


class ClientLeftError(Exception):
    """The client closed the connection before its request was complete: there is nobody to answer."""


@dataclass(slots=True)
class Request:
    """A request. `headers` holds the used ones by lower-case name, joined with commas where repeated; `repeated` names those.

    `call_id` is new for each request (UUIDv7); `request_id` is the caller's own when it sent a usable one, else the call id.
    """

    method: str
    query: bytes
    headers: dict[bytes, bytes]
    repeated: tuple[bytes, ...]
    head_bytes: int
    peer: str
    receive: Receive
    call_id: str
    request_id: str

    @classmethod
    def read(cls, scope: Scope, receive: Receive) -> "Request":
        """Return the request of an ASGI scope. Checks nothing, so that every refusal already has a request id."""
        headers, repeated, size = _collect(scope["headers"])
        call_id = uuid7_text()
        wanted_id = headers.get(b"x-request-id", b"").decode("latin-1")
        return cls(
            method=scope["method"],
            query=scope["query_string"],
            headers=headers,
            repeated=repeated,
            head_bytes=size + len(scope["raw_path"]) + len(scope["query_string"]),
            peer=scope["client"][0] if scope.get("client") else "",
            receive=receive,
            call_id=call_id,
            request_id=wanted_id if REQUEST_ID.fullmatch(wanted_id) else call_id,
        )

    def check_head(self) -> None:
        """Raise ProblemError for headers that are too large, or repeated where two values would contradict each other."""
        if self.head_bytes > HEADER_BYTES_MAX:
            raise ProblemError.of("HEADERS_TOO_LARGE", f"the request line and headers are larger than {HEADER_BYTES_MAX} bytes")
        for name in self.repeated:
            if name in _ONCE_ONLY:
                header = _ONCE_ONLY[name]
                violation = FieldViolation(header, "is given more than once")
                raise ProblemError.of("INVALID_ARGUMENT", f"{header} {violation.message}", errors=[violation])

    def refuse_body(self) -> None:
        """Raise ProblemError where the request has a body and its method takes none: what it says would be ignored."""
        if self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers:
            raise ProblemError.of("INVALID_ARGUMENT", "this method takes no body; use the query", headers=[(b"connection", b"close")])

    async def body(self, bytes_max: int) -> bytes:
        """Return the body. Raises ProblemError when it is too large or not JSON by its headers, ClientLeftError when it never ends."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > bytes_max:
            raise _too_large(bytes_max)
        chunks = []
        received = 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientLeftError
            chunk = message.get("body", b"")
            received += len(chunk)
            if received > bytes_max:
                raise _too_large(bytes_max)
            chunks.append(chunk)
            more = message.get("more_body", False)
        if received:
            self._check_media_type()
        return b"".join(chunks)

    def _check_media_type(self) -> None:
        media_type = self.headers.get(b"content-type")
        if media_type is not None and not _JSON_TYPE.fullmatch(media_type):
            raise ProblemError.of(
                "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json in UTF-8", headers=[(b"accept", b"application/json")]
            )
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProblemError.of("UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed", headers=[(b"accept-encoding", b"identity")])


def _too_large(bytes_max: int) -> ProblemError:
    # The rest of the body is not read, so the connection cannot be used again.
    return ProblemError.of("BODY_TOO_LARGE", f"the body is larger than {bytes_max} bytes", headers=[(b"connection", b"close")])


def _collect(headers: Iterable[Header]) -> tuple[dict[bytes, bytes], tuple[bytes, ...], int]:
    """Return the used headers, the names of those that came more than once, and the bytes of all headers as sent."""
    used: dict[bytes, bytes] = {}
    repeated: tuple[bytes, ...] = ()
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4  # colon, space, CR and LF
        if name in _USED:
            if name in used:
                repeated = (*repeated, name)
                value = used[name] + b", " + value  # noqa: PLW2901 - the joined value takes the place of the single one
            used[name] = value
    return used, repeated, size
