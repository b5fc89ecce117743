"""SIGKILL at seeded moments while charges run, and what must be true afterwards."""

import random
from pathlib import Path

from shared.local.stack import Stack
from tests.faults.load import Load, check_history
from tests.support import wait_until
from tests.system.office import Office
from tests.system.stacks import audit

KILLS = 3
CREDIT_SHARE = 0.9
"""Of what the load wants to charge: some charges at its end are refused, and stay refused."""


def kill_under_load(stack: Stack, office: Office, name: str, *, seed: int, history: Path, charges: int) -> None:
    """Kill a process or an engine KILLS times under load, at moments that the seed chooses; check every promise and all books."""
    chance = random.Random(seed)
    amount = chance.randint(1, 1_000)
    partner = office.partner(credit=int(charges * amount * CREDIT_SHARE))
    moments = sorted(chance.sample(range(charges // 20, charges * 9 // 10), KILLS))
    with Load(stack, partner, history, charges=charges, amount=amount) as load:
        for moment in moments:
            load.wait_answered(moment)
            kill(stack, name)
        stack.wait_ready()
    check_history(load, office)
    succeeded = [charge for charge in office.charges(partner.vendor) if charge["status"] == "succeeded"]
    assert len(succeeded) == int(charges * CREDIT_SHARE)
    assert office.customer_balance(partner.customer) == len(succeeded) * amount
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
