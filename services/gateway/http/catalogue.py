"""The error catalogue: every reason that callers should know, as /api/docs/errors/ shows it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of error: the HTTP status it usually comes with, a title, and what a caller does about it."""

    status: int
    title: str
    remedy: str


CATALOGUE: Mapping[str, Reason] = {
    # What this door refuses by itself.
    "INVALID_ARGUMENT": Reason(
        400, "The request is wrong", "Correct the fields listed in `errors`. Repeating the request as it is cannot help."
    ),
    "MALFORMED_MESSAGE": Reason(
        400, "The request is not a message of this method", "Use the stubs of the version of the contract that is served."
    ),
    "PATH_NOT_FOUND": Reason(
        404, "There is nothing at this path", "Compare the path with this reference; the slash at its end is part of it."
    ),
    "HTTP_METHOD_NOT_ALLOWED": Reason(405, "The path does not take this method", "Use one of the methods in the `Allow` header."),
    "REQUEST_TIMEOUT": Reason(408, "The request came too slowly", "Send the whole request at once. Nothing was done."),
    "BODY_TOO_LARGE": Reason(413, "The body is too large", "Send less at once: split a batch. Nothing was done."),
    "UNSUPPORTED_MEDIA_TYPE": Reason(415, "The body is not JSON", "Send UTF-8 JSON with `Content-Type: application/json`, not compressed."),
    "HEADERS_TOO_LARGE": Reason(431, "The headers are too large", "Send fewer or shorter headers, or a shorter path and query."),
    "OVERLOADED": Reason(
        503, "Too much to do", "Nothing was done. Try again after `Retry-After` seconds, with the same `Idempotency-Key`."
    ),
    "SHUTTING_DOWN": Reason(503, "The process is stopping", "Nothing was done. Try again: another process takes over."),
    # Who calls.
    "UNAUTHENTICATED": Reason(
        401, "The token is missing or not valid", "Get a new token by `POST /api/auth/token/` and send `Authorization: Token <token>`."
    ),
    "WRONG_CREDENTIALS": Reason(401, "User name or password is wrong", "Check both. An unknown user gets the same answer."),
    "PERMISSION_DENIED": Reason(403, "The caller may not do this", "Ask an operator: the token's role does not allow this call."),
    "ROLE_NOT_ALLOWED": Reason(403, "The role may not do this", "The metadata names the role; use a token of one that may."),
    "PEER_CERTIFICATE_REQUIRED": Reason(
        403, "A peer must show its certificate", "This system's own processes call each other by the port for peers."
    ),
    "APPROVAL_LIMIT": Reason(403, "The amount is beyond what this operator may approve", "Let an operator with a higher limit approve."),
    "METHOD_NOT_ALLOWED": Reason(403, "Nobody may call this method", "The contract gives it no policy."),
    "USER_DISABLED": Reason(409, "The user is disabled", "A disabled user gets no token."),
    "TRUST_STALE": Reason(503, "Tokens cannot be verified just now", "Try again soon."),
    # What is not there. Another vendor's object answers exactly like a missing one.
    "NOT_FOUND": Reason(404, "There is no such object", "Check the id. What belongs to another vendor answers the same."),
    "VENDOR_NOT_FOUND": Reason(404, "There is no such vendor", "Check the id. A vendor that is not the caller's answers the same."),
    "CUSTOMER_NOT_FOUND": Reason(404, "There is no such customer", "Create the customer first by `POST /api/customer/`."),
    "CREDIT_REQUEST_NOT_FOUND": Reason(
        404, "There is no such credit request", "Check the id. A request of another vendor answers the same."
    ),
    "CHARGE_NOT_FOUND": Reason(404, "There is no such charge", "Check the id. A charge of another vendor answers the same."),
    "REVERSAL_NOT_FOUND": Reason(404, "There is no such reversal", "Check the id. A reversal of another vendor answers the same."),
    "WEBHOOK_ENDPOINT_NOT_FOUND": Reason(
        404, "There is no such webhook endpoint", "Check the id. An endpoint of another vendor answers the same."
    ),
    "USER_NOT_FOUND": Reason(404, "There is no such user", "Check the id."),
    # What the state of things does not allow.
    "ALREADY_EXISTS": Reason(409, "It exists already", "Use the existing object or another name."),
    "USERNAME_TAKEN": Reason(409, "The user name is taken", "Use another name."),
    "FAILED_PRECONDITION": Reason(409, "The state of things does not allow this", "Read the object again before the next try."),
    "CONFLICT": Reason(409, "Something else happened to the same object", "Read the object again before the next try."),
    "ACCOUNT_STOPPED": Reason(
        409, "The account is stopped", "Its books were found broken. Wait: an operator looks into them and releases the account."
    ),
    "REQUEST_DECIDED": Reason(
        409, "The credit request is decided already", "A request is approved, rejected, cancelled or expired once; submit a new one."
    ),
    "CHARGE_NOT_FINAL": Reason(409, "The charge is not final yet", "Ask again when it is: its receipt says what became of it."),
    "FOUR_EYES": Reason(409, "Submitter and approver are the same person", "Let another operator approve."),
    "INSUFFICIENT_CREDIT": Reason(
        402,
        "The vendor's credit does not cover the amount",
        "The metadata says what is available and what is missing. Ask for credit first.",
    ),
    "VENDOR_SUSPENDED": Reason(409, "The vendor is suspended", "Ask an operator. A charge would be accepted, and then fail."),
    "DUPLICATE_CHARGE": Reason(
        409,
        "The charge repeats another one",
        "The same vendor, customer and amount within the vendor's `duplicate_window_seconds`. If it is meant, send `allow_duplicate`. "
        "A charge would be accepted, and then fail.",
    ),
    "BALANCE_CAP": Reason(409, "The balance would pass its cap", "Approve a smaller request."),
    "TOO_MANY_ENDPOINTS": Reason(409, "The vendor has as many webhook endpoints as it may", "Remove one that nobody needs."),
    "WEBHOOKS_OFF": Reason(409, "Webhooks are not set up here", "Ask the operator of the system; `GET /api/events/` works all the same."),
    "CREDIT_LIMIT_IN_USE": Reason(409, "The credit limit is in use", "A limit cannot be set below what the vendor already owes."),
    "CHARGE_NOT_SUCCEEDED": Reason(
        409,
        "The charge has not succeeded",
        "Only a charge that succeeded can be reversed: wait until it is final; a failed one moved nothing.",
    ),
    "REVERSAL_EXCEEDS_CHARGE": Reason(
        409,
        "More than is left of the charge",
        "All reversals together, done and on their way, never exceed the charge: see `reversed_amount`.",
    ),
    "KEY_ROTATION_BUSY": Reason(409, "Another rotation of the signing key is under way", "Try again after `Retry-After` seconds."),
    # Retries.
    "IDEMPOTENCY_KEY_RUNNING": Reason(
        409, "A call with this key is still running", "Wait a moment and repeat the same call with the same key."
    ),
    "KEY_SEALED": Reason(
        409,
        "The key is sealed",
        "The key was resolved before it made a charge, so it never will: nothing was charged, and a new key may be used.",
    ),
    "IDEMPOTENCY_KEY_REUSED": Reason(422, "The key was used for another request", "Repeat exactly the first request, or use a new key."),
    # Limits and trouble.
    "RATE_LIMITED": Reason(429, "Too many requests", "Try again after `Retry-After` seconds. Nothing was done."),
    "COST_ABOVE_LIMIT": Reason(429, "The batch is larger than the limit ever allows", "Split the batch: waiting cannot help."),
    "TOO_MANY_STREAMS": Reason(429, "Too many streams are open", "Close those that nobody reads. Nothing was opened."),
    "TOO_MANY_RECONCILIATIONS": Reason(
        429, "Another reconciliation of the same caller is running", "Wait for its answer, then send the next."
    ),
    "TOO_MANY_CALLS": Reason(429, "Too many calls are under way", "Wait for the answers of some before the next. Nothing was done."),
    "SLOW_READER": Reason(429, "The stream was read too slowly", "Open it again after the last number that came: nothing is lost."),
    "RESOURCE_EXHAUSTED": Reason(429, "A limit is reached", "Try again after `Retry-After` seconds. Nothing was done."),
    "INTERNAL": Reason(
        500, "Something went wrong here", "Not the request's fault. Repeat it with the same `Idempotency-Key`; tell us the `request_id`."
    ),
    "UNIMPLEMENTED": Reason(501, "Not served yet", "The contract knows this call, the running version of the service does not."),
    "UNAVAILABLE": Reason(
        503, "A part of the system is out of reach", "The outcome may be unknown: repeat the call with the same `Idempotency-Key`."
    ),
    "DATABASE_UNAVAILABLE": Reason(
        503, "The database is out of reach", "Try again after `Retry-After` seconds, with the same `Idempotency-Key`."
    ),
    "EVENT_FEED_UNAVAILABLE": Reason(503, "The feed of events is out of reach", "Nothing is lost: the events come later."),
    "VENDOR_CREDIT_UNAVAILABLE": Reason(503, "The vendor service is out of reach", "Try again soon, with the same `Idempotency-Key`."),
    "OUTCOME_UNKNOWN": Reason(503, "The outcome is unknown", "Repeat the call with the same `Idempotency-Key`: it has one effect."),
    "DEADLINE_EXCEEDED": Reason(
        504, "There was too little time", "The outcome may be unknown: repeat the call with the same `Idempotency-Key`."
    ),
}
