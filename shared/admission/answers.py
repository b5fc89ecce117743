"""What a caller is told of its limits: headers on every limited answer, and the errors of a refusal.

The headers follow draft-ietf-httpapi-ratelimit-headers: `ratelimit: "default";r=9;t=60` says that 9 units remain and that the whole quota
is there again after 60 seconds; `ratelimit-policy: "default";q=10;w=60` says what the quota is. They travel as trailers of the RPC.
"""

from math import ceil

from shared.admission.asks import Verdict
from shared.admission.limits import MICROSECONDS, Quota
from shared.errors import IdempotencyKeyRunning, ResourceExhausted

RUNNING_RETRY_AFTER_SECONDS = 0.2
"""A call that holds its key is usually done within some tens of milliseconds."""


def add_limit_trailers(trailers: dict[str, str], quota: Quota, verdict: Verdict) -> None:
    """Tell what is left of the quota."""
    trailers["ratelimit"] = f'"{quota.name}";r={verdict.remaining};t={-(-verdict.reset_us // MICROSECONDS)}'
    trailers["ratelimit-policy"] = f'"{quota.name}";q={quota.requests};w={quota.window_seconds}'


def over_limit(quota: Quota, verdict: Verdict) -> ResourceExhausted:
    """Return the error of a call that came too early."""
    retry_after_seconds = max(1, ceil(verdict.retry_us / 1000)) / 1000
    return ResourceExhausted(
        f"the {quota.name} limit of {quota.requests} in {quota.window_seconds} s is spent; try again in {retry_after_seconds:g} s",
        reason="RATE_LIMITED",
        metadata=_quota_metadata(quota) | {"retry_after_seconds": f"{retry_after_seconds:g}"},
        retry_after_seconds=retry_after_seconds,
    )


def cost_above_limit(quota: Quota, cost: int) -> ResourceExhausted:
    """Return the error of a call that spends more at once than the limit ever gives: waiting does not help, so it names no time."""
    return ResourceExhausted(
        f"the call spends {cost}, and the {quota.name} limit never gives more than {quota.requests} at once",
        reason="COST_ABOVE_LIMIT",
        metadata=_quota_metadata(quota) | {"cost": str(cost)},
    )


def key_running() -> IdempotencyKeyRunning:
    """Return the error of a call whose key another call holds right now."""
    return IdempotencyKeyRunning("a call with the same idempotency key is still running", retry_after_seconds=RUNNING_RETRY_AFTER_SECONDS)


def _quota_metadata(quota: Quota) -> dict[str, str]:
    return {"limit": quota.name, "requests": str(quota.requests), "window_seconds": str(quota.window_seconds)}
