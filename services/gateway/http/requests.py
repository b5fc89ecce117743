"""One request as this door sees it: the headers that count, the ids it goes by, and its body."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.http.asgi import Header
from services.gateway.http.problems import ProblemError
from shared.errors import FieldViolation
from shared.interceptors.context import REQUEST_ID
from shared.uuid7 import uuid7_text

HEADER_BYTES_MAX = 16 * 1024
"""Request line and headers together."""

_USED = frozenset(
    {
        b"accept",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"last-event-id",
        b"prefer",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-request-id",
    }
)
_ONCE_ONLY = {b"authorization": "Authorization", b"idempotency-key": "Idempotency-Key"}
_JSON_TYPE = re.compile(rb'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)

_CSV_TYPE = re.compile(rb'text/csv\s*(?:;\s*(?:charset\s*=\s*"?utf-8"?|header\s*=\s*present)\s*)*', re.IGNORECASE)


class ClientLeftError(Exception):
    """The client closed the connection before its answer was complete: there is nobody to send the rest to."""


@dataclass(slots=True)
class Request:
    """A request. `headers` holds the used ones by lower-case name, joined with commas where repeated; `repeated` names those.

    `path` and `query` are as they came over the wire. `call_id` is new for each request (UUIDv7); `request_id` is the caller's own when it
    sent a usable one, else the call id. `body` is set once all of it has arrived; `keep_alive` says whether the connection goes on after.
    `large_of` is the caller whose place a large body has taken, empty without one.
    """

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    all_headers: list[Header]
    repeated: tuple[bytes, ...]
    head_bytes: int
    peer: str
    keep_alive: bool
    call_id: str
    request_id: str
    body: bytes = b""
    http_1_0: bool = False
    large_of: str = ""

    @classmethod
    def read(cls, method: str, target: bytes, all_headers: list[Header], peer: str, *, keep_alive: bool = True) -> "Request":
        """Return the request of a head, whose header names are in lower case. Checks nothing, so that every refusal has a request id."""
        headers, repeated, size = _collect(all_headers)
        call_id = uuid7_text()
        wanted_id = headers.get(b"x-request-id")
        path, _, query = target.partition(b"?")
        if not path.startswith(b"/"):
            path = _path_of(path)
        request_id = wanted_id.decode("latin-1") if wanted_id is not None else ""
        return cls(
            method=method,
            path=path,
            query=query,
            headers=headers,
            all_headers=all_headers,
            repeated=repeated,
            head_bytes=size + len(target),
            peer=peer,
            keep_alive=keep_alive,
            call_id=call_id,
            request_id=request_id if request_id and REQUEST_ID.fullmatch(request_id) else call_id,
        )

    def framing_fault(self) -> str | None:
        """Return what is wrong with a head so that nobody can tell for sure what it asks for or where it ends (RFC 9112, 3.2 and 6.1)."""
        if not self.path.startswith(b"/"):
            return "the request's target is no path"
        if b"host" in self.repeated or (b"host" not in self.headers and not self.http_1_0):
            return "a request has one Host header"
        if self.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            return "the only transfer encoding that is understood is chunked"
        return None

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
            raise ProblemError.of("INVALID_ARGUMENT", "this method takes no body; use the query")

    def has_csv(self) -> bool:
        """Tell whether the body is CSV by its headers (RFC 7111), in whatever encoding."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == b"text/csv"

    def csv_body(self, bytes_max: int) -> bytes:
        """Return the body of a request that `has_csv`. Raises ProblemError when it is too large, or not CSV in UTF-8 by its headers."""
        return self._body(bytes_max, _CSV_TYPE, "text/csv")

    def json_body(self, bytes_max: int) -> bytes:
        """Return the body. Raises ProblemError when it is too large, or not JSON by its headers."""
        return self._body(bytes_max, _JSON_TYPE, "application/json")

    def _body(self, bytes_max: int, wanted: re.Pattern[bytes], name: str) -> bytes:
        if len(self.body) > bytes_max:
            raise too_large(bytes_max)
        if self.body:
            self._check_media_type(wanted, name)
        return self.body

    def _check_media_type(self, wanted: re.Pattern[bytes], name: str) -> None:
        media_type = self.headers.get(b"content-type")
        if media_type is not None and media_type != b"application/json" and not wanted.fullmatch(media_type):
            raise ProblemError.of("UNSUPPORTED_MEDIA_TYPE", f"the body must be {name} in UTF-8", headers=[(b"accept", name.encode())])
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProblemError.of("UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed", headers=[(b"accept-encoding", b"identity")])


def too_large(bytes_max: int) -> ProblemError:
    """Return the refusal of a body. The rest of it is not read, so the connection cannot be used again."""
    return ProblemError.of("BODY_TOO_LARGE", f"the body is larger than {bytes_max} bytes", closes=True)


def _path_of(target: bytes) -> bytes:
    """Return the path of a target that is a whole URI, as clients of proxies send it (RFC 9112, 3.2.2)."""
    _, mark, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if mark else target


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
