"""What a run plays with: a partner, its vendors and customers, and two operators. Nobody else touches them."""

from dataclasses import dataclass

from tests.system.office import Office

VENDORS = 3
CUSTOMERS = 4
CREDIT_LIMIT = 500
"""Of the last vendor: it may go below zero, to here and not further."""


@dataclass(frozen=True, slots=True)
class World:
    """Ids and tokens; every vendor began with `credit`, and vendor `limited` may go CREDIT_LIMIT below zero."""

    partner: str
    submitter: str
    approver: str
    vendors: tuple[int, ...]
    customers: tuple[int, ...]
    credit: int

    @property
    def limited(self) -> int:
        """Return the vendor that has a credit limit."""
        return self.vendors[-1]


def make_world(office: Office, *, credit: int, vendors: int = VENDORS) -> World:
    """Make a new world through the front door; for a system that is well."""
    made = [office.vendor(credit, credit_limit=CREDIT_LIMIT if number == vendors - 1 else 0) for number in range(vendors)]
    customers = [office.customer() for _ in range(CUSTOMERS)]
    return World(office.partner_token(made), office.operator_token(), office.operator_token(), tuple(made), tuple(customers), credit)
