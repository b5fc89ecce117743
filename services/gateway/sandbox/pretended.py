"""Charges that the sandbox pretends to have accepted and refused. They live in memory, and no ledger, list or event knows of them."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.uuid7 import uuid7_text

KEPT_MAX = 10_000
"""Of the newest. A sandbox is for trying things out; what is older is forgotten."""

Content = dict[str, Any]
DESCRIBED = ("vendor", "customer", "amount", "external_id", "metadata")


class PretendedCharges:
    """The pretended charges, by id and by (vendor, idempotency key)."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[tuple[int, str], Content] = OrderedDict()
        self._by_id: dict[str, Content] = {}

    def accept(self, order: Mapping[str, Any], key: str, now: datetime) -> tuple[Content, bool]:
        """Return the charge of a key, made now unless the key was used before, and whether it was.

        The charge is failed from the start: who looks at once sees what who looks later sees. Raises ValueError for a key that was used
        with another order.
        """
        described = {name: order[name] for name in DESCRIBED if name in order}
        known = self._by_key.get((order["vendor"], key))
        if known is not None:
            if {name: known[name] for name in DESCRIBED if name in known} != described:
                raise ValueError(key)
            return known, True
        moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        failure = {"reason": "insufficient_credit", "available": 0, "shortfall": order["amount"]}
        charge = {"id": uuid7_text(), **described, "status": "failed", "created_at": moment, "settled_at": moment, "failure": failure}
        self._by_key[order["vendor"], key] = self._by_id[charge["id"]] = charge
        if len(self._by_key) > KEPT_MAX:
            _, oldest = self._by_key.popitem(last=False)
            del self._by_id[oldest["id"]]
        return charge, False

    def find(self, charge_id: str) -> Content | None:
        """Return the charge with this id."""
        return self._by_id.get(charge_id)

    def of_key(self, vendor: int, key: str) -> Content | None:
        """Return the charge that a key made."""
        return self._by_key.get((vendor, key))
