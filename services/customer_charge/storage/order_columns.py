"""The columns of a batch of orders, as the statements that accept it carry them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from services.customer_charge.domain.charges import ChargeOrder
from shared.sql_arrays import SqlArray, int_array, text_array, uuid_array


@dataclass(frozen=True, slots=True)
class OrderColumns:
    """One array parameter per column, written once and used by every statement that needs it; `rows` is their length.

    Sorted by vendor and key, so that two batches with the same keys never wait for each other in a circle.
    """

    rows: int
    charge_ids: SqlArray
    vendor_ids: SqlArray
    customer_ids: SqlArray
    amounts: SqlArray
    keys: SqlArray
    principals: SqlArray

    @classmethod
    def of(cls, orders: Iterable[ChargeOrder]) -> Self:
        """Return the columns of the orders."""
        ordered = sorted(orders, key=lambda order: (order.vendor_id, order.key))
        return cls(
            rows=len(ordered),
            charge_ids=uuid_array([order.charge_id for order in ordered]),
            vendor_ids=int_array([order.vendor_id for order in ordered]),
            customer_ids=int_array([order.customer_id for order in ordered]),
            amounts=int_array([order.amount for order in ordered]),
            keys=text_array([order.key for order in ordered]),
            principals=text_array([order.principal for order in ordered]),
        )
