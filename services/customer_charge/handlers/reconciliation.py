"""ReconciliationService."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import reconciliation_pb2 as pb
from charging.customer_charge.v1 import reconciliation_pb2_grpc

from services.customer_charge.domain.charges import ChargeState
from services.customer_charge.domain.reconciliation import Discrepancy, Kind, Ours, Row
from services.customer_charge.operations.reconcile_charges import Page, Position, reconcile_charges
from shared.call import current_call
from shared.cells import Cells
from shared.errors import FieldViolation, InvalidArgument, Overloaded, ResourceExhausted
from shared.interceptors.context import CALL_ID
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token
from shared.times import from_timestamp, to_timestamp
from shared.validation import MAX_VIOLATIONS

PAGE_SIZE_DEFAULT = 500

AT_ONCE_MAX = 4
"""Reconciliations that one process works on: each holds a list of some megabytes, a connection, and now and then the interpreter."""

ROWS, CHARGES = "rows", "charges"
"""What a page token counts: places in the list, or our charges."""


class ReconciliationServicer(reconciliation_pb2_grpc.ReconciliationServiceServicer):
    """Serves reconciliations, one at a time to each caller."""

    def __init__(self, cells: Cells, require_vendor: Callable[[int], Awaitable[None]]) -> None:
        """`require_vendor` raises NotFound for a vendor that does not exist."""
        self._cells = cells
        self._require_vendor = require_vendor
        self._running: set[str] = set()

    async def ReconcileCharges(self, request: pb.ReconcileChargesRequest, context: Context) -> pb.ReconcileChargesResponse:
        """Return a page of what the caller's list and ours do not agree about."""
        start, stop = from_timestamp(getattr(request, "from")), from_timestamp(request.to)
        if start >= stop:
            raise InvalidArgument.of_field("to", "must be after from")
        position = _position(request.page_token)
        await self._require_vendor(request.vendor_id)
        with self._turn(current_call().caller.subject):
            rows = _rows(request)
            page = await reconcile_charges(
                self._cells.of(request.vendor_id),
                vendor_id=request.vendor_id,
                start=start,
                stop=stop,
                rows=rows,
                state=request.state,
                position=position,
                limit=request.page_size or PAGE_SIZE_DEFAULT,
            )
        return _response(request, page)

    @contextmanager
    def _turn(self, subject: str) -> Iterator[None]:
        """Let a caller in, unless it is in already or there are too many. Raises ResourceExhausted and Overloaded."""
        if subject in self._running:
            raise ResourceExhausted(
                "another reconciliation of the same caller is running", reason="TOO_MANY_RECONCILIATIONS", retry_after_seconds=1.0
            )
        if len(self._running) >= AT_ONCE_MAX:
            raise Overloaded("too many reconciliations are running", retry_after_seconds=1.0)
        self._running.add(subject)
        try:
            yield
        finally:
            self._running.remove(subject)


def _rows(request: pb.ReconcileChargesRequest) -> list[Row]:
    """Return the rows of a request. Raises InvalidArgument that names every one that cannot be compared."""
    rows, violations = [], []
    for index, each in enumerate(request.rows):
        if not (each.charge_id or each.idempotency_key or each.external_id):
            message = "is required, or charge, or external_id: a row needs a name for its charge"
            violations.append(FieldViolation(f"rows[{index}].idempotency_key", message))
        if each.vendor_id not in (0, request.vendor_id):
            violations.append(FieldViolation(f"rows[{index}].vendor_id", f"must be the vendor of the call, {request.vendor_id}"))
        if len(violations) >= MAX_VIOLATIONS:
            break
        reversed_amount = each.reversed_amount if each.HasField("reversed_amount") else None
        rows.append(
            Row(
                each.line or index + 1,
                each.charge_id,
                each.idempotency_key,
                each.external_id,
                each.customer_id,
                each.amount,
                each.state,
                reversed_amount,
            )
        )
    if violations:
        first = violations[0]
        raise InvalidArgument(f"{first.field}: {first.message}", metadata={"field": first.field}, violations=violations)
    return rows


def _position(page_token: str) -> Position:
    """Return where a page begins. Raises InvalidArgument for a token that was not given out."""
    key = decode_page_token(page_token, str, str)
    if key is None:
        return Position()
    stage, place = map(str, key)
    if stage == CHARGES and CALL_ID.fullmatch(place):
        return Position(after_id=place)
    if stage == ROWS and place.isascii() and place.isdecimal():
        return Position(row=int(place[:10]))
    raise InvalidArgument.of_field("page_token", "is not a token that was given out")


def _response(request: pb.ReconcileChargesRequest, page: Page) -> pb.ReconcileChargesResponse:
    rows, differing = len(request.rows), page.counts[Kind.DIFFERING]
    only_yours, duplicates = page.counts[Kind.ONLY_YOURS], page.counts[Kind.DUPLICATE]
    data = pb.Reconciliation(
        vendor_id=request.vendor_id,
        to=request.to,
        rows=rows,
        matched=rows - differing - only_yours - duplicates,
        differing=differing,
        only_yours=only_yours,
        duplicates=duplicates,
    )
    getattr(data, "from").CopyFrom(getattr(request, "from"))
    token = ""
    if page.next is not None:
        token = encode_page_token(CHARGES, page.next.after_id) if page.next.after_id else encode_page_token(ROWS, str(page.next.row))
    return pb.ReconcileChargesResponse(
        data=data, discrepancies=[discrepancy_message(each) for each in page.discrepancies], next_page_token=token
    )


def discrepancy_message(discrepancy: Discrepancy) -> pb.Discrepancy:
    """Return the wire form of a discrepancy."""
    message = pb.Discrepancy(
        kind=pb.DiscrepancyKind.ValueType(discrepancy.kind),
        fields=[pb.DifferingField.ValueType(each) for each in discrepancy.fields],
        first_line=discrepancy.first_line,
        created_at=to_timestamp(discrepancy.ours.created_at) if discrepancy.ours is not None else None,
    )
    if discrepancy.row is not None:
        _add_row(message, discrepancy.row)
    if discrepancy.ours is not None:
        _add_charge(message, discrepancy.ours)
    return message


def _add_row(message: pb.Discrepancy, row: Row) -> None:
    known = {
        "line": row.line,
        "your_charge_id": row.charge_id or None,
        "your_idempotency_key": row.key or None,
        "your_external_id": row.external_id or None,
        "your_customer_id": row.customer_id or None,
        "your_amount": row.amount,
        "your_state": row.state or None,
        "your_reversed_amount": row.reversed_amount,
    }
    for name, value in known.items():
        if value is not None:
            setattr(message, name, value)


def _add_charge(message: pb.Discrepancy, ours: Ours) -> None:
    message.charge_id = ours.id
    if ours.external_id is not None:
        message.our_external_id = ours.external_id
    message.our_customer_id = ours.customer_id
    message.our_amount = ours.amount
    message.our_state = charge_pb.ChargeState.ValueType(ours.state)
    if ours.state == ChargeState.SUCCEEDED:
        message.our_reversed_amount = ours.reversed_amount
