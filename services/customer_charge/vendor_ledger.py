"""The vendor-credit service, as this service sees it: where vendors are looked up and debited."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
import structlog
from charging.vendor_credit.v1 import vendor_credit_pb2, vendor_credit_pb2_grpc

from services.customer_charge.debit_columns import columns_of, verdicts_of
from services.customer_charge.debit_decisions import verdict_of
from services.customer_charge.domain.charge_ids import LAST_ID
from services.customer_charge.domain.charges import PendingCharge, Verdict
from services.customer_charge.reversal_ledger import ReversalCreditClient
from shared.errors import Unavailable

DEBIT_TIMEOUT_SECONDS = 10.0
"""A batch of thousands takes well under a second; a worker that waits longer than this looks again instead."""

LOOKUP_TIMEOUT_SECONDS = 5.0

T = TypeVar("T")
log = structlog.get_logger(__name__)


class VendorCreditClient:
    """Calls the vendor-credit service with this process's own token."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str]) -> None:
        self._debits = vendor_credit_pb2_grpc.DebitServiceStub(channel)
        self._vendors = vendor_credit_pb2_grpc.VendorServiceStub(channel)
        self._audit = vendor_credit_pb2_grpc.VendorAuditServiceStub(channel)
        self._peer_token = peer_token
        self.reversals = ReversalCreditClient(channel, self._metadata, self._ask)

    async def debit(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return one sticky verdict per charge, in order. Raises Unavailable; asking again is always safe."""
        columns = columns_of(pending)
        request = vendor_credit_pb2.DebitVendorsRequest(columns=columns)
        response = await self._ask(self._debits.DebitVendors(request, timeout=DEBIT_TIMEOUT_SECONDS, metadata=self._metadata()))
        verdicts = verdicts_of(pending, columns, response.columns)
        if verdicts is None:
            raise _mismatch()
        return verdicts

    async def preview(self, pending: Sequence[PendingCharge]) -> list[Verdict]:
        """Return how each charge, none of which was decided before, would be decided now, in order. Raises Unavailable."""
        request = vendor_credit_pb2.PreviewDebitsRequest(debits=_debits(pending))
        call = self._debits.PreviewDebits(request, timeout=LOOKUP_TIMEOUT_SECONDS, metadata=self._metadata(), wait_for_ready=True)
        return _verdicts(pending, (await self._ask(call)).decisions)

    async def existing(self, vendor_ids: set[int]) -> set[int]:
        """Return those of the vendors that exist. Raises Unavailable."""
        request = vendor_credit_pb2.LookupVendorsRequest(vendor_ids=sorted(vendor_ids))
        # Patient with a service that is just being restarted: the caller's charge is not refused for it.
        call = self._vendors.LookupVendors(request, timeout=LOOKUP_TIMEOUT_SECONDS, metadata=self._metadata(), wait_for_ready=True)
        response = await self._ask(call)
        return set(response.vendor_ids)

    async def verify_ledgers(self, timeout_seconds: float) -> vendor_credit_pb2.VerifyVendorLedgersResponse:
        """Have every vendor's ledger checked. Raises Unavailable."""
        request = vendor_credit_pb2.VerifyVendorLedgersRequest()
        return await self._ask(self._audit.VerifyVendorLedgers(request, timeout=timeout_seconds, metadata=self._metadata()))

    async def list_debits(self, after: str, limit: int, until: str = LAST_ID) -> vendor_credit_pb2.ListDebitsResponse:
        """Return debited charges with ids in (after, until], in order, and which of them no entry took. Raises Unavailable."""
        request = vendor_credit_pb2.ListDebitsRequest(after_charge_id=after, page_size=limit, until_charge_id=until)
        return await self._ask(self._audit.ListDebits(request, timeout=DEBIT_TIMEOUT_SECONDS, metadata=self._metadata()))

    async def decisions(self, charge_ids: Sequence[str]) -> list[vendor_credit_pb2.DebitDecision]:
        """Return the decisions that exist for the charges. Raises Unavailable."""
        request = vendor_credit_pb2.GetDecisionsRequest(charge_ids=charge_ids)
        response = await self._ask(self._audit.GetDecisions(request, timeout=DEBIT_TIMEOUT_SECONDS, metadata=self._metadata()))
        return list(response.decisions)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Token {self._peer_token()}"),)

    @staticmethod
    async def _ask(call: Awaitable[T]) -> T:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise _unreachable(f"{error.code().name}: {error.details()}") from error


def _debits(pending: Sequence[PendingCharge]) -> list[vendor_credit_pb2.Debit]:
    return [
        vendor_credit_pb2.Debit(
            charge_id=charge.charge_id,
            vendor_id=charge.vendor_id,
            amount=charge.amount,
            customer_id=charge.customer_id,
            allow_duplicate=charge.allow_duplicate,
            customer_stopped=charge.customer_stopped,
        )
        for charge in pending
    ]


def _verdicts(pending: Sequence[PendingCharge], decisions: Sequence[vendor_credit_pb2.DebitDecision]) -> list[Verdict]:
    if [decision.charge_id for decision in decisions] != [charge.charge_id for charge in pending]:
        raise _mismatch()
    return [verdict_of(charge, decision) for charge, decision in zip(pending, decisions, strict=True)]


def _mismatch() -> Unavailable:
    return _unreachable("the answer does not match the question")


def _unreachable(detail: str) -> Unavailable:
    log.warning("vendor_credit.unreachable", detail=detail)
    return Unavailable(
        "the vendor-credit service is out of reach",
        reason="VENDOR_CREDIT_UNAVAILABLE",
        metadata={"service": "vendor_credit"},
        retry_after_seconds=1.0,
    )
