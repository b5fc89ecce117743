"""Lies about credits: each returns what is sent in place of CreditVendors' answer."""

import random
from collections.abc import Callable

from charging.vendor_credit.v1 import reversal_credit_pb2 as pb

from shared.uuid7 import uuid7_text

Answer = pb.CreditVendorsResponse


def short(answer: Answer) -> bytes:
    """Leave the last result out."""
    del answer.results[-1]
    return answer.SerializeToString()


def swapped(answer: Answer) -> bytes | None:
    """Answer in another order than was asked."""
    if len(answer.results) == 1:
        return None
    return Answer(results=[*answer.results[1:], answer.results[0]]).SerializeToString()


def strangers(answer: Answer) -> bytes:
    """Answer about other reversals."""
    for result in answer.results:
        result.reversal_id = uuid7_text()
        result.balance_after += 1
    return answer.SerializeToString()


def beyond(answer: Answer) -> bytes:
    """Answer what was not asked for."""
    answer.results.add(reversal_id=uuid7_text(), outcome=pb.CREDIT_OUTCOME_CREDITED, balance_after=1)
    return answer.SerializeToString()


def undecided(answer: Answer) -> bytes:
    """Answer neither that it was credited nor why it was not."""
    return Answer(results=[pb.CreditResult(reversal_id=result.reversal_id) for result in answer.results]).SerializeToString()


def nameless(answer: Answer) -> bytes:
    """Say nothing of which reversals the results are, as a server of an earlier release does: the one answer here that is true."""
    for result in answer.results:
        result.ClearField("reversal_id")
    return answer.SerializeToString()


def garbage(answer: Answer) -> bytes:
    """Answer with bytes that are no message."""
    return random.Random(len(answer.results)).randbytes(64)


CREDIT_LIES: tuple[Callable[[Answer], bytes | None], ...] = (short, swapped, strangers, beyond, undecided, nameless, garbage)
