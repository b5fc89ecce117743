"""ReceiptService."""

from charging.customer_charge.v1 import customer_charge_pb2, receipts_pb2_grpc
from charging.customer_charge.v1 import receipts_pb2 as pb

from services.customer_charge.domain.charges import Charge
from services.customer_charge.domain.receipts import receipt_of
from services.customer_charge.operations.read_charges import get_charge
from shared.call import current_call
from shared.cells import Cells
from shared.clock import utc_now
from shared.documents.signing import RECEIPT, DocumentSigner
from shared.interceptors.types import Context
from shared.times import to_timestamp

_REASON_PREFIX = "FAILURE_REASON_"


class ReceiptServicer(receipts_pb2_grpc.ReceiptServiceServicer):
    """Serves receipts, signed."""

    def __init__(self, cells: Cells, signer: DocumentSigner) -> None:
        self._cells = cells
        self._signer = signer

    async def GetChargeReceipt(self, request: pb.GetChargeReceiptRequest, context: Context) -> pb.GetChargeReceiptResponse:
        """Return the receipt of a final charge."""
        charge = await get_charge(self._cells, request.id, current_call().caller.visible_vendors)
        receipt = receipt_of(charge, _reason_name(charge), utc_now())
        return pb.GetChargeReceiptResponse(
            data=pb.Receipt(
                id=charge.id,
                vendor_id=charge.vendor_id,
                customer_id=charge.customer_id,
                amount=charge.amount,
                state=customer_charge_pb2.ChargeState.ValueType(charge.state),
                reason=None if charge.failure_reason is None else customer_charge_pb2.FailureReason.ValueType(charge.failure_reason),
                created_at=to_timestamp(charge.created_at),
                settled_at=to_timestamp(receipt.settled_at),
                external_id=charge.external_id,
                issued_at=to_timestamp(receipt.issued_at),
                signature=self._signer.sign(RECEIPT, receipt.facts()),
            )
        )


def _reason_name(charge: Charge) -> str | None:
    """Return the JSON name of why a charge failed."""
    if charge.failure_reason is None:
        return None
    reason = customer_charge_pb2.FailureReason.ValueType(charge.failure_reason)
    return customer_charge_pb2.FailureReason.Name(reason).removeprefix(_REASON_PREFIX).lower()
