"""VendorService."""

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from charging.vendor_credit.v1 import vendor_credit_pb2_grpc

from services.vendor_credit.domain.ledger import Entry
from services.vendor_credit.operations import read_vendors
from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.stop_vendors import release_vendor
from services.vendor_credit.operations.update_vendor import update_vendor
from services.vendor_credit.storage.vendors import Vendor
from shared.call import current_call
from shared.cells import Cells
from shared.errors import InvalidArgument
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.times import from_timestamp, to_timestamp

MAX_INT64 = 2**63 - 1
POINTS_DEFAULT = 100
POINTS_MIN = 2
"""A line has a beginning and an end."""


class VendorServicer(vendor_credit_pb2_grpc.VendorServiceServicer):
    """Serves vendors and their ledgers."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def CreateVendor(self, request: pb.CreateVendorRequest, context: Context) -> pb.CreateVendorResponse:
        """Create a vendor once per key."""
        call = current_call()
        vendor, replayed = await create_vendor(
            self._cells,
            name=request.name,
            credit_limit=request.credit_limit,
            low_balance_threshold=request.low_balance_threshold,
            duplicate_window_seconds=request.duplicate_window_seconds,
            principal=call.caller.subject,
            key=call.idempotency_key,
        )
        if replayed:
            call.mark_replayed()
        return pb.CreateVendorResponse(data=vendor_message(vendor))

    async def GetVendor(self, request: pb.GetVendorRequest, context: Context) -> pb.GetVendorResponse:
        """Return one vendor."""
        return pb.GetVendorResponse(data=vendor_message(await read_vendors.get_vendor(self._cells, request.id)))

    async def ListVendors(self, request: pb.ListVendorsRequest, context: Context) -> pb.ListVendorsResponse:
        """List vendors in id order."""
        limit = page_size_of(request.page_size)
        (after_id,) = decode_page_token(request.page_token, int) or (0,)
        vendors = await read_vendors.list_vendors(self._cells, after_id=int(after_id), search=request.search.strip(), limit=limit + 1)
        token = encode_page_token(vendors[limit - 1].id) if len(vendors) > limit else ""
        return pb.ListVendorsResponse(vendors=[vendor_message(vendor) for vendor in vendors[:limit]], next_page_token=token)

    async def UpdateVendor(self, request: pb.UpdateVendorRequest, context: Context) -> pb.UpdateVendorResponse:
        """Change the fields that are present."""
        vendor = await update_vendor(
            self._cells,
            request.id,
            name=request.name if request.HasField("name") else None,
            credit_limit=request.credit_limit if request.HasField("credit_limit") else None,
            suspended=request.suspended if request.HasField("suspended") else None,
            low_balance_threshold=request.low_balance_threshold if request.HasField("low_balance_threshold") else None,
            duplicate_window_seconds=request.duplicate_window_seconds if request.HasField("duplicate_window_seconds") else None,
            actor=current_call().caller.subject,
        )
        return pb.UpdateVendorResponse(data=vendor_message(vendor))

    async def ReleaseVendor(self, request: pb.ReleaseVendorRequest, context: Context) -> pb.ReleaseVendorResponse:
        """Let a stopped vendor go on."""
        vendor = await release_vendor(self._cells, request.id, reason=request.reason, actor=current_call().caller.subject)
        return pb.ReleaseVendorResponse(data=vendor_message(vendor))

    async def ListVendorEntries(self, request: pb.ListVendorEntriesRequest, context: Context) -> pb.ListVendorEntriesResponse:
        """List a vendor's entries, newest first."""
        if request.reference:
            found = await read_vendors.find_entries(self._cells, request.vendor_id, request.reference)
            return pb.ListVendorEntriesResponse(entries=[entry_message(entry) for entry in _within(found, request)])
        limit = page_size_of(request.page_size)
        (before_seq,) = decode_page_token(request.page_token, int) or (MAX_INT64,)
        entries = await read_vendors.list_entries(
            self._cells,
            request.vendor_id,
            before_seq=int(before_seq),
            start=from_timestamp(getattr(request, "from")) if request.HasField("from") else None,
            stop=from_timestamp(request.to) if request.HasField("to") else None,
            limit=limit + 1,
        )
        token = encode_page_token(entries[limit - 1].seq) if len(entries) > limit else ""
        return pb.ListVendorEntriesResponse(entries=[entry_message(entry) for entry in entries[:limit]], next_page_token=token)

    async def ListVendorBalances(self, request: pb.ListVendorBalancesRequest, context: Context) -> pb.ListVendorBalancesResponse:
        """Return a vendor's balance over time."""
        points = request.points or POINTS_DEFAULT
        if points < POINTS_MIN:
            raise InvalidArgument.of_field("points", f"must be {POINTS_MIN} or more")
        entries = await read_vendors.list_balances(
            self._cells,
            request.vendor_id,
            start=from_timestamp(getattr(request, "from")) if request.HasField("from") else None,
            stop=from_timestamp(request.to) if request.HasField("to") else None,
            points=points,
        )
        return pb.ListVendorBalancesResponse(balances=[balance_message(entry) for entry in entries])

    async def LookupVendors(self, request: pb.LookupVendorsRequest, context: Context) -> pb.LookupVendorsResponse:
        """Tell which vendors exist."""
        return pb.LookupVendorsResponse(vendor_ids=await read_vendors.lookup_vendors(self._cells, list(request.vendor_ids)))


def _within(entries: list[Entry], request: pb.ListVendorEntriesRequest) -> list[Entry]:
    """Return those of a few entries that are of the asked time."""
    start = from_timestamp(getattr(request, "from")) if request.HasField("from") else None
    stop = from_timestamp(request.to) if request.HasField("to") else None
    return [each for each in entries if (start is None or each.created_at >= start) and (stop is None or each.created_at < stop)]


def vendor_message(vendor: Vendor) -> pb.Vendor:
    """Return the wire form of a vendor."""
    return pb.Vendor(
        id=vendor.id,
        name=vendor.name,
        balance=vendor.balance,
        credit_limit=vendor.credit_limit,
        available=vendor.balance + vendor.credit_limit,
        suspended=vendor.suspended,
        created_at=to_timestamp(vendor.created_at),
        updated_at=to_timestamp(vendor.updated_at),
        low_balance_threshold=vendor.low_balance_threshold,
        duplicate_window_seconds=vendor.duplicate_window_seconds,
        stopped=vendor.stopped,
    )


def entry_message(entry: Entry) -> pb.VendorEntry:
    """Return the wire form of an entry."""
    return pb.VendorEntry(
        vendor_id=entry.vendor_id,
        seq=entry.seq,
        amount=entry.amount,
        balance_after=entry.balance_after,
        kind=pb.VendorEntryKind.ValueType(entry.kind),
        reference=entry.reference,
        created_at=to_timestamp(entry.created_at),
        hash=entry.hash.hex(),
    )


def balance_message(entry: Entry) -> pb.VendorBalance:
    """Return the wire form of what a vendor held right after an entry."""
    return pb.VendorBalance(seq=entry.seq, balance=entry.balance_after, created_at=to_timestamp(entry.created_at))
