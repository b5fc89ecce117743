"""A stand-in for the vendor-credit service that passes everything on to the real one, and lies about debits and credits on command."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from charging.vendor_credit.v1 import reversal_credit_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as pb

from shared.local.ports import LOOPBACK
from tests.faults.credit_lies import CREDIT_LIES

DEBIT = "/charging.vendor_credit.v1.DebitService/DebitVendors"
CREDIT = "/charging.vendor_credit.v1.ReversalCreditService/CreditVendors"
ANSWERS: dict[str, Any] = {DEBIT: pb.DebitVendorsResponse, CREDIT: reversal_credit_pb2.CreditVendorsResponse}
"""What is lied about, and what the truth about it is told in."""

THREADS = 8
SLOW_SECONDS = 1.5
STRANGER = "00000000-0000-7000-8000-000000000000"
ID_LENGTH = len(STRANGER)

Answer = pb.DebitVendorsResponse


def short(answer: Answer) -> bytes:
    """Leave the last decision out."""
    del answer.columns.balances_after[-1]
    return answer.SerializeToString()


def swapped(answer: Answer) -> bytes:
    """Answer in another order than was asked."""
    ids = answer.columns.charge_ids
    answer.columns.charge_ids = ids[ID_LENGTH:] + ids[:ID_LENGTH] if len(ids) > ID_LENGTH else ""
    return answer.SerializeToString()


def strangers(answer: Answer) -> bytes:
    """Answer about other charges."""
    answer.columns.charge_ids = STRANGER * len(answer.columns.balances_after)
    return answer.SerializeToString()


def undecided(answer: Answer) -> bytes:
    """Answer neither debited nor refused."""
    ids = answer.columns.charge_ids
    others = [pb.DebitDecision(charge_id=ids[start : start + ID_LENGTH]) for start in range(0, len(ids), ID_LENGTH)]
    columns = pb.DecisionColumns(
        charge_ids=ids, balances_after=answer.columns.balances_after, other_positions=range(len(others)), others=others
    )
    return Answer(columns=columns).SerializeToString()


def beyond(answer: Answer) -> bytes:
    """Refuse what was not asked for."""
    answer.columns.other_positions.append(len(answer.columns.balances_after))
    answer.columns.others.add(charge_id=STRANGER, outcome=pb.DEBIT_OUTCOME_REFUSED)
    return answer.SerializeToString()


def old_form(answer: Answer) -> bytes:
    """Answer with messages where columns were asked for."""
    return Answer(decisions=answer.columns.others).SerializeToString()


def garbage(answer: Answer) -> bytes:
    """Answer with bytes that are no message."""
    return random.Random(len(answer.columns.balances_after)).randbytes(64)


def slow(answer: Answer) -> bytes:
    """Answer late."""
    time.sleep(SLOW_SECONDS)
    return answer.SerializeToString()


DEBIT_LIES: tuple[Callable[[Answer], bytes], ...] = (short, swapped, strangers, undecided, beyond, old_form, garbage, slow)

Lie = Callable[[Any], bytes | None]
"""Returns what is sent in place of an answer; None where this answer is too small for the lie, which then waits for a larger one."""

LIES: tuple[tuple[str, Lie], ...] = (*((DEBIT, lie) for lie in DEBIT_LIES), *((CREDIT, lie) for lie in CREDIT_LIES))
"""Every lie, with what it is about."""


class Liar(grpc.GenericRpcHandler):
    """The stand-in in front of `target`. `lies` are told in place of the truth, by method; `twice` asks for all twice.

    With `fail`, debits and credits are done and their answers replaced by that status. `told` counts both, by method.
    """

    def __init__(self, target: str) -> None:
        self.lies: dict[str, Lie] = {}
        self.twice = False
        self.fail: grpc.StatusCode | None = None
        self.told: Counter[str] = Counter()
        self._target = target
        self._server: Any = None
        self._channel: Any = None
        self.address = ""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._channel = grpc.insecure_channel(
            self._target, options=[("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        )
        self._server = grpc.server(ThreadPoolExecutor(THREADS), handlers=[self])
        self.address = f"{LOOPBACK}:{self._server.add_insecure_port(f'{LOOPBACK}:0')}"
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop."""
        self._server.stop(0).wait()
        self._channel.close()

    def be_honest(self) -> None:
        """Tell the truth from now on."""
        self.lies, self.twice, self.fail = {}, False, None

    def service(self, handler_call_details: Any) -> Any:
        """Serve any unary method, bytes in, bytes out."""
        method = handler_call_details.method
        metadata = [(key, value) for key, value in handler_call_details.invocation_metadata if not key.startswith(("user-agent", "grpc-"))]

        def forward(request: bytes, context: Any) -> bytes:
            try:
                answer = self._ask(method, request, metadata, context)
                if method in ANSWERS and self.twice:
                    answer = self._ask(method, request, metadata, context)
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata() or ())  # type: ignore[attr-defined]
                context.abort(error.code(), error.details())  # type: ignore[attr-defined]
            if method in ANSWERS and self.fail is not None:
                self.told[method] += 1
                context.abort(self.fail, "a lie")
            if (lie := self.lies.get(method)) is not None:
                told = lie(ANSWERS[method].FromString(answer))
                if told is None:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "not enough to lie about")
                self.told[method] += 1
                return told
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)

    def _ask(self, method: str, request: bytes, metadata: Any, context: Any) -> bytes:
        return bytes(self._channel.unary_unary(method)(request, timeout=context.time_remaining(), metadata=metadata))
