"""What a run plays with: a partner, its vendors and customers, and two operators. Nobody else touches them."""

from dataclasses import dataclass

from tests.system.office import Office

VENDORS = 3
CUSTOMERS = 4
CREDIT_LIMIT = 500
"""Of the last vendor: it may go below zero, to here and not further."""

LOW_BALANCE = 1_500
"""Of the first vendor: its feed tells when it falls below this. Its events are brought to a webhook too."""

DUPLICATE_WINDOW_SECONDS = 1
"""Of the second vendor: it is not charged twice for one customer and amount within this time."""


@dataclass(frozen=True, slots=True)
class World:
    """Ids and tokens; every vendor began with `credit`, vendor `limited` may go CREDIT_LIMIT below zero, `told` has a webhook."""

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

    @property
    def told(self) -> int:
        """Return the vendor whose events are brought to a webhook."""
        return self.vendors[0]


def make_world(office: Office, *, credit: int, vendors: int = VENDORS) -> World:
    """Make a new world through the front door; for a system that is well."""
    settings = [{"low_balance_threshold": LOW_BALANCE}, {"duplicate_window_seconds": DUPLICATE_WINDOW_SECONDS}]
    settings += [{} for _ in range(vendors - len(settings))]
    settings[-1] |= {"credit_limit": CREDIT_LIMIT}
    made = [office.vendor(credit, **each) for each in settings]
    customers = [office.customer() for _ in range(CUSTOMERS)]
    return World(office.partner_token(made), office.operator_token(), office.operator_token(), tuple(made), tuple(customers), credit)
