"""What partners and services see: their own, and nothing by which another's could be counted."""

import base64
import json
from typing import Any

import grpc
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from tests.contract.contract import response_of
from tests.contract.world import CHARGES, CUSTOMERS, REQUESTS, World

STRANGERS = ("peter", "stranger")


async def read(world: World, method: str, request: Any, caller: str) -> Any:
    """Return what a caller reads; the call must succeed."""
    return await world.call(method, request, world.stack.tokens[caller])


@pytest.mark.parametrize("caller", STRANGERS)
async def test_lists_without_a_filter_show_the_callers_vendor_alone(world: World, caller: str) -> None:
    """Charges, credit requests and customers of others are not in any list."""
    charges = await read(world, CHARGES + "ListCharges", charge_pb.ListChargesRequest(page_size=200), caller)
    assert {charge.vendor_id for charge in charges.charges} == {world.theirs.vendor}
    customers = await read(world, CUSTOMERS + "ListCustomers", charge_pb.ListCustomersRequest(page_size=200), caller)
    assert {customer.id for customer in customers.customers} == {world.theirs.customer, world.shared_customer}
    if caller == "peter":  # services have nothing to do with credit requests
        requests = await read(world, REQUESTS + "ListCreditRequests", vendor_pb.ListCreditRequestsRequest(page_size=200), caller)
        assert {request.vendor_id for request in requests.credit_requests} == {world.theirs.vendor}


@pytest.mark.parametrize("caller", STRANGERS)
async def test_filters_do_not_reach_beyond_the_callers_vendor(world: World, caller: str) -> None:
    """A filter for another's customer, by id or phone number, finds nothing."""
    request = charge_pb.ListChargesRequest(customer_id=world.ours.customer)
    assert not (await read(world, CHARGES + "ListCharges", request, caller)).charges
    whole = await world.call(CUSTOMERS + "GetCustomer", charge_pb.GetCustomerRequest(id=world.ours.customer), world.operator)
    by_number = charge_pb.ListCustomersRequest(phone_number=whole.data.phone_number)
    assert not (await read(world, CUSTOMERS + "ListCustomers", by_number, caller)).customers


@pytest.mark.parametrize("caller", ["paula", "sensor", *STRANGERS])
async def test_a_shared_customer_shows_no_balance_and_only_own_entries(world: World, caller: str) -> None:
    """Neither balance nor numbers tell a partner what the customer got from others."""
    customer = await read(world, CUSTOMERS + "GetCustomer", charge_pb.GetCustomerRequest(id=world.shared_customer), caller)
    assert not customer.data.HasField("balance")
    request = charge_pb.ListCustomerEntriesRequest(customer_id=world.shared_customer)
    entries = (await read(world, CUSTOMERS + "ListCustomerEntries", request, caller)).entries
    vendor = world.ours.vendor if caller in ("paula", "sensor") else world.theirs.vendor
    assert [entry.vendor_id for entry in entries] == [vendor, vendor]
    assert not any(entry.HasField("seq") or entry.HasField("balance_after") for entry in entries)


async def test_an_operator_sees_the_whole_of_a_shared_customer(world: World) -> None:
    """Balance, all entries, and their gap-free numbers."""
    customer = await world.call(CUSTOMERS + "GetCustomer", charge_pb.GetCustomerRequest(id=world.shared_customer), world.operator)
    request = charge_pb.ListCustomerEntriesRequest(customer_id=world.shared_customer)
    entries = (await world.call(CUSTOMERS + "ListCustomerEntries", request, world.operator)).entries
    assert [entry.seq for entry in entries] == [4, 3, 2, 1]
    assert customer.data.balance == entries[0].balance_after == sum(entry.amount for entry in entries)


@pytest.mark.parametrize("caller", ["paula", "peter"])
async def test_page_tokens_hold_nothing_that_counts_others(world: World, caller: str) -> None:
    """A token of a customer's entries is the charge that the caller saw last, not a number within the ledger."""
    request = charge_pb.ListCustomerEntriesRequest(customer_id=world.shared_customer, page_size=1)
    page = await read(world, CUSTOMERS + "ListCustomerEntries", request, caller)
    token = page.next_page_token
    assert json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))) == [page.entries[0].reference]
    request.page_token = token
    last = await read(world, CUSTOMERS + "ListCustomerEntries", request, caller)
    assert len(last.entries) == 1
    assert last.next_page_token == ""


@pytest.mark.parametrize("caller", STRANGERS)
async def test_anothers_page_token_shows_nothing_of_others(world: World, caller: str) -> None:
    """Whoever is handed a token only moves within what they may see."""
    request = charge_pb.ListChargesRequest(page_size=1)
    token = (await read(world, CHARGES + "ListCharges", request, "paula")).next_page_token
    page = await read(world, CHARGES + "ListCharges", charge_pb.ListChargesRequest(page_token=token, page_size=200), caller)
    assert {charge.vendor_id for charge in page.charges} <= {world.theirs.vendor}


async def test_creating_anothers_customer_shows_nothing_of_their_dealings(world: World) -> None:
    """The phone number leads to the same customer, without balance or entries, and known only since now."""
    before = await world.call(CUSTOMERS + "GetCustomer", charge_pb.GetCustomerRequest(id=world.ours.customer), world.operator)
    request = charge_pb.CreateCustomerRequest(phone_number=before.data.phone_number)
    found = (await world.call(CUSTOMERS + "CreateCustomer", request, world.theirs.token)).data
    assert found.id == world.ours.customer
    assert not found.HasField("balance")
    assert found.created_at.ToNanoseconds() > before.data.created_at.ToNanoseconds()
    entries = charge_pb.ListCustomerEntriesRequest(customer_id=found.id)
    assert not (await world.call(CUSTOMERS + "ListCustomerEntries", entries, world.theirs.token)).entries


async def test_anothers_idempotency_key_does_not_leak(world: World) -> None:
    """A stranger who knows a key gets a charge of its own with it, and learns nothing where the vendor is not theirs."""
    key = (("idempotency-key", "order-4711"),)
    ours = charge_pb.IncreaseCreditRequest(vendor_id=world.ours.vendor, customer_id=world.shared_customer, amount=5)
    theirs = charge_pb.IncreaseCreditRequest(vendor_id=world.theirs.vendor, customer_id=world.shared_customer, amount=5)
    method = CHARGES + "IncreaseCredit"
    first = await world.stack.call(method, ours, world.ours.token, metadata=key)
    second = await world.stack.call(method, theirs, world.theirs.token, metadata=key)
    assert "idempotent-replayed" not in second.trailers
    assert response_of(method, first.content).data.id != response_of(method, second.content).data.id
    stolen = await world.stack.call(method, ours, world.theirs.token, metadata=key)
    assert (stolen.code, stolen.reason) == (grpc.StatusCode.NOT_FOUND, "VENDOR_NOT_FOUND")
    replay = await world.stack.call(method, ours, world.ours.token, metadata=key)
    assert response_of(method, replay.content).data.id == response_of(method, first.content).data.id


async def test_a_key_of_another_principal_is_another_key(world: World) -> None:
    """Writes that move no money have their keys per principal."""
    key = (("idempotency-key", "new-vendor"),)
    method, request = "/charging.vendor_credit.v1.VendorService/CreateVendor", vendor_pb.CreateVendorRequest(name="Keyed")
    made = [await world.stack.call(method, request, world.stack.tokens[name], metadata=key) for name in ("olga", "oscar", "olga")]
    ids = [response_of(method, reply.content).data.id for reply in made]
    assert ids[0] == ids[2] != ids[1]
    assert made[2].trailers["idempotent-replayed"] == "true"
