"""The books as the check of each minute saw them last: at once, and with what is pending now."""

from tests.contract.world import CHARGE, World


async def test_recent_books_tell_what_is_pending_and_claim_no_check_of_their_own(world: World) -> None:
    """A charge that waits is counted; totals are for the check of everything, which says when it ended."""
    order = {"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": CHARGE}
    accepted = await world.stack.send("POST", "/api/customer/increase-credit/", world.operator, order)
    assert accepted.status_code == 202
    recent = (await world.stack.send("GET", "/api/books/?recent=true", world.operator)).json()["data"]
    assert (recent["pending_charges"], recent["drift"], recent["findings"]) == (1, 0, [])
    assert "checked_at" not in recent
    await world.stack.settle()
    whole = (await world.stack.send("GET", "/api/books/", world.operator)).json()["data"]
    assert (whole["pending_charges"], whole["drift"], whole["findings"]) == (0, 0, [])
    assert whole["checked_at"]
    assert whole["confirmed_credit_total"] == whole["vendor_balance_total"] + whole["customer_balance_total"]
