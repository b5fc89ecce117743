"""Without its broker the system settles by itself: the rows say what is left to do, and the sweeper reads them."""

import signal
from collections.abc import Iterator

import pytest

from shared.local.engine import Engine
from shared.local.stack import Stack
from tests.system.office import Office, caller
from tests.system.stacks import audit


@pytest.fixture(params=[signal.SIGSTOP, signal.SIGKILL], ids=["frozen", "killed"])
def broker_gone(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Take the broker away for one test."""
    engine = stack.engines["broker"]
    engine.kill(request.param)
    yield engine
    if engine.running:
        engine.kill(signal.SIGCONT)
    else:
        engine.start()
    stack.wait_ready()


@pytest.mark.usefixtures("broker_gone")
def test_a_lone_charge_and_its_credit_are_settled_without_any_message(stack: Stack, office: Office, url: str) -> None:
    """Nobody can be woken, and yet the approved credit is posted and the charge becomes final, only later."""
    partner = office.partner(credit=1_000)
    with caller(url, partner.token) as client:
        accepted = client.post("/api/customer/increase-credit/", json=partner.order(7))
    assert accepted.status_code == 202
    assert accepted.elapsed.total_seconds() < 1, "nobody waits for a broker to be told that a charge is accepted"
    assert office.final(accepted.json()["data"]["id"])["status"] == "succeeded"
    assert (office.balance(partner.vendor), office.customer_balance(partner.customer)) == (993, 7)
    audit(stack)
