"""Problem documents (RFC 9457): what every refusal looks like."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from services.gateway.http.asgi import API_HEADERS, Header, Response
from services.gateway.http.catalogue import CATALOGUE
from services.gateway.http.json_writer import encode_json
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation

MEDIA_TYPE = b"application/problem+json"
VIOLATIONS_SHOWN_MAX = 100
"""A batch may have tens of thousands of bad fields; a hundred show the mistake."""

NAME_SHOWN_MAX = 200
"""What a caller called a field is shown back to it, within reason."""


class ProblemError(Exception):
    """A request is refused or failed, and this is what the caller is told.

    `reason` is an entry of the error catalogue or a reason that a service gave; `headers` are added to the response; `metadata` holds the
    variables of `detail`; `closes` ends the connection after it.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        errors: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        headers: Sequence[Header] = (),
        closes: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.errors = tuple(errors)
        self.metadata = dict(metadata or {})
        self.headers = tuple(headers)
        self.closes = closes

    @classmethod
    def of(
        cls, reason: str, detail: str, *, errors: Sequence[FieldViolation] = (), headers: Sequence[Header] = (), closes: bool = False
    ) -> "ProblemError":
        """Return a problem that this door itself found, with the status that the catalogue has for its reason."""
        return cls(CATALOGUE[reason].status, reason, detail, errors=errors, headers=headers, closes=closes)

    @classmethod
    def unreadable(cls, error: UnreadableError, place: str) -> "ProblemError":
        """Return the problem of a body or parameters that could not be read; `place` is what the sentence starts with: `the body`."""
        errors = [violation for violation in error.violations if violation.field]
        first = error.violations[0]
        return cls.of("INVALID_ARGUMENT", f"{_shown(first.field) or place} {first.message}", errors=errors)

    @property
    def title(self) -> str:
        """Return the kind of problem in a few words."""
        known = CATALOGUE.get(self.reason)
        return known.title if known else HTTPStatus(self.status).phrase

    def response(self, request_id: str) -> Response:
        """Return the problem document."""
        document: dict[str, Any] = {
            "type": f"/api/docs/errors/#{self.reason}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "request_id": request_id,
            "errors": [{"field": _shown(each.field), "message": each.message} for each in self.errors[:VIOLATIONS_SHOWN_MAX]],
        }
        if self.metadata:
            document["metadata"] = self.metadata
        headers = [(b"content-type", MEDIA_TYPE), (b"x-request-id", request_id.encode()), *API_HEADERS, *self.headers]
        return Response(self.status, headers, encode_json(document), self.closes)


def _shown(name: str) -> str:
    """Return a name from a request so that it can be written as UTF-8 and is not the larger part of the answer."""
    return name[:NAME_SHOWN_MAX].encode("utf-8", "backslashreplace").decode()
