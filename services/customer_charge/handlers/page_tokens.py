"""Page tokens that hold a charge id.

Pages of a customer's ledger go by charge id too, not by the entries' numbers: those would tell a partner how many entries others made.
"""

from shared.errors import InvalidArgument
from shared.interceptors.context import CALL_ID
from shared.paging import decode_page_token


def page_token_charge(page_token: str) -> str | None:
    """Return the charge id in a page token, None for the first page. Raises InvalidArgument."""
    key = decode_page_token(page_token, str)
    if key is None:
        return None
    charge_id = str(key[0])
    if not CALL_ID.fullmatch(charge_id):
        raise InvalidArgument.of_field("page_token", "is not a token that was given out")
    return charge_id
