"""CustomerService."""

from charging.customer_charge.v1 import customer_charge_pb2 as pb
from charging.customer_charge.v1 import customer_charge_pb2_grpc

from services.customer_charge.domain.ledger import Entry
from services.customer_charge.handlers.page_tokens import page_token_charge
from services.customer_charge.operations import read_customers
from services.customer_charge.operations.create_customer import create_customer
from services.customer_charge.operations.stop_customers import release_customer
from services.customer_charge.storage.customers import Customer
from shared.call import current_call
from shared.cells import Cells
from shared.interceptors.types import Context
from shared.paging import decode_page_token, encode_page_token, page_size_of
from shared.principal import Role
from shared.times import to_timestamp


class CustomerServicer(customer_charge_pb2_grpc.CustomerServiceServicer):
    """Serves customers and their ledgers. What others did with a customer is shown to operators only."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def CreateCustomer(self, request: pb.CreateCustomerRequest, context: Context) -> pb.CreateCustomerResponse:
        """Create or find a customer."""
        caller = current_call().caller
        customer = await create_customer(
            self._cells, request.phone_number, sorted(caller.vendors), caller.visible_vendors, logged_as=caller.logged_as
        )
        return pb.CreateCustomerResponse(data=customer_message(customer, whole=caller.role is Role.OPERATOR))

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Context) -> pb.GetCustomerResponse:
        """Return one customer."""
        caller = current_call().caller
        customer = await read_customers.get_customer(self._cells, request.id, caller.visible_vendors)
        return pb.GetCustomerResponse(data=customer_message(customer, whole=caller.role is Role.OPERATOR))

    async def ListCustomers(self, request: pb.ListCustomersRequest, context: Context) -> pb.ListCustomersResponse:
        """List customers in id order."""
        caller = current_call().caller
        limit = page_size_of(request.page_size)
        (after_id,) = decode_page_token(request.page_token, int) or (0,)
        found = await read_customers.list_customers(
            self._cells,
            after_id=int(after_id),
            visible_vendors=caller.visible_vendors,
            phone_number=request.phone_number,
            search=f"+{request.search.lstrip('+')}" if request.search else "",
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].id) if len(found) > limit else ""
        whole = caller.role is Role.OPERATOR
        return pb.ListCustomersResponse(customers=[customer_message(each, whole=whole) for each in found[:limit]], next_page_token=token)

    async def ListCustomerEntries(self, request: pb.ListCustomerEntriesRequest, context: Context) -> pb.ListCustomerEntriesResponse:
        """List a customer's entries, newest first."""
        caller = current_call().caller
        whole = caller.role is Role.OPERATOR
        if request.reference:
            found = await read_customers.find_entries(self._cells, request.customer_id, request.reference, caller.visible_vendors)
            return pb.ListCustomerEntriesResponse(entries=[entry_message(each, whole=whole) for each in found])
        limit = page_size_of(request.page_size)
        before = page_token_charge(request.page_token)
        found = await read_customers.list_entries(
            self._cells,
            request.customer_id,
            before=before,
            visible_vendors=caller.visible_vendors,
            limit=limit + 1,
        )
        token = encode_page_token(found[limit - 1].reference) if len(found) > limit else ""
        return pb.ListCustomerEntriesResponse(entries=[entry_message(each, whole=whole) for each in found[:limit]], next_page_token=token)

    async def ReleaseCustomer(self, request: pb.ReleaseCustomerRequest, context: Context) -> pb.ReleaseCustomerResponse:
        """Let a stopped customer go on."""
        customer = await release_customer(self._cells, request.id, reason=request.reason, actor=current_call().caller.subject)
        return pb.ReleaseCustomerResponse(data=customer_message(customer, whole=True))


def customer_message(customer: Customer, *, whole: bool) -> pb.Customer:
    """Return the wire form of a customer; `whole` adds the total balance."""
    return pb.Customer(
        id=customer.id,
        phone_number=customer.phone_number,
        balance=customer.balance if whole else None,
        created_at=to_timestamp(customer.created_at),
        stopped=customer.stopped if whole else None,
    )


def entry_message(entry: Entry, *, whole: bool) -> pb.CustomerEntry:
    """Return the wire form of an entry; `whole` adds what would tell of other vendors' entries."""
    return pb.CustomerEntry(
        customer_id=entry.customer_id,
        vendor_id=entry.vendor_id,
        seq=entry.seq if whole else None,
        amount=entry.amount,
        balance_after=entry.balance_after if whole else None,
        kind=pb.CustomerEntryKind.ValueType(entry.kind),
        reference=entry.reference,
        created_at=to_timestamp(entry.created_at),
    )
