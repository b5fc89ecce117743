"""Which vendors exist, asked of the service that keeps them."""

from collections.abc import Callable, Sequence

import grpc.aio
import structlog
from charging.vendor_credit.v1 import vendor_credit_pb2, vendor_credit_pb2_grpc

from shared.errors import FieldViolation, InvalidArgument

LOOKUP_TIMEOUT_SECONDS = 2.0
"""A service that is in reach answers within milliseconds; users are made without it too."""

log = structlog.get_logger(__name__)


class VendorDirectory:
    """Looks vendors up with this process's own token."""

    def __init__(self, channel: grpc.aio.Channel, peer_token: Callable[[], str]) -> None:
        self._vendors = vendor_credit_pb2_grpc.VendorServiceStub(channel)
        self._peer_token = peer_token

    async def require(self, vendor_ids: Sequence[int], field: str) -> None:
        """Raise InvalidArgument naming each item of `field` that is no vendor; nothing is refused while the service is out of reach.

        A user of a vendor that does not exist can do nothing, so letting one pass now and then harms nobody.
        """
        if not vendor_ids:
            return
        request = vendor_credit_pb2.LookupVendorsRequest(vendor_ids=sorted(set(vendor_ids)))
        metadata = (("authorization", f"Token {self._peer_token()}"),)
        try:
            answer = await self._vendors.LookupVendors(request, timeout=LOOKUP_TIMEOUT_SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            log.warning("vendor_directory.out_of_reach", code=error.code().name)
            return
        existing = set(answer.vendor_ids)
        missing = [(index, vendor_id) for index, vendor_id in enumerate(vendor_ids) if vendor_id not in existing]
        if missing:
            violations = [FieldViolation(f"{field}[{index}]", f"there is no vendor {vendor_id}") for index, vendor_id in missing]
            first = violations[0]
            raise InvalidArgument(f"{first.field}: {first.message}", metadata={"field": first.field}, violations=violations)
