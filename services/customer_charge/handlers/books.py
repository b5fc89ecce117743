"""BooksService."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc

from services.customer_charge.operations.check_books import Books, VendorBooks, check_books
from shared.call import current_call
from shared.database import Database
from shared.interceptors.types import Context
from shared.times import to_timestamp


class BooksServicer(customer_charge_pb2_grpc.BooksServiceServicer):
    """Serves the books."""

    def __init__(self, database: Database, vendor_books: VendorBooks) -> None:
        self._database = database
        self._vendor_books = vendor_books

    async def GetBooks(self, request: pb.GetBooksRequest, context: Context) -> pb.GetBooksResponse:
        """Check everything and return the books."""
        books = await check_books(self._database, self._vendor_books, timeout_seconds=current_call().remaining_seconds())
        return pb.GetBooksResponse(data=books_message(books))


def books_message(books: Books) -> pb.Books:
    """Return the wire form of the books."""
    return pb.Books(
        confirmed_credit_total=books.confirmed_credit_total,
        vendor_balance_total=books.vendor_balance_total,
        customer_balance_total=books.customer_balance_total,
        under_way_total=books.under_way_total,
        drift=books.drift,
        charges=books.charges,
        pending_charges=books.pending_charges,
        oldest_pending_ms=books.oldest_pending_ms,
        pending_reversals=books.pending_reversals,
        findings=books.findings,
        checked_at=to_timestamp(books.checked_at),
    )
