"""One valid request for every RPC, naming objects of our side, and what becomes of it when somebody of their side sends it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import uuid4

from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import events_pb2, receipts_pb2, reconciliation_pb2, reversal_pb2, webhooks_pb2
from charging.identity.v1 import identity_pb2, keys_pb2
from charging.transport.v1 import envelope_pb2
from charging.vendor_credit.v1 import reversal_credit_pb2 as reversal_credit_pb
from charging.vendor_credit.v1 import statements_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb
from google.protobuf.message import Message

from tests.contract.contract import METHODS, policy
from tests.contract.stack import PASSWORD
from tests.contract.webhook_requests import OF_ENDPOINT, creatable, our_endpoint
from tests.contract.world import CHARGE, MISSING_CHARGE, MISSING_ID, World

NOTES: Mapping[str, Any] = {"external_id": "order-4711", "metadata": {"branch": "north"}, "allow_duplicate": True}
"""What a caller notes on a charge."""

Build = Callable[[World], Awaitable[Message]]


class Ownership(Enum):
    """What a request has to do with vendors."""

    VENDOR = auto()
    """It names a vendor, in the field that the policy gives: a stranger gets the answer of a missing vendor."""

    OBJECT = auto()
    """It names an object of a vendor: a stranger gets the answer of a missing object."""

    CONFINED = auto()
    """It names nothing; everybody sees only what is theirs."""

    NONE = auto()
    """It has nothing to do with a vendor's objects."""


@dataclass(frozen=True)
class Sample:
    """How to make the request; `missing` makes one for an object that does not exist. `spends_token`: it ends its caller's token."""

    build: Build
    ownership: Ownership = Ownership.NONE
    missing: Build | None = None
    spends_token: bool = False


def _fixed(make: Callable[[World], Message]) -> Build:
    async def build(world: World) -> Message:
        return make(world)

    return build


async def _approvable(world: World) -> Message:
    return vendor_pb.ApproveCreditRequestRequest(id=await world.pending_request(world.ours))


async def _rejectable(world: World) -> Message:
    return vendor_pb.RejectCreditRequestRequest(id=await world.pending_request(world.ours), reason="too much")


async def _cancellable(world: World) -> Message:
    return vendor_pb.CancelCreditRequestRequest(id=await world.pending_request(world.ours))


async def _disablable(world: World) -> Message:
    return identity_pb2.DisableUserRequest(id=await world.user())


async def _user_token(world: World) -> Message:
    return identity_pb2.CreateUserTokenRequest(id=await world.user(), label="point of sale")


async def _updatable(world: World) -> Message:
    return vendor_pb.UpdateVendorRequest(id=world.ours.vendor, name=f"Renamed {world.number()}")


def _inner(world: World) -> envelope_pb2.InnerCall:
    return envelope_pb2.InnerCall(
        method="/charging.vendor_credit.v1.VendorService/GetVendor",
        metadata=["authorization", f"Token {world.operator}"],
        timeout_us=5_000_000,
        message=vendor_pb.GetVendorRequest(id=world.ours.vendor).SerializeToString(),
    )


def _dispatch(world: World) -> Message:
    return envelope_pb2.DispatchRequest(calls=[_inner(world)])


def _exchange(world: World) -> Message:
    return envelope_pb2.ExchangeEnvelopesRequest(number=1, calls=[_inner(world)])


def _batch(world: World) -> Message:
    item = charge_pb.BatchItem(
        vendor_id=world.ours.vendor, customer_id=world.ours.customer, amount=CHARGE, idempotency_key=str(uuid4()), **NOTES
    )
    return charge_pb.BatchIncreaseCreditRequest(items=[item])


def _fact(world: World) -> Message:
    fact = events_pb2.VendorFact(
        vendor_id=world.ours.vendor, entry_seq=1, type=events_pb2.EVENT_TYPE_CREDIT_CONFIRMED, vendor_balance=1, amount=1, request_id=1
    )
    fact.created_at.FromSeconds(1_767_225_600)
    return events_pb2.AppendFactsRequest(facts=[fact])


def _statement(world: World) -> Message:
    request = statements_pb2.GetStatementRequest(vendor_id=world.ours.vendor)
    getattr(request, "from").FromSeconds(1_700_000_000)
    request.to.FromSeconds(1_760_000_000)
    return request


def _reconciliation(world: World) -> Message:
    row = reconciliation_pb2.ReconciliationRow(
        line=2, charge_id=world.ours.charge, customer_id=world.ours.customer, amount=CHARGE, state=charge_pb.CHARGE_STATE_SUCCEEDED
    )
    request = reconciliation_pb2.ReconcileChargesRequest(vendor_id=world.ours.vendor, rows=[row])
    getattr(request, "from").FromSeconds(1_700_000_000)
    request.to.FromSeconds(4_000_000_000)
    return request


def _new_user(world: World) -> Message:
    return identity_pb2.CreateUserRequest(
        username=f"user-{uuid4()}", password=PASSWORD, role=identity_pb2.ROLE_SERVICE, vendor_ids=[world.ours.vendor]
    )


def _of_vendor(make: Callable[[World], Message]) -> Sample:
    return Sample(_fixed(make), Ownership.VENDOR)


def _of_object(make: Callable[[Any], Message], ours: Callable[[World], object], missing: object) -> Sample:
    return Sample(_fixed(lambda world: make(ours(world))), Ownership.OBJECT, _fixed(lambda _: make(missing)))


_IDENTITY = {
    "TokenService/CreateToken": Sample(_fixed(lambda _: identity_pb2.CreateTokenRequest(username="paula", password=PASSWORD))),
    "TokenService/RevokeToken": Sample(_fixed(lambda _: identity_pb2.RevokeTokenRequest()), spends_token=True),
    "UserService/CreateUser": Sample(_fixed(_new_user)),
    "UserService/ListUsers": Sample(_fixed(lambda _: identity_pb2.ListUsersRequest(page_size=2))),
    "UserService/ListUserTokens": Sample(
        _fixed(lambda world: identity_pb2.ListUserTokensRequest(id=world.stack.user_ids["paula"], page_size=2))
    ),
    "UserService/DisableUser": Sample(_disablable),
    "UserService/CreateUserToken": Sample(_user_token),
    "TrustService/RotateSigningKey": Sample(_fixed(lambda _: identity_pb2.RotateSigningKeyRequest())),
    "KeyService/ListDocumentKeys": Sample(_fixed(lambda _: keys_pb2.ListDocumentKeysRequest())),
    "AuditLogService/ListIdentityAuditLog": Sample(_fixed(lambda _: identity_pb2.ListIdentityAuditLogRequest(page_size=2))),
    "AuditLogService/VerifyIdentityAuditLog": Sample(_fixed(lambda _: identity_pb2.VerifyIdentityAuditLogRequest())),
    "TrustService/GetTrustState": Sample(_fixed(lambda _: identity_pb2.GetTrustStateRequest())),
}

_VENDOR_CREDIT = {
    "VendorService/CreateVendor": Sample(
        _fixed(lambda _: vendor_pb.CreateVendorRequest(name="New", credit_limit=5, duplicate_window_seconds=60))
    ),
    "VendorService/GetVendor": _of_vendor(lambda world: vendor_pb.GetVendorRequest(id=world.ours.vendor)),
    "VendorService/ListVendors": Sample(_fixed(lambda _: vendor_pb.ListVendorsRequest(page_size=2))),
    "VendorService/UpdateVendor": Sample(_updatable, Ownership.VENDOR),
    "VendorService/ReleaseVendor": _of_vendor(lambda world: vendor_pb.ReleaseVendorRequest(id=world.ours.vendor, reason="looked into")),
    "VendorService/ListVendorEntries": _of_vendor(lambda world: vendor_pb.ListVendorEntriesRequest(vendor_id=world.ours.vendor)),
    "VendorService/ListVendorBalances": _of_vendor(
        lambda world: vendor_pb.ListVendorBalancesRequest(vendor_id=world.ours.vendor, points=3)
    ),
    "StatementService/GetStatement": _of_vendor(_statement),
    "VendorService/LookupVendors": Sample(_fixed(lambda world: vendor_pb.LookupVendorsRequest(vendor_ids=[world.ours.vendor]))),
    "CreditRequestService/SubmitCreditRequest": _of_vendor(
        lambda world: vendor_pb.SubmitCreditRequestRequest(vendor_id=world.ours.vendor, amount=10)
    ),
    "CreditRequestService/ApproveCreditRequest": Sample(_approvable),
    "CreditRequestService/RejectCreditRequest": Sample(_rejectable),
    "CreditRequestService/CancelCreditRequest": Sample(
        _cancellable, Ownership.OBJECT, _fixed(lambda _: vendor_pb.CancelCreditRequestRequest(id=MISSING_ID))
    ),
    "CreditRequestService/GetCreditRequest": _of_object(
        lambda key: vendor_pb.GetCreditRequestRequest(id=key), lambda world: world.ours.request, MISSING_ID
    ),
    "CreditRequestService/ListCreditRequests": _of_vendor(lambda world: vendor_pb.ListCreditRequestsRequest(vendor_id=world.ours.vendor)),
    "DebitService/DebitVendors": Sample(
        _fixed(
            lambda world: vendor_pb.DebitVendorsRequest(debits=[vendor_pb.Debit(charge_id=world.ours.charge, vendor_id=1, amount=CHARGE)])
        )
    ),
    "ReversalCreditService/CreditVendors": Sample(
        _fixed(
            lambda world: reversal_credit_pb.CreditVendorsRequest(
                credits=[reversal_credit_pb.ReversalCredit(reversal_id=str(uuid4()), vendor_id=world.ours.vendor, amount=1)]
            )
        )
    ),
    "ReversalCreditService/ListReversalCredits": Sample(_fixed(lambda _: reversal_credit_pb.ListReversalCreditsRequest(page_size=2))),
    "ReversalCreditService/GetReversalCredits": Sample(
        _fixed(lambda _: reversal_credit_pb.GetReversalCreditsRequest(reversal_ids=[str(uuid4())]))
    ),
    "DebitService/PreviewDebits": Sample(
        _fixed(
            lambda world: vendor_pb.PreviewDebitsRequest(
                debits=[vendor_pb.Debit(charge_id=str(uuid4()), vendor_id=world.ours.vendor, amount=CHARGE)]
            )
        )
    ),
    "AuditLogService/ListVendorAuditLog": Sample(_fixed(lambda _: vendor_pb.ListVendorAuditLogRequest(page_size=2))),
    "AuditLogService/VerifyVendorAuditLog": Sample(_fixed(lambda _: vendor_pb.VerifyVendorAuditLogRequest())),
    "VendorAuditService/VerifyVendorLedgers": Sample(_fixed(lambda _: vendor_pb.VerifyVendorLedgersRequest())),
    "VendorAuditService/ListDebits": Sample(_fixed(lambda _: vendor_pb.ListDebitsRequest(page_size=2))),
    "VendorAuditService/GetDecisions": Sample(_fixed(lambda world: vendor_pb.GetDecisionsRequest(charge_ids=[world.ours.charge]))),
}


def _of_endpoint(make: Callable[[int], Message]) -> Sample:
    async def build(world: World) -> Message:
        return make(await our_endpoint(world))

    return Sample(build, Ownership.OBJECT, _fixed(lambda _: make(MISSING_ID)))


_WEBHOOKS = {f"WebhookService/{name}": _of_endpoint(make) for name, make in OF_ENDPOINT.items()} | {
    "WebhookService/CreateWebhookEndpoint": Sample(creatable, Ownership.VENDOR),
    "WebhookService/ListWebhookEndpoints": _of_vendor(lambda world: webhooks_pb2.ListWebhookEndpointsRequest(vendor_id=world.ours.vendor)),
}

_CUSTOMER_CHARGE = {
    "CustomerService/CreateCustomer": Sample(_fixed(lambda world: charge_pb.CreateCustomerRequest(phone_number=world.phone_number()))),
    "CustomerService/GetCustomer": _of_object(
        lambda key: charge_pb.GetCustomerRequest(id=key), lambda world: world.ours.customer, MISSING_ID
    ),
    "CustomerService/ReleaseCustomer": Sample(
        _fixed(lambda world: charge_pb.ReleaseCustomerRequest(id=world.ours.customer, reason="looked into")),
        missing=_fixed(lambda _: charge_pb.ReleaseCustomerRequest(id=MISSING_ID, reason="looked into")),
    ),
    "CustomerService/ListCustomers": Sample(_fixed(lambda _: charge_pb.ListCustomersRequest(page_size=200)), Ownership.CONFINED),
    "CustomerService/ListCustomerEntries": _of_object(
        lambda key: charge_pb.ListCustomerEntriesRequest(customer_id=key), lambda world: world.ours.customer, MISSING_ID
    ),
    "ChargeService/IncreaseCredit": _of_vendor(
        lambda world: charge_pb.IncreaseCreditRequest(vendor_id=world.ours.vendor, customer_id=world.ours.customer, amount=CHARGE, **NOTES)
    ),
    "ChargeService/BatchIncreaseCredit": _of_vendor(_batch),
    "ChargeService/GetCharge": _of_object(lambda key: charge_pb.GetChargeRequest(id=key), lambda world: world.ours.charge, MISSING_CHARGE),
    "ReceiptService/GetChargeReceipt": _of_object(
        lambda key: receipts_pb2.GetChargeReceiptRequest(id=key), lambda world: world.ours.charge, MISSING_CHARGE
    ),
    "ChargeService/ListCharges": _of_vendor(lambda world: charge_pb.ListChargesRequest(vendor_id=world.ours.vendor)),
    "ReconciliationService/ReconcileCharges": _of_vendor(_reconciliation),
    "ChargeService/ResolveCharge": _of_vendor(
        lambda world: charge_pb.ResolveChargeRequest(vendor_id=world.ours.vendor, idempotency_key=str(uuid4()))
    ),
    **_WEBHOOKS,
    "EventService/ListEvents": _of_vendor(
        lambda world: events_pb2.ListEventsRequest(vendor_id=world.ours.vendor, types=[events_pb2.EVENT_TYPE_CHARGE_SUCCEEDED])
    ),
    "EventService/WatchEvents": _of_vendor(lambda world: events_pb2.WatchEventsRequest(vendor_id=world.ours.vendor, after=1)),
    "EventIntakeService/AppendFacts": Sample(_fixed(_fact)),
    "ReversalService/ReverseCharge": _of_object(
        lambda key: reversal_pb2.ReverseChargeRequest(id=key, amount=1, reason="a mistake"), lambda world: world.ours.charge, MISSING_CHARGE
    ),
    "ReversalService/GetReversal": _of_object(
        lambda key: reversal_pb2.GetReversalRequest(id=key), lambda world: world.ours.reversal, MISSING_CHARGE
    ),
    "ReversalService/ListReversals": _of_vendor(lambda world: reversal_pb2.ListReversalsRequest(vendor_id=world.ours.vendor)),
    "AuditLogService/ListCustomerAuditLog": Sample(_fixed(lambda _: charge_pb.ListCustomerAuditLogRequest(page_size=2))),
    "BooksService/GetBooks": Sample(_fixed(lambda _: charge_pb.GetBooksRequest())),
}

SAMPLES: Mapping[str, Sample] = {
    f"/charging.{package}.v1.{name}": sample
    for package, samples in (
        ("identity", _IDENTITY),
        ("vendor_credit", _VENDOR_CREDIT),
        ("customer_charge", _CUSTOMER_CHARGE),
        (
            "transport",
            {"EnvelopeService/Dispatch": Sample(_fixed(_dispatch)), "EnvelopeService/ExchangeEnvelopes": Sample(_fixed(_exchange))},
        ),
    )
    for name, sample in samples.items()
}


def sample_of(method: str) -> Sample:
    """Return the sample of a method; fails, saying what to do, for a method that has none."""
    assert method in SAMPLES, f"{method} is new: give it a sample request in tests/contract/samples.py, and say whose objects it names"
    return SAMPLES[method]


async def missing_request(method: str, world: World) -> Message:
    """Return the request of a sample for a vendor or object that does not exist."""
    sample = sample_of(method)
    if sample.missing is not None:
        return await sample.missing(world)
    request = await sample.build(world)
    *outer, last = policy(method).vendor_path
    for message in [request] if not outer else getattr(request, outer[0]):
        setattr(message, last, MISSING_ID)
    return request


METHOD_NAMES = sorted(METHODS)
"""Every method, in the order in which tests run."""
