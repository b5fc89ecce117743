"""How long a call waits between its tries, on a clock that stands still."""

import grpc
import pytest
from charging.client.logical_call import Clock, LogicalCall
from charging.customer_charge.v1 import customer_charge_pb2 as messages

CHARGE = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"


class Down(grpc.RpcError):
    """A failure without details, as gRPC itself makes when there is no connection."""

    def code(self) -> grpc.StatusCode:
        """Return UNAVAILABLE."""
        return grpc.StatusCode.UNAVAILABLE

    def trailing_metadata(self) -> tuple[()]:
        """Return nothing."""
        return ()


def _call(timeout_seconds: float, *, chance: float) -> LogicalCall:
    clock = Clock(monotonic=lambda: 100.0, uniform=lambda low, high: low + (high - low) * chance)
    request = messages.IncreaseCreditRequest()
    return LogicalCall(CHARGE, request, timeout_seconds=timeout_seconds, metadata=(), default_timeout_seconds=10, clock=clock)


@pytest.mark.parametrize(
    ("chance", "pauses"),
    [(1.0, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]), (0.0, [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])],
)
def test_pauses_double_up_to_two_seconds_and_half_is_chance(chance: float, pauses: list[float]) -> None:
    """Callers that failed together come back apart, and never too fast."""
    call = _call(60, chance=chance)
    assert [call.pause_after(Down()) for _ in pauses] == pytest.approx(pauses)


@pytest.mark.parametrize(("timeout_seconds", "expected"), [(0.13, 0.1), (0.11, None), (0, None), (-1, None)])
def test_a_try_that_would_come_too_late_is_not_made(timeout_seconds: float, expected: float | None) -> None:
    """After the pause there must be time for the service to answer."""
    call = _call(timeout_seconds, chance=1.0)
    assert call.pause_after(Down()) == expected
    assert call.remaining_seconds() >= 0
