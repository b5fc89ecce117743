"""StatementService."""

from charging.vendor_credit.v1 import statements_pb2 as pb
from charging.vendor_credit.v1 import statements_pb2_grpc

from services.vendor_credit.domain.statements import Balance, Statement
from services.vendor_credit.handlers.vendors import entry_message
from services.vendor_credit.operations.read_statement import read_statement
from shared.cells import Cells
from shared.clock import utc_now
from shared.documents.signing import STATEMENT, DocumentSigner
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token
from shared.times import from_timestamp, to_timestamp

PAGE_SIZE_DEFAULT = 500


class StatementServicer(statements_pb2_grpc.StatementServiceServicer):
    """Serves statements, signed."""

    def __init__(self, cells: Cells, signer: DocumentSigner) -> None:
        self._cells = cells
        self._signer = signer

    async def GetStatement(self, request: pb.GetStatementRequest, context: Context) -> pb.GetStatementResponse:
        """Return a page of a statement."""
        limit = request.page_size or PAGE_SIZE_DEFAULT
        (after_seq,) = decode_page_token(request.page_token, int) or (0,)
        statement, entries = await read_statement(
            self._cells,
            request.vendor_id,
            start=from_timestamp(getattr(request, "from")),
            stop=from_timestamp(request.to),
            after_seq=int(after_seq),
            limit=limit,
            now=utc_now(),
        )
        more = bool(entries) and entries[-1].seq < statement.closing.seq
        return pb.GetStatementResponse(
            data=self._message(statement),
            entries=[entry_message(entry) for entry in entries],
            next_page_token=encode_page_token(entries[-1].seq) if more else "",
        )

    def _message(self, statement: Statement) -> pb.Statement:
        message = pb.Statement(
            vendor_id=statement.vendor_id,
            to=to_timestamp(statement.stop),
            opening=_balance_message(pb.STATEMENT_END_OPENING, statement.opening),
            closing=_balance_message(pb.STATEMENT_END_CLOSING, statement.closing),
            entry_count=statement.entry_count,
            issued_at=to_timestamp(statement.issued_at),
            signature=self._signer.sign(STATEMENT, statement.facts()),
        )
        getattr(message, "from").FromDatetime(statement.start)  # a reserved word of Python
        return message


def _balance_message(end: pb.StatementEnd.ValueType, balance: Balance) -> pb.StatementBalance:
    return pb.StatementBalance(kind=end, seq=balance.seq, balance_after=balance.balance, hash=balance.hash.hex())
