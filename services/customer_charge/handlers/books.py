"""BooksService."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc

from services.customer_charge.operations.check_books import Books, VendorBooks, check_books
from services.customer_charge.operations.read_books_state import BooksState, read_books_state
from shared.call import current_call
from shared.cells import Cells
from shared.interceptors.types import Context
from shared.times import to_timestamp


class BooksServicer(customer_charge_pb2_grpc.BooksServiceServicer):
    """Serves the books."""

    def __init__(self, cells: Cells, vendor_books: VendorBooks) -> None:
        self._cells = cells
        self._vendor_books = vendor_books

    async def GetBooks(self, request: pb.GetBooksRequest, context: Context) -> pb.GetBooksResponse:
        """Check everything and return the books, or tell what was found last."""
        if request.recent:
            books = Books()
        else:
            books = await check_books(self._cells, self._vendor_books, timeout_seconds=current_call().remaining_seconds())
        message = books_message(books, await read_books_state(self._cells))
        if request.recent:
            message.ClearField("checked_at")  # nothing was checked now; `last_check` says when it was
        return pb.GetBooksResponse(data=message)


def books_message(books: Books, state: BooksState) -> pb.Books:
    """Return the wire form of the books; `state` is what is pending and stopped now, and the last check of each minute."""
    return pb.Books(
        confirmed_credit_total=books.confirmed_credit_total,
        vendor_balance_total=books.vendor_balance_total,
        customer_balance_total=books.customer_balance_total,
        under_way_total=books.under_way_total,
        drift=books.drift,
        charges=books.charges,
        pending_charges=state.pending_charges,
        oldest_pending_ms=state.oldest_pending_ms,
        pending_reversals=state.pending_reversals,
        findings=books.findings,
        checked_at=to_timestamp(books.checked_at),
        blocked_charges=state.blocked_charges,
        stopped_vendors=state.stopped_vendors,
        stopped_customers=state.stopped_customers,
        last_check=pb.LastCheck(checked_at=to_timestamp(state.checked_at), drift=state.drift, findings=state.findings),
    )
