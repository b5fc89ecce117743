"""Debits and decisions as columns."""

from collections.abc import Iterable, Sequence

from charging.vendor_credit.v1 import vendor_credit_pb2 as pb

from services.vendor_credit.domain.debits import Debit, Decision, Outcome
from services.vendor_credit.handlers.decision_messages import decision_message
from shared.errors import InvalidArgument

ID_LENGTH = 36
DASHES = (8, 13, 18, 23)


def debits_of(columns: pb.DebitColumns) -> list[Debit]:
    """Return the debits. Raises InvalidArgument for columns of different lengths, for what is no id and for positions beyond the end."""
    rows = len(columns.vendor_ids)
    for name in ("amounts", "customer_ids"):
        if len(getattr(columns, name)) != rows:
            raise InvalidArgument.of_field(f"columns.{name}", "must be as many as vendor_ids")
    ids = _ids(columns.charge_ids, rows)
    stopped = _marked(columns.customers_stopped, rows, "customers_stopped")
    allowed = _marked(columns.allowed_duplicates, rows, "allowed_duplicates")
    return list(map(Debit, ids, columns.vendor_ids, columns.amounts, stopped, columns.customer_ids, allowed))


def _ids(text: str, rows: int) -> list[str]:
    """Take the ids apart, all checked at once: thousands of them come in a call."""
    digits = text.replace("-", "")
    if (
        len(text) != rows * ID_LENGTH
        or len(digits) != rows * (ID_LENGTH - len(DASHES))
        or any(text[place::ID_LENGTH] != "-" * rows for place in DASHES)
        or not _hexadecimal(digits)
    ):
        raise InvalidArgument.of_field("columns.charge_ids", "must be one UUID for each of vendor_ids, in lower case")
    return [text[start : start + ID_LENGTH] for start in range(0, len(text), ID_LENGTH)]


def _hexadecimal(digits: str) -> bool:
    try:
        return bytes.fromhex(digits).hex() == digits
    except ValueError:
        return False


def _marked(positions: Iterable[int], rows: int, name: str) -> list[bool]:
    marks = [False] * rows
    for position in positions:
        if position >= rows:
            raise InvalidArgument.of_field(f"columns.{name}", "must be positions within the columns")
        marks[position] = True
    return marks


def decision_columns(charge_ids: str, decisions: Sequence[Decision]) -> pb.DecisionColumns:
    """Return the wire form of decisions, in the order of `charge_ids`."""
    others = [
        position for position, decision in enumerate(decisions) if decision.outcome != Outcome.DEBITED or decision.balance_after is None
    ]
    return pb.DecisionColumns(
        charge_ids=charge_ids,
        balances_after=[decision.balance_after or 0 for decision in decisions],
        other_positions=others,
        others=[decision_message(decisions[position]) for position in others],
    )
