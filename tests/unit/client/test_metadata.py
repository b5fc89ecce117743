"""The token and the idempotency key that calls carry."""

from collections.abc import Iterator

import grpc
import pytest
from charging.client import connect, idempotency_key_of
from charging.customer_charge.v1 import customer_charge_pb2 as messages
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub
from charging.identity.v1 import identity_pb2
from charging.identity.v1.identity_pb2_grpc import TokenServiceStub
from charging.vendor_credit.v1 import vendor_credit_pb2
from charging.vendor_credit.v1.vendor_credit_pb2_grpc import VendorServiceStub

from shared.errors import Conflict, Unavailable
from tests.unit.client.conftest import CHARGE, CHARGED
from tests.unit.client.fake_service import FakeService


def test_each_call_gets_a_key_of_its_own(channel: grpc.Channel, service: FakeService) -> None:
    """Two charges are two charges, however alike."""
    charges = ChargeServiceStub(channel)
    charges.IncreaseCredit(CHARGE)
    charges.IncreaseCredit(CHARGE)
    assert len(set(service.keys)) == 2


def test_the_callers_own_key_is_kept_over_all_tries(channel: grpc.Channel, service: FakeService) -> None:
    """A key in the call's metadata is sent as it is, beside the rest of the metadata, and shown on the error."""
    service.script = [Unavailable("down"), Conflict("sealed", reason="KEY_SEALED")]
    with pytest.raises(grpc.RpcError) as caught:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE, metadata=(("idempotency-key", "order-1"), ("x-request-id", "r-1")))
    assert service.keys == ["order-1", "order-1"]
    assert [try_.metadata["x-request-id"] for try_ in service.received] == ["r-1", "r-1"]
    assert idempotency_key_of(caught.value) == "order-1"
    assert caught.value.__notes__ == ["idempotency-key: order-1"]


def test_a_write_whose_keys_are_per_principal_gets_one_too(channel: grpc.Channel, service: FakeService) -> None:
    """Every scope of the contract counts."""
    service.script = [vendor_credit_pb2.CreateVendorResponse()]
    VendorServiceStub(channel).CreateVendor(vendor_credit_pb2.CreateVendorRequest(name="a"))
    assert service.keys[0]


def test_a_batch_carries_no_key_of_its_own(channel: grpc.Channel, service: FakeService) -> None:
    """Its items have theirs."""
    service.script = [messages.BatchIncreaseCreditResponse()]
    ChargeServiceStub(channel).BatchIncreaseCredit(messages.BatchIncreaseCreditRequest())
    assert service.keys == [None]


def test_a_token_is_asked_for_before_every_try(service: FakeService) -> None:
    """A token that was rotated while a call waits is the one that goes with its next try."""
    tokens: Iterator[str] = iter(["old", "new"])
    service.script = [Unavailable("down"), CHARGED]
    with connect(service.address, token=lambda: next(tokens)) as channel:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert service.tokens == ["Token old", "Token new"]


def test_a_login_carries_no_token(service: FakeService) -> None:
    """So what fetches the token may use a channel that is given it."""

    def log_in() -> str:
        return TokenServiceStub(channel).CreateToken(identity_pb2.CreateTokenRequest(username="a", password="b")).token

    service.script = [identity_pb2.CreateTokenResponse(token="fresh"), CHARGED]
    with connect(service.address, token=log_in) as channel:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert service.tokens == [None, "Token fresh"]


def test_an_authorization_of_the_call_wins(channel: grpc.Channel, service: FakeService) -> None:
    """One call may be made in another's name."""
    ChargeServiceStub(channel).IncreaseCredit(CHARGE, metadata=(("authorization", "Token other"),))
    assert service.tokens == ["Token other"]


def test_a_channel_without_a_token_sends_none(service: FakeService) -> None:
    """What it calls is refused by the service, not here."""
    with connect(service.address) as channel:
        ChargeServiceStub(channel).IncreaseCredit(CHARGE)
    assert service.tokens == [None]


def test_a_stream_carries_the_token_and_no_deadline(channel: grpc.Channel, service: FakeService) -> None:
    """A stream lives until its reader leaves it."""
    watch = channel.unary_stream("/charging.customer_charge.v1.EventService/Watch", bytes, bytes)
    assert len(list(watch(b""))) == 1
    assert service.tokens == ["Token secret"]
    assert service.received[0].seconds_left is None
