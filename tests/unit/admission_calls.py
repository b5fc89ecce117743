"""Calls and policies for the tests of admission."""

import time
from typing import Any
from uuid import uuid4

from shared.call import Call
from shared.policy import IdempotencyScope, MethodPolicy, RateLimitClass
from shared.principal import Principal, RateLimit, Role


def make_policy(**changes: Any) -> MethodPolicy:
    """Return the policy of a call that moves money, with some fields changed."""
    fields: dict[str, Any] = {
        "name": "/charging.test.v1.TestService/Move",
        "open": False,
        "roles": frozenset({Role.PARTNER}),
        "vendor_path": ("vendor_id",),
        "rate_limit_class": RateLimitClass.WRITE,
        "cost_field": "",
        "idempotency_scope": IdempotencyScope.VENDOR,
        "coalesce": False,
        "waitable": False,
        "repeatable": True,
        "streaming": False,
    }
    return MethodPolicy(**(fields | changes))


def make_principal(subject: str = "user:1", rate_limit: RateLimit | None = None) -> Principal:
    """Return a partner."""
    return Principal(
        subject=subject, role=Role.PARTNER, vendors=frozenset({1}), token_id="token", expires_at=time.time() + 60, rate_limit=rate_limit
    )


def make_call(
    policy: MethodPolicy | None = None,
    *,
    key: str | None = None,
    principal: Principal | None = None,
    client_address: str = "192.0.2.1",
    call_id: str | None = None,
) -> Call:
    """Return a call with ten seconds left."""
    policy = policy or make_policy()
    return Call(
        method=policy.name,
        policy=policy,
        metadata={} if key is None else {"idempotency-key": key},
        request_id="request",
        call_id=call_id or str(uuid4()),
        client_address=client_address,
        deadline=time.monotonic() + 10,
        principal=principal or make_principal(),
    )
