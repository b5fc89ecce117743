"""The customers of the sandbox, by phone number, and what happens to charges for them."""

from collections.abc import Mapping
from enum import Enum

SLOW_SECONDS = 3.0
"""How late a slow answer is: longer than patient people, shorter than the usual time limits of clients."""

RETRY_AFTER_SECONDS = 1


class Script(Enum):
    """What happens to a charge."""

    REFUSED = "It is accepted and then fails: `insufficient_credit`."
    SLOW = f"It succeeds, and the answer comes {SLOW_SECONDS:.0f} seconds late."
    REPLY_DROPPED = "It succeeds; the first time a key is used, the connection ends without an answer."
    LIMITED = "The first time a key is used it is answered 429 `RATE_LIMITED`, and nothing is done."
    UNAVAILABLE = "The first time a key is used it is answered 503 `UNAVAILABLE`, and nothing is done."
    DUPLICATE_EVENT = "It succeeds; `GET /api/events/` lists its event twice and webhooks bring it twice, under the same number."


CUSTOMERS: Mapping[str, Script] = {
    "+99900000001": Script.REFUSED,
    "+99900000002": Script.SLOW,
    "+99900000003": Script.REPLY_DROPPED,
    "+99900000004": Script.LIMITED,
    "+99900000005": Script.UNAVAILABLE,
    "+99900000006": Script.DUPLICATE_EVENT,
}
"""No network has the country code 999, so nobody's number is among them."""
