"""What the client of CreditVendors believes of an answer: results that are about the reversals that were asked about, and no others."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from charging.vendor_credit.v1 import reversal_credit_pb2 as pb

from services.customer_charge.domain.reversals import Credit, PendingReversal
from services.customer_charge.reversal_ledger import ReversalCreditClient
from shared.errors import Unavailable
from shared.uuid7 import uuid7_text

ASKED = [PendingReversal(uuid7_text(), uuid7_text(), vendor, 7, 5) for vendor in (1, 2, 3)]
TRUTH = [pb.CreditResult(outcome=pb.CREDIT_OUTCOME_CREDITED, balance_after=each.vendor_id, reversal_id=each.reversal_id) for each in ASKED]


class Peer:
    """A channel to a service that answers every call with `results`."""

    def __init__(self, results: list[pb.CreditResult]) -> None:
        self._response = pb.CreditVendorsResponse(results=results)

    def unary_unary(self, *_args: object, **_options: object) -> Callable[..., Awaitable[pb.CreditVendorsResponse]]:
        """Return a method that answers."""

        async def answer(*_args: object, **_options: object) -> pb.CreditVendorsResponse:
            return self._response

        return answer


async def credit(results: list[pb.CreditResult]) -> list[Credit]:
    """Credit what is asked at a peer that answers so."""

    async def ask(call: Awaitable[Any]) -> Any:
        return await call

    return await ReversalCreditClient(Peer(results), lambda: (), ask).credit(ASKED)  # type: ignore[arg-type]


async def test_results_of_the_reversals_asked_about_are_believed() -> None:
    """Each reversal gets its own."""
    assert await credit(TRUTH) == [Credit(given=True, vendor_balance_after=each.vendor_id) for each in ASKED]


async def test_results_without_a_name_are_believed_by_their_order() -> None:
    """During an upgrade a server of the release before answers so."""
    nameless = [pb.CreditResult(outcome=result.outcome, balance_after=result.balance_after) for result in TRUTH]
    assert await credit(nameless) == await credit(TRUTH)


@pytest.mark.parametrize("position", range(len(ASKED)))
@pytest.mark.parametrize("name", ["", uuid7_text(), ASKED[0].reversal_id.upper()], ids=["none", "another", "upper"])
async def test_one_result_of_something_else_makes_the_whole_answer_unbelievable(position: int, name: str) -> None:
    """It is asked for again: asking is safe, believing is not."""
    results = [pb.CreditResult() for _ in TRUTH]
    for result, truth in zip(results, TRUTH, strict=True):
        result.CopyFrom(truth)
    results[position].reversal_id = name
    with pytest.raises(Unavailable):
        await credit(results)


@pytest.mark.parametrize("results", [TRUTH[1:] + TRUTH[:1], TRUTH[:-1], [*TRUTH, TRUTH[0]], []], ids=["swapped", "short", "long", "empty"])
async def test_results_in_another_order_or_number_are_not_believed(results: list[pb.CreditResult]) -> None:
    """No result is taken for another reversal's."""
    with pytest.raises(Unavailable):
        await credit(results)
