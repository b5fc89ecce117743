"""Problem answers as the OpenAPI document describes them."""

from typing import Any

from services.gateway.http.catalogue import CATALOGUE
from shared.policy import IdempotencyScope, MethodPolicy

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). Decide by `status` and `reason`; the texts are for people and may change.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Where the reason is explained."},
        "title": {"type": "string", "description": "The kind of problem in a few words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time, in one sentence."},
        "reason": {"type": "string", "description": "UPPER_SNAKE reason of the error catalogue."},
        "request_id": {"type": "string", "description": "Id of the request, also in the X-Request-Id header."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong; at most 100 of them.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "description": "Path of the field as in the request, for example `items[3].amount`."},
                    "message": {"type": "string", "description": "What is wrong with it."},
                },
                "required": ["field", "message"],
            },
        },
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "description": "The variables of `detail`."},
    },
    "required": ["type", "title", "status", "detail", "reason", "request_id", "errors"],
}

_EVERY_CALL = (400, 401, 404, 408, 409, 429, 431, 500, 501, 503, 504)
_HEADERS_OF_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After", "RateLimit", "RateLimit-Policy"), 503: ("Retry-After",)}


def problem_statuses(policy: MethodPolicy, *, takes_body: bool) -> list[int]:
    """Return the statuses of the problems that a method may answer with."""
    statuses = {*_EVERY_CALL}
    statuses |= set() if policy.open else {403}
    statuses |= {413, 415} if takes_body else set()
    # A dry run of what moves money tells when there is not enough of it.
    statuses |= {402} if policy.dry_runs and policy.idempotency_scope is IdempotencyScope.VENDOR else set()
    statuses |= {422} if policy.idempotency_scope is not IdempotencyScope.NONE else set()
    return sorted(statuses)


def problem_reference(status: int) -> dict[str, str]:
    """Return a reference to the response of a status."""
    return {"$ref": f"#/components/responses/Problem{status}"}


def problem_responses() -> dict[str, Any]:
    """Return the response of every status that the catalogue knows, each naming its reasons."""
    statuses = sorted({reason.status for reason in CATALOGUE.values()})
    return {f"Problem{status}": _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    reasons = [f"`{name}`: {reason.title.lower()}" for name, reason in CATALOGUE.items() if reason.status == status]
    headers = ("X-Request-Id", *_HEADERS_OF_STATUS.get(status, ()))
    return {
        "description": "; ".join(reasons) + ".",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
