"""The headers of requests and answers, as the OpenAPI document describes them."""

from typing import Any

REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Names this request for ever: repeating it with the same key has no second effect and answers with the first "
        "outcome. The same key with another request is refused with 422. Without a key, the door makes one for the one request.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "For a stream of events: the number of the last event that came. It goes before `after`. Any other answer than a "
        "stream does not look at it.",
        "schema": {"type": "string"},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N` answers with the final outcome if it comes within N seconds (RFC 7240). What cannot be read is ignored.",
        "schema": {"type": "string", "examples": ["wait=5"]},
    },
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Name of this request in logs and answers, 1 to 128 letters, digits and `._:-`; else one is made.",
        "schema": {"type": "string"},
    },
}


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


RESPONSE_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": _header("The request's id: the caller's own, or one made."),
    "Idempotent-Replayed": _header("`true` when the answer is that of an earlier request with the same key."),
    "Preference-Applied": _header("`wait=N` when the preference was honoured, with the seconds really waited for at most."),
    "Location": _header("Where the object made can be read."),
    "RateLimit": _header("What is left of the limit: `r` requests, full again in `t` seconds."),
    "RateLimit-Policy": _header("The limit: `q` requests in `w` seconds."),
    "Retry-After": _header("Seconds after which another try may pass.", "integer"),
    "WWW-Authenticate": _header("The scheme to authenticate with: `Token`."),
    "Deprecation": _header("Since when this form should no longer be used, `@` and seconds since 1970 (RFC 9745)."),
    "Link": _header("The form to use instead, as `successor-version` (RFC 5829)."),
}
