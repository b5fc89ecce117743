"""What the helpers read from a failure."""

from types import SimpleNamespace
from typing import cast

import grpc
import pytest
from charging.client import FieldViolation, field_violations, idempotency_key_of, reason_of, retry_after
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub

from shared.errors import InvalidArgument, NotFound, ResourceExhausted
from tests.unit.client.conftest import CHARGE
from tests.unit.client.fake_service import FakeService


def _failure(channel: grpc.Channel) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE, timeout=0.5)
    return caught.value


def test_bad_fields_are_named(channel: grpc.Channel, service: FakeService) -> None:
    """Each with what is wrong with it."""
    service.script = [InvalidArgument.of_field("amount", "must be at least 1")]
    error = _failure(channel)
    assert reason_of(error) == "INVALID_ARGUMENT"
    assert field_violations(error) == (FieldViolation("amount", "must be at least 1"),)
    assert retry_after(error) is None


def test_the_time_to_come_back_is_in_seconds(channel: grpc.Channel, service: FakeService) -> None:
    """With its fraction."""
    service.script = [ResourceExhausted("slow down", retry_after_seconds=42.5)]
    error = _failure(channel)
    assert retry_after(error) == 42.5
    assert field_violations(error) == ()


def test_the_reason_of_a_missing_object_names_its_kind(channel: grpc.Channel, service: FakeService) -> None:
    """A reason tells apart what shares a code."""
    service.script = [NotFound.of("vendor", 7, "vendor_id")]
    assert reason_of(_failure(channel)) == "VENDOR_NOT_FOUND"


@pytest.mark.parametrize("details", [None, b"\xff", b"\x08\x05", b"\x08\x0e\x12\x05other"])
def test_details_that_cannot_be_trusted_say_nothing(details: bytes | None) -> None:
    """Missing, cut, of another code or another text: no reason, no time, no fields, and no exception from the helper."""
    trailers = None if details is None else (("grpc-status-details-bin", details),)
    error = SimpleNamespace(code=lambda: grpc.StatusCode.UNAVAILABLE, details=lambda: "text", trailing_metadata=lambda: trailers)
    failure = cast("grpc.RpcError", error)
    assert (reason_of(failure), retry_after(failure), field_violations(failure)) == (None, None, ())
    assert idempotency_key_of(failure) is None
