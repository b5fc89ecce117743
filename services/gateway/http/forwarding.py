"""What of a request travels on as metadata of the call: four things of the caller's and this door's own, nothing else."""

import re

from services.gateway.http.client_address import ClientAddresses
from services.gateway.http.problems import ProblemError
from services.gateway.http.requests import Request
from shared.call import CALL_ID_KEY, CLIENT_ADDRESS_KEY
from shared.errors import FieldViolation

_IDEMPOTENCY_KEY = re.compile(rb"[!-~](?:[ -~]{0,253}[!-~])?")
_PRINTABLE = re.compile(rb"[ -~]*")

MADE_KEY_PREFIX = "auto-"
"""Marks a key that this door made for a caller that sent none."""


def call_metadata(request: Request, addresses: ClientAddresses, *, make_key: bool) -> list[tuple[str, str]]:
    """Return the metadata of the call that a request makes.

    With `make_key`, a request without an Idempotency-Key gets one: every retry between this door and the service then repeats it, so that a
    charge is made once even for a caller that knows nothing of keys. Raises ProblemError for a header that cannot travel.
    """
    headers = request.headers
    metadata = [
        (CLIENT_ADDRESS_KEY, addresses.resolve(request.peer, headers.get(b"x-forwarded-for", b"").decode("latin-1"))),
        (CALL_ID_KEY, request.call_id),
        ("x-request-id", request.request_id),
    ]
    authorization = headers.get(b"authorization")
    if authorization is not None:
        if not _PRINTABLE.fullmatch(authorization):
            raise _refusal("Authorization", "must be printable ASCII")
        metadata.append(("authorization", authorization.decode()))
    key = headers.get(b"idempotency-key")
    if key is not None:
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise _refusal("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
        metadata.append(("idempotency-key", key.decode()))
    elif make_key:
        metadata.append(("idempotency-key", MADE_KEY_PREFIX + request.call_id))
    return metadata


def _refusal(header: str, message: str) -> ProblemError:
    return ProblemError.of("INVALID_ARGUMENT", f"{header} {message}", errors=[FieldViolation(header, message)])
