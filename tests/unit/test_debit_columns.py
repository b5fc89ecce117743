"""Debits and decisions survive the way as columns, and what does not fit is refused."""

import pytest
from charging.vendor_credit.v1 import vendor_credit_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from services.customer_charge.debit_columns import columns_of, verdicts_of
from services.customer_charge.domain.charges import FailureReason, PendingCharge, Verdict
from services.vendor_credit.domain.debits import Debit, Decision, Outcome, Refusal
from services.vendor_credit.handlers.debit_columns import debits_of, decision_columns
from shared.errors import InvalidArgument
from shared.validation import violations_of

IDS = [f"01900000-0000-7000-8000-{number:012x}" for number in range(4)]
CHARGES = st.builds(
    PendingCharge,
    charge_id=st.uuids().map(str),
    vendor_id=st.integers(1, 2**53 - 1),
    customer_id=st.integers(1, 2**53 - 1),
    amount=st.integers(1, 10**12),
    customer_stopped=st.booleans(),
    allow_duplicate=st.booleans(),
)


def pending(count: int) -> list[PendingCharge]:
    """Return some charges."""
    return [PendingCharge(IDS[number], number + 1, number + 11, number + 101) for number in range(count)]


@given(st.lists(CHARGES, min_size=1, max_size=20))
def test_what_is_asked_arrives(charges: list[PendingCharge]) -> None:
    """Every field of every charge, and no rule of the proto is broken."""
    columns = columns_of(charges)
    assert violations_of(pb.DebitVendorsRequest(columns=columns)) == []
    assert debits_of(columns) == [
        Debit(each.charge_id, each.vendor_id, each.amount, each.customer_stopped, each.customer_id, each.allow_duplicate)
        for each in charges
    ]


def test_what_is_decided_arrives() -> None:
    """Debits with and without a known balance, a refusal and a mismatch, each at its place."""
    charges = pending(4)
    decisions = [
        Decision(IDS[0], 1, 101, Outcome.DEBITED, balance_after=-5),
        Decision(IDS[1], 2, 102, Outcome.REFUSED, Refusal.INSUFFICIENT_CREDIT, 7, 95, 7),
        Decision(IDS[2], 3, 103, Outcome.MISMATCH),
        Decision(IDS[3], 4, 104, Outcome.DEBITED),
    ]
    asked = columns_of(charges)
    assert verdicts_of(charges, asked, decision_columns(asked.charge_ids, decisions)) == [
        Verdict(charges[0], debited=True, balance_after=-5),
        Verdict(charges[1], False, FailureReason.INSUFFICIENT_CREDIT, 7, 95, 7),
        Verdict(charges[2], debited=False),
        Verdict(charges[3], debited=True),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pb.DecisionColumns(),
        pb.DecisionColumns(charge_ids=IDS[0] + IDS[1], balances_after=[1]),
        pb.DecisionColumns(charge_ids=IDS[1] + IDS[0], balances_after=[1, 1]),
        pb.DecisionColumns(charge_ids=IDS[0] + IDS[1], balances_after=[1, 1], other_positions=[1]),
        pb.DecisionColumns(
            charge_ids=IDS[0] + IDS[1], balances_after=[1, 1], other_positions=[2], others=[pb.DebitDecision(charge_id=IDS[1])]
        ),
        pb.DecisionColumns(
            charge_ids=IDS[0] + IDS[1], balances_after=[1, 1], other_positions=[-1], others=[pb.DebitDecision(charge_id=IDS[1])]
        ),
        pb.DecisionColumns(
            charge_ids=IDS[0] + IDS[1], balances_after=[1, 1], other_positions=[0], others=[pb.DebitDecision(charge_id=IDS[1])]
        ),
    ],
)
def test_an_answer_to_another_question_is_none(answer: pb.DecisionColumns) -> None:
    """Nothing is read out of it."""
    charges = pending(2)
    assert verdicts_of(charges, columns_of(charges), answer) is None


@pytest.mark.parametrize(
    ("field", "columns"),
    [
        ("amounts", pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1], amounts=[1, 1], customer_ids=[1])),
        ("customer_ids", pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1], amounts=[1])),
        ("charge_ids", pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1, 2], amounts=[1, 1], customer_ids=[1, 1])),
        ("charge_ids", pb.DebitColumns(charge_ids=IDS[0].upper().replace("0", "A"), vendor_ids=[1], amounts=[1], customer_ids=[1])),
        ("charge_ids", pb.DebitColumns(charge_ids=IDS[0].replace("0", "\u0660"), vendor_ids=[1], amounts=[1], customer_ids=[1])),
        ("charge_ids", pb.DebitColumns(charge_ids="0" + IDS[0][:-1], vendor_ids=[1], amounts=[1], customer_ids=[1])),
        ("charge_ids", pb.DebitColumns(charge_ids=IDS[0][:-1] + "-", vendor_ids=[1], amounts=[1], customer_ids=[1])),
        ("allowed_duplicates", pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1], amounts=[1], customer_ids=[1], allowed_duplicates=[1])),
        ("customers_stopped", pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1], amounts=[1], customer_ids=[1], customers_stopped=[3])),
    ],
)
def test_columns_that_do_not_fit_are_refused(field: str, columns: pb.DebitColumns) -> None:
    """The error names the column."""
    with pytest.raises(InvalidArgument) as caught:
        debits_of(columns)
    assert caught.value.metadata["field"] == f"columns.{field}"


@pytest.mark.parametrize(
    ("column", "values"), [("vendor_ids", [1, 0]), ("vendor_ids", [2**53]), ("amounts", [1, -1]), ("amounts", [10**12 + 1])]
)
def test_numbers_out_of_bounds_are_named(column: str, values: list[int]) -> None:
    """By their place in the column."""
    columns = pb.DebitColumns(charge_ids=IDS[0], vendor_ids=[1], amounts=[1], customer_ids=[1])
    columns.ClearField(column)  # type: ignore[arg-type]
    getattr(columns, column).extend(values)
    assert [each.field for each in violations_of(columns)] == [f"{column}[{len(values) - 1}]"]
