"""From a call to what it asks at the gate: its idempotency key, the limit it spends, and the keys of both in Redis."""

import re
from functools import lru_cache

from shared.admission.answers import cost_above_limit
from shared.admission.asks import Ask, address_group, key_of
from shared.admission.limits import Algorithm, Quota, contracted_quota
from shared.call import Call
from shared.errors import InvalidArgument
from shared.policy import DRY_RUN, IdempotencyScope, MethodPolicy, RateLimitClass, value_at

IDEMPOTENCY_KEY = "idempotency-key"
KEY_FORM = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
"""1 to 255 printable ASCII characters, no blank at either end: HTTP and gRPC drop those on the way. The form of a batch item's key too."""

CLAIM_MARGIN_MS = 5_000
"""Life of a claim beyond its call's deadline, so that it outlives the call and only a killed process's claim ever expires."""

NO_KEY = b""


def ask_of(call: Call, request: object, default: Quota) -> Ask | None:
    """Return what the call asks, or None when there is nothing to ask, and put its idempotency key on the call.

    Raises InvalidArgument for a malformed key, and ResourceExhausted (COST_ABOVE_LIMIT) for a call that no waiting makes affordable.
    """
    claim_key = _claim_key(call, request)
    limit, limit_key = _limit(call, default)
    if limit is None and not claim_key:
        return None
    cost = 1
    if limit is not None and limit.algorithm is Algorithm.GCRA and call.policy.cost_field:
        cost = max(1, len(getattr(request, call.policy.cost_field)))
        if cost > limit.requests:
            raise cost_above_limit(limit, cost)
    if not claim_key:
        return Ask(limit, limit_key, cost, NO_KEY, "", 0, NO_KEY)
    claim_ms = max(0, int(call.remaining_seconds() * 1000)) + CLAIM_MARGIN_MS
    return Ask(limit, limit_key, cost, claim_key, call.call_id, claim_ms, _subject_key("replay", call.caller.subject))


def _claim_key(call: Call, request: object) -> bytes:
    """Return the Redis key of the call's claim, empty for a call that claims nothing.

    A key sent with a method or a dry run that takes none is ignored, as HTTP asks of headers that mean nothing to a resource. A call that
    came without a key gets one made of its call id: it is the same for every time that its door sends it. Such a key is nobody else's, so
    it needs no claim; if the door sends the call again, PostgreSQL tells the repetition.
    """
    scope = call.policy.idempotency_scope
    if scope is IdempotencyScope.NONE or (call.policy.dry_runs and getattr(request, DRY_RUN)):
        return NO_KEY
    key = call.metadata.get(IDEMPOTENCY_KEY)
    made_key = f"auto-{call.call_id}"
    if key is None or key == made_key:
        call.idempotency_key = made_key
        return NO_KEY
    if not KEY_FORM.fullmatch(key):
        raise InvalidArgument.of_field(IDEMPOTENCY_KEY, "must be 1 to 255 printable ASCII characters without a blank at either end")
    call.idempotency_key = key
    if scope is IdempotencyScope.VENDOR:
        return key_of("claim", "vendor", _vendor_id(call.policy, request), key)
    return key_of("claim", "principal", call.caller.subject, call.method, key)


def _vendor_id(policy: MethodPolicy, request: object) -> str:
    return str(value_at(request, policy.vendor_path)[0])


def _limit(call: Call, default: Quota) -> tuple[Quota | None, bytes]:
    """Return the limit that the call spends, and its key.

    The contract of a principal counts per subject, not per token, or each new token would multiply it. A login is always counted per client
    address: whoever guesses passwords has no principal yet.
    """
    rate_limit_class = call.policy.rate_limit_class
    if rate_limit_class is RateLimitClass.LOGIN:
        return default, _address_key(call.client_address, call.method)
    if rate_limit_class is not RateLimitClass.WRITE:
        return None, NO_KEY
    contract = None if call.principal is None else call.principal.rate_limit
    if contract is None:
        return default, _address_key(call.client_address, call.method)
    return contracted_quota(contract), _contract_key(call.caller.subject, contract.requests, contract.window_seconds)


@lru_cache(maxsize=8192)
def _address_key(client_address: str, method: str) -> bytes:
    return key_of("limit", "address", address_group(client_address), method)


@lru_cache(maxsize=8192)
def _contract_key(subject: str, requests: int, window_seconds: int) -> bytes:
    return key_of("limit", "contract", subject, str(requests), str(window_seconds))


@lru_cache(maxsize=8192)
def _subject_key(kind: str, subject: str) -> bytes:
    return key_of("limit", kind, subject)
