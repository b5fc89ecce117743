"""A fake service and the requests that the tests send to it."""

from collections.abc import Iterator

import grpc
import pytest
from charging.client import connect
from charging.customer_charge.v1 import customer_charge_pb2 as messages

from tests.unit.client.fake_service import FakeService, serving

CHARGE = messages.IncreaseCreditRequest(vendor_id=1, customer_id=2, amount=100)
CHARGED = messages.IncreaseCreditResponse(status=messages.CHARGE_STATE_ACCEPTED)


@pytest.fixture
def service() -> Iterator[FakeService]:
    """Give a service that accepts every charge until told otherwise."""
    with serving(FakeService(script=[CHARGED])) as service:
        yield service


@pytest.fixture
def channel(service: FakeService) -> Iterator[grpc.Channel]:
    """Give a channel to the service."""
    with connect(service.address, token="secret") as channel:
        yield channel
