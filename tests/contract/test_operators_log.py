"""What operators change is in the audit log: every method that they may call adds one entry to it, or is named here with the reason."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import grpc
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import webhooks_pb2
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from services.customer_charge.operations.stop_customers import stop_customers
from services.vendor_credit.operations.stop_vendors import stop_vendors
from shared.database_setup import SERVICES
from shared.policy import IdempotencyScope
from shared.principal import Role
from tests.contract.contract import METHODS, policy, response_of, short
from tests.contract.samples import METHOD_NAMES, sample_of
from tests.contract.webhook_requests import our_endpoint
from tests.contract.world import World

UNLOGGED: Mapping[str, str] = {
    "TokenService/CreateToken": "it needs no token, so nobody is an operator yet; the row of the token says whose it is and since when",
    "ChargeService/IncreaseCredit": "the charge's own row names who ordered it, and a charge waits for nobody else's",
    "ChargeService/BatchIncreaseCredit": "the same of each of its charges",
}
"""What changes something and is not in the audit log, and why."""

PARTNERS_TOO = {
    "CustomerService/CreateCustomer",
    "ChargeService/ResolveCharge",
    "ReversalService/ReverseCharge",
    "CreditRequestService/SubmitCreditRequest",
}
"""What partners do all day; only operators' calls of it are in the log."""


def changes_something(method: str) -> bool:
    """Tell whether the contract lets the method have side effects."""
    return METHODS[method].GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS


CHANGING = [name for name in METHOD_NAMES if (policy(name).open or Role.OPERATOR in policy(name).roles) and changes_something(name)]
KEYED = [name for name in CHANGING if policy(name).idempotency_scope is not IdempotencyScope.NONE and short(name) not in UNLOGGED]


def full_name(name: str) -> str:
    """Return the full name of the changing method with this short one."""
    (method,) = (each for each in CHANGING if short(each) == name)
    return method


async def effective_request(world: World, method: str) -> Message:
    """Return a request that changes something now: samples may ask for what is so already."""
    name = short(method)
    if name == "VendorService/ReleaseVendor":
        await stop_vendors(world.stack.vendor_credit.cells, {world.ours.vendor: "made up"}, actor="test")
    if name == "CustomerService/ReleaseCustomer":
        await stop_customers(world.stack.customer_charge.cells, {world.ours.customer: "made up"}, actor="test")
    if name == "WebhookService/UpdateWebhookEndpoint":
        return webhooks_pb2.UpdateWebhookEndpointRequest(id=await our_endpoint(world), description=f"number {world.number()}")
    return await sample_of(method).build(world)


def entries_of(world: World) -> list[tuple[Any, ...]]:
    """Return service, number and actor of every entry of all logs; each cell counts its own."""
    return [(service, *row) for service in SERVICES for row in world.stack.rows(service, "SELECT seq, actor FROM audit_log")]


def heads_of(world: World) -> int:
    """Return how many entries the heads of all logs count."""
    return sum(int(row[0]) for service in SERVICES for row in world.stack.rows(service, "SELECT last_seq FROM audit_log_head"))


@pytest.mark.parametrize("method", CHANGING, ids=short)
async def test_every_change_by_an_operator_is_one_entry(world: World, method: str) -> None:
    """One call, one entry at one end of one log, by the name of who called; none where it is said why."""
    request = await effective_request(world, method)
    token = await world.fresh_token("oscar") if sample_of(method).spends_token else world.stack.tokens["oscar"]
    entries, heads = entries_of(world), heads_of(world)
    reply = await world.stack.call(method, request, token)
    assert reply.code is grpc.StatusCode.OK, reply.details
    actors = [actor for _, _, actor in (Counter(entries_of(world)) - Counter(entries)).elements()]
    assert actors == ([] if short(method) in UNLOGGED else [f"user:{world.stack.user_ids['oscar']}"])
    assert heads_of(world) == heads + len(actors)


@pytest.mark.parametrize("method", KEYED, ids=short)
async def test_the_same_key_again_is_no_second_entry(world: World, method: str) -> None:
    """A call that is repeated changes nothing, and nothing is logged."""
    request, key = await effective_request(world, method), [("idempotency-key", str(uuid4()))]
    heads = heads_of(world)
    for _ in range(2):
        reply = await world.stack.call(method, request, world.stack.tokens["oscar"], metadata=key)
        assert reply.code is grpc.StatusCode.OK, reply.details
        assert heads_of(world) == heads + 1


@pytest.mark.parametrize("name", ["CustomerService/CreateCustomer", "ChargeService/ResolveCharge"])
async def test_what_is_there_already_is_no_entry(world: World, name: str) -> None:
    """Who asks for the customer of a known number, or about a key that is sealed, changes nothing."""
    method = full_name(name)
    request = await effective_request(world, method)
    heads = heads_of(world)
    for _ in range(2):
        assert (await world.stack.call(method, request, world.stack.tokens["oscar"])).code is grpc.StatusCode.OK
    assert heads_of(world) == heads + 1


@pytest.mark.parametrize("name", sorted(PARTNERS_TOO))
async def test_what_partners_do_waits_for_no_log(world: World, name: str) -> None:
    """The same calls by a partner add no entry, so they never wait for its end."""
    method = full_name(name)
    request = await effective_request(world, method)
    heads = heads_of(world)
    reply = await world.stack.call(method, request, world.ours.token)
    assert reply.code is grpc.StatusCode.OK, reply.details
    assert heads_of(world) == heads


async def test_a_charge_names_the_operator_who_ordered_it(world: World) -> None:
    """What the log leaves out for charges, their rows say: who ordered each of them, alone or in a batch."""
    made = []
    for method in (full_name("ChargeService/IncreaseCredit"), full_name("ChargeService/BatchIncreaseCredit")):
        reply = await world.stack.call(method, await sample_of(method).build(world), world.stack.tokens["oscar"])
        answer = response_of(method, reply.content)
        made += [answer.data.id] if isinstance(answer, charge_pb.IncreaseCreditResponse) else [each.charge.id for each in answer.results]
    ids = ", ".join(f"'{charge_id}'" for charge_id in made)
    principals = world.stack.rows("customer_charge", f"SELECT principal FROM charges WHERE id IN ({ids})")
    assert principals == [(f"user:{world.stack.user_ids['oscar']}",)] * 2


def test_every_exception_is_a_method_that_changes_something() -> None:
    """The list of what is not logged holds nothing that is gone."""
    assert set(UNLOGGED) | PARTNERS_TOO <= {short(name) for name in CHANGING}
