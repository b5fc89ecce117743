"""A reversal through the whole stack, where a worker is woken for it."""

from shared.local.stack import Stack
from tests.system.office import Office, caller
from tests.system.stacks import audit


def test_a_charge_is_taken_back_while_the_caller_waits(stack: Stack, office: Office, url: str) -> None:
    """The caller that waits is told that it succeeded; both balances and the books agree."""
    partner = office.partner(credit=1_000)
    with caller(url, partner.token) as client:
        charged = client.post("/api/customer/increase-credit/", json=partner.order(70), headers={"Prefer": "wait=10"}).json()["data"]
        path = f"/api/customer/charges/{charged['id']}/reverse/"
        answer = client.post(path, json={"amount": 30, "reason": "wrong number"}, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.elapsed.total_seconds() < 2, "a worker was woken: the sweeper leaves it alone for two seconds"
    assert (office.balance(partner.vendor), office.customer_balance(partner.customer)) == (960, 40)
    assert office.get(f"/api/customer/charges/{charged['id']}/")["data"]["reversed_amount"] == 30
    audit(stack)
