"""Strikes at seeded moments while charges run, and what must be true afterwards."""

import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from shared.local.stack import Stack
from tests.faults.load import Load, check_history
from tests.support import wait_until
from tests.system.office import Office
from tests.system.stacks import audit

STRIKES = 3
CREDIT_SHARE = 0.9
"""Of what the load wants to charge: some charges at its end are refused, and stay refused."""


def strike_under_load(
    stack: Stack, office: Office, strike: Callable[[], object], *, seed: int, history: Path, charges: int, strikes: int = STRIKES
) -> None:
    """Strike several times under load, at moments that the seed chooses; then check every promise and all books.

    `strike` returns once the fault is over or its victim's successor lives.
    """
    chance = random.Random(seed)
    amount = chance.randint(1, 1_000)
    partner = office.partner(credit=int(charges * CREDIT_SHARE) * amount)
    moments = sorted(chance.sample(range(charges // 20, charges * 9 // 10), strikes))
    with Load(stack, partner, history, charges=charges, amount=amount) as load:
        for moment in moments:
            load.wait_answered(moment)
            strike()
        stack.wait_ready()
    check_history(load, office)
    succeeded = [charge for charge in office.charges(partner.vendor) if charge["status"] == "succeeded"]
    assert len(succeeded) == int(charges * CREDIT_SHARE)
    assert office.customer_balance(partner.customer) == len(succeeded) * amount
    assert office.balance(partner.vendor) == 0
    audit(stack)


def kill(stack: Stack, name: str) -> None:
    """Kill a process or an engine and return when its successor lives."""
    if name in stack.engines:
        stack.engines[name].kill()
        stack.engines[name].start()
        return
    wait_until(lambda: name in stack.pids(), f"{name} to live", seconds=30)
    pid = stack.kill(name)
    wait_until(lambda: stack.pids().get(name, pid) != pid, f"a successor of {name}", seconds=30)


def freeze(stack: Stack, name: str, seconds: float) -> None:
    """Freeze a process or an engine for so long: it holds what it held, says nothing, and then goes on as if nothing had been."""
    signal_to = stack.engines[name].kill if name in stack.engines else lambda number: stack.kill(name, number)
    signal_to(signal.SIGSTOP)
    threading.Event().wait(seconds)  # the length of the fault, not a guess at how long something takes
    signal_to(signal.SIGCONT)
