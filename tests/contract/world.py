"""The people and objects that the contract tests speak of: two vendors that must never learn of each other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import grpc
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.customer_charge.v1 import reversal_pb2
from charging.identity.v1 import identity_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb

from shared.principal import Role
from tests.contract.contract import response_of
from tests.contract.stack import PASSWORD, Stack

CREDIT = 1_000_000
CHARGE = 100
MISSING_ID = 987_654_321
MISSING_CHARGE = "00000000-0000-7000-8000-0000deadbeef"

VENDORS = "/charging.vendor_credit.v1.VendorService/"
REQUESTS = "/charging.vendor_credit.v1.CreditRequestService/"
CUSTOMERS = "/charging.customer_charge.v1.CustomerService/"
CHARGES = "/charging.customer_charge.v1.ChargeService/"
REVERSALS = "/charging.customer_charge.v1.ReversalService/"
USERS = "/charging.identity.v1.UserService/"


@dataclass
class Side:
    """What belongs to one vendor. `customer` dealt with this vendor alone."""

    token: str
    vendor: int
    customer: int = 0
    request: int = 0
    charge: str = ""
    reversal: str = ""


class World:
    """The stack with its inhabitants: two operators, a partner and a service on either side, and a customer that both sides charged."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.operator = ""
        self.ours: Side
        self.theirs: Side
        self.shared_customer = 0
        self._numbers = count(1)

    async def call(self, method: str, request: Any, token: str) -> Any:
        """Call a method that must succeed; return its response."""
        reply = await self.stack.call(method, request, token)
        assert reply.code is grpc.StatusCode.OK, f"{method}: {reply.code.name} {reply.details}"
        return response_of(method, reply.content)

    def number(self) -> int:
        """Return a number that was not used before."""
        return next(self._numbers)

    def phone_number(self) -> str:
        """Return a phone number that nobody has."""
        return f"+98935{self.number():07}"

    async def populate(self) -> None:
        """Make everybody and everything."""
        stack = self.stack
        self.operator = await stack.add_user("olga", Role.OPERATOR)
        await stack.add_user("oscar", Role.OPERATOR)
        ids = [await told_apart(self.vendor) for _ in range(2)]
        self.ours = Side(await stack.add_user("paula", Role.PARTNER, ids[:1]), ids[0])
        self.theirs = Side(await stack.add_user("peter", Role.PARTNER, ids[1:]), ids[1])
        await stack.add_user("sensor", Role.SERVICE, ids[:1])
        await stack.add_user("stranger", Role.SERVICE, ids[1:])
        self.shared_customer = await self.customer(self.operator)
        for side in (self.ours, self.theirs):
            side.customer = await told_apart(partial(self.customer, side.token))
            side.request = await told_apart(partial(self.pending_request, side, CREDIT))
            await self.call(REQUESTS + "ApproveCreditRequest", vendor_pb.ApproveCreditRequestRequest(id=side.request), self.operator)
            side.charge = await self.charge(side, side.customer)
            await self.charge(side, self.shared_customer)
            await self.charge(side, self.shared_customer)
        await stack.settle()
        for side in (self.ours, self.theirs):
            side.reversal = await self.reversal(side, side.charge)
        await stack.settle()

    async def vendor(self) -> int:
        """Make a vendor; return its id."""
        made = await self.call(VENDORS + "CreateVendor", vendor_pb.CreateVendorRequest(name=f"Vendor {self.number()}"), self.operator)
        return int(made.data.id)

    async def customer(self, token: str) -> int:
        """Make a customer in the caller's name; return its id."""
        request = charge_pb.CreateCustomerRequest(phone_number=self.phone_number())
        return int((await self.call(CUSTOMERS + "CreateCustomer", request, token)).data.id)

    async def pending_request(self, side: Side, amount: int = 10) -> int:
        """Submit a credit request; return its id."""
        request = vendor_pb.SubmitCreditRequestRequest(vendor_id=side.vendor, amount=amount)
        return int((await self.call(REQUESTS + "SubmitCreditRequest", request, side.token)).data.id)

    async def charge(self, side: Side, customer: int) -> str:
        """Accept a charge; return its id."""
        request = charge_pb.IncreaseCreditRequest(vendor_id=side.vendor, customer_id=customer, amount=CHARGE)
        return str((await self.call(CHARGES + "IncreaseCredit", request, side.token)).data.id)

    async def reversal(self, side: Side, charge: str) -> str:
        """Accept the reversal of a part of a charge; return its id."""
        request = reversal_pb2.ReverseChargeRequest(id=charge, amount=1, reason="a mistake")
        return str((await self.call(REVERSALS + "ReverseCharge", request, side.token)).data.id)

    async def user(self) -> int:
        """Make a partner's user that no test signs in; return its id."""
        request = identity_pb2.CreateUserRequest(username=f"user-{uuid4()}", password=PASSWORD, role=identity_pb2.ROLE_PARTNER)
        return int((await self.call(USERS + "CreateUser", request, self.operator)).data.id)

    async def fresh_token(self, username: str) -> str:
        """Return one more token of a user, to be used up."""
        request = identity_pb2.CreateUserTokenRequest(id=self.stack.user_ids[username], label="throw away")
        return str((await self.call(USERS + "CreateUserToken", request, self.operator)).token)


async def told_apart(make: Callable[[], Awaitable[int]]) -> int:
    """Make something and return its id, which is nothing that a refusal says anyway: tests cut ids out of texts, and 404 stays."""
    while str(made := await make()) in "404":
        pass
    return made
