"""The operators' console in a real browser, by mouse and by keyboard."""

import re
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from shared.local.stack import Stack
from tests.support import wait_until
from tests.system.browser import PHONE, Tab, running_browser
from tests.system.office import Office, Partner, caller, log_in
from tests.system.stacks import another_gateway, change, flush

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser."""
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    """Give a gateway that lets one address sign in more often than ten times a minute: a browser cannot choose its address."""
    with another_gateway(stack, {"CHARGING_RATE_LIMIT_REQUESTS": "1000"}) as address:
        yield address
    flush(stack)  # what was spent here is not held against the tests that follow


@pytest.fixture
def operator(office: Office) -> str:
    """Give the name of an operator, who has the password `password-1` and submits nothing."""
    name = f"o-{uuid4().hex[:8]}"
    limit = {"requests": 100_000, "window_seconds": 60}
    office.post("/api/auth/users/", {"username": name, "password": "password-1", "role": "operator", "rate_limit": limit})
    return name


@pytest.fixture
def tab(browser: Browser, url: str, operator: str) -> Iterator[Tab]:
    """Give a tab in which that operator is signed in."""
    opened = Tab(browser, url)
    opened.sign_in(operator, "password-1")
    expect(opened.page.get_by_role("heading", name="Approvals")).to_be_visible()
    yield opened
    opened.close()


@pytest.fixture
def partner(office: Office) -> Partner:
    """Give a partner with some credit."""
    return office.partner(credit=1_000)


def submit(url: str, partner: Partner, amount: int, **more: str) -> int:
    """Ask for credit in the partner's name; return the request's id."""
    with caller(url, partner.token) as client:
        answer = client.post("/api/vendor/submit-request/", json={"requester": partner.vendor, "amount": amount, **more})
    return int(answer.json()["data"]["id"])


def test_only_operators_get_in_and_the_reason_is_told(browser: Browser, url: str, office: Office, operator: str) -> None:
    """A wrong password, a partner, then the operator; signing out ends the token itself."""
    name = f"p-{uuid4().hex[:8]}"
    office.post("/api/auth/users/", {"username": name, "password": "password-1", "role": "partner"})
    tab = Tab(browser, url)
    alert = tab.page.get_by_role("alert")
    tab.sign_in(operator, "wrong")
    expect(alert).to_contain_text("WRONG_CREDENTIALS")
    tab.sign_in(name, "password-1")
    expect(alert).to_contain_text("for operators")
    tab.sign_in(operator, "password-1")
    expect(tab.page.get_by_role("heading", name="Approvals")).to_be_visible()
    token = tab.page.evaluate("JSON.parse(sessionStorage.getItem('charging.session')).token")
    tab.page.reload()
    expect(tab.page.get_by_role("heading", name="Approvals")).to_be_visible()
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_label("Password")).to_be_visible()
    with caller(url, token) as client:
        wait_until(lambda: client.get("/api/vendor/").status_code == 401, "the token to be refused")
    assert tab.page.evaluate("[sessionStorage.length, localStorage.length]") == [0, 0]
    tab.close()


def test_a_request_is_approved_by_mouse_after_its_vendor_was_looked_at(tab: Tab, url: str, office: Office, partner: Partner) -> None:
    """The history is beside the request, the button asks once more, and the credit is there."""
    request = submit(url, partner, 250, note=HOSTILE, evidence_reference="TRX-1")
    tab.page.get_by_role("row").filter(has_text=f"#{request}").click()
    detail = tab.page.get_by_role("region", name="Request")
    expect(detail).to_contain_text(HOSTILE)
    expect(detail).to_contain_text("TRX-1")
    expect(detail.get_by_role("img", name=re.compile(r"^Balance over time: from 1,000 to 1,000"))).to_be_visible()
    expect(detail.get_by_role("listitem").filter(has_text="confirmed")).to_contain_text("1,000")
    detail.get_by_role("button", name="Approve").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert office.get(f"/api/vendor/requests/{request}/")["data"]["status"] == "pending"
    detail.get_by_role("button", name="Approve").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(tab.page.get_by_role("status")).to_contain_text(f"Request #{request} is approved")
    expect(detail.get_by_role("button", name="Approve")).to_have_count(0)
    wait_until(lambda: office.balance(partner.vendor) == 1_250, "the credit")


def test_requests_are_approved_and_rejected_by_keyboard_alone(tab: Tab, url: str, office: Office, partner: Partner) -> None:
    """Arrows, Enter, one letter, Enter: no hand leaves the keyboard."""
    rejected, approved = submit(url, partner, 40), submit(url, partner, 60)
    expect(tab.page.get_by_role("row").filter(has_text=f"#{approved}")).to_be_visible()  # the queue reads itself again
    keyboard, dialog = tab.page.keyboard, tab.page.get_by_role("dialog")
    heading = tab.page.get_by_role("region", name="Request").get_by_role("heading", level=2)

    keyboard.press("ArrowDown")  # into the queue, whose newest is the first
    keyboard.press("Enter")
    expect(heading).to_have_text(f"Request #{approved}")
    keyboard.press("a")
    expect(dialog).to_be_visible()
    keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(tab.page.get_by_role("row").filter(has_text=f"#{approved}")).to_have_count(0)

    keyboard.press("Home")
    keyboard.press("Enter")
    expect(heading).to_have_text(f"Request #{rejected}")
    keyboard.press("r")
    expect(dialog).to_be_visible()
    keyboard.type("not this week")
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    found = office.get(f"/api/vendor/requests/{rejected}/")["data"]
    assert (found["status"], found["reason"]) == ("rejected", "not this week")
    wait_until(lambda: office.balance(partner.vendor) == 1_060, "the credit")


def test_a_refusal_is_shown_in_the_dialog_and_changes_nothing(tab: Tab, office: Office, operator: str, url: str, partner: Partner) -> None:
    """Four eyes: who asked does not approve."""
    token = log_in(url, operator, "password-1")
    with caller(url, token) as client:
        body = {"requester": partner.vendor, "amount": 5}
        request = client.post("/api/vendor/submit-request/", json=body).json()["data"]["id"]
    tab.go(f"requests/{request}")
    tab.page.get_by_role("button", name="Approve").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Approve").click()
    expect(dialog.get_by_role("alert")).to_contain_text("FOUR_EYES")
    tab.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert office.get(f"/api/vendor/requests/{request}/")["data"]["status"] == "pending"


def test_vendors_are_found_shown_and_suspended_and_their_names_stay_text(tab: Tab, office: Office, partner: Partner) -> None:
    """A name that is markup is shown as it is written and runs nothing."""
    name = f"{uuid4().hex[:8]} {HOSTILE}"
    office.post("/api/vendor/", {"name": name})
    tab.page.keyboard.press("2")
    expect(tab.page.get_by_role("heading", name="Vendors")).to_be_visible()
    tab.page.keyboard.press("/")
    tab.page.keyboard.type(name[:8].upper())
    rows = tab.page.get_by_role("row")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text(HOSTILE)
    rows.last.click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(name)
    assert "console" in tab.page.title()

    tab.go(f"vendors/{partner.vendor}")
    expect(tab.page.get_by_role("img", name=re.compile("Balance over time"))).to_be_visible()
    tab.page.get_by_role("button", name="Suspend").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    expect(tab.page.get_by_text("suspended", exact=True).first).to_be_visible()
    assert office.get(f"/api/vendor/{partner.vendor}/")["data"]["suspended"]
    tab.page.get_by_role("button", name="Resume").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    wait_until(lambda: not office.get(f"/api/vendor/{partner.vendor}/")["data"]["suspended"], "the vendor to be let go")
    tab.page.get_by_role("button", name="Edit").click()
    tab.page.get_by_label("Duplicate window").fill("90")
    tab.page.get_by_label("Low balance").fill("250")
    tab.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(tab.page.get_by_text("90 s", exact=True)).to_be_visible()
    saved = office.get(f"/api/vendor/{partner.vendor}/")["data"]
    assert (saved["duplicate_window_seconds"], saved["low_balance_threshold"]) == (90, 250)


@pytest.mark.parametrize("kind", ["vendor", "customer"])
def test_a_stopped_account_is_told_and_released_with_a_reason(tab: Tab, stack: Stack, office: Office, partner: Partner, kind: str) -> None:
    """What the books' check has stopped does not look active, and an operator lets it go on."""
    account = partner.vendor if kind == "vendor" else partner.customer
    table = "vendor_credit.vendors" if kind == "vendor" else "customer_charge.customers"
    assert change(stack, f"UPDATE {table} SET stopped_at = now(), stop_reason = 'a test' WHERE id = %s", [account]) == 1
    tab.go(f"{kind}s/{account}")
    expect(tab.page.get_by_text("stopped", exact=True).first).to_be_visible()
    tab.page.get_by_role("button", name="Release").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("restored from the ledger")
    dialog.get_by_role("button", name="Release").click()
    expect(dialog).to_have_count(0)
    expect(tab.page.get_by_text("stopped", exact=True)).to_have_count(0)
    assert not office.get(f"/api/{kind}/{account}/")["data"].get("stopped")


def test_an_operator_is_made_with_an_approval_limit(tab: Tab) -> None:
    """The limit that the dialog asks for is the user's."""
    name = f"limited-{uuid4().hex[:8]}"
    tab.go("users")
    tab.page.get_by_role("button", name="New user").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("Password").fill("password-1")
    dialog.get_by_label("Role").select_option("operator")
    dialog.get_by_label("Approval limit").fill("5000")
    with tab.page.expect_response("**/api/auth/users/") as made:
        dialog.get_by_role("button", name="Create").click()
    user = made.value.json()["data"]
    assert (user["username"], user["approval_limit"]) == (name, 5_000)


def test_a_charge_is_found_and_every_step_of_it_shown_with_its_time(tab: Tab, url: str, office: Office, partner: Partner) -> None:
    """By customer, by external id, by its own id; a refused one says what was missing."""
    number = office.get(f"/api/customer/{partner.customer}/")["data"]["phone_number"]
    external = f"order-{uuid4().hex[:8]}"
    with caller(url, partner.token) as client:
        body = partner.order(300) | {"external_id": external, "metadata": {"branch": "north"}}
        paid = client.post("/api/customer/increase-credit/", json=body).json()["data"]["id"]
        refused = client.post("/api/customer/increase-credit/", json=partner.order(5_000)).json()["data"]["id"]
    office.final(paid)
    office.final(refused)

    tab.page.get_by_role("link", name="Customers").click()
    tab.page.get_by_role("searchbox").fill(number[1:])
    rows = tab.page.get_by_role("row")
    expect(rows).to_have_count(2)
    rows.last.click()
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(number)
    expect(tab.page.get_by_role("table", name="Ledger entries")).to_contain_text("+300")
    tab.page.get_by_role("link", name="Charges").last.click()
    expect(rows).to_have_count(3)
    tab.page.get_by_label("Status").select_option("failed")
    tab.page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(2)
    rows.last.focus()
    tab.page.keyboard.press("Enter")
    steps = tab.page.get_by_role("list", name="Steps").get_by_role("listitem")
    expect(steps).to_have_count(2)
    expect(steps.last).to_contain_text("insufficient credit. It had 700; 4,300 were missing.")

    tab.go("charges")
    tab.page.get_by_role("searchbox").fill(external)
    tab.page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    tab.page.get_by_role("searchbox").fill(paid)
    tab.page.keyboard.press("Enter")
    expect(steps).to_have_count(4)
    for step, title in enumerate(("Accepted", "Debited", "Credited", "Settled")):
        expect(steps.nth(step)).to_contain_text(title)
        expect(steps.nth(step).locator("time")).to_have_count(1)
    expect(steps.nth(1)).to_contain_text("Vendor -300, balance 700")
    expect(steps.nth(2)).to_contain_text("Customer +300, balance 300")
    expect(tab.page.get_by_text("branch:")).to_be_visible()
    with caller(url, partner.token) as client:
        body = {"amount": 40, "reason": HOSTILE}
        client.post(f"/api/customer/charges/{paid}/reverse/", json=body, headers={"Prefer": "wait=10"})
    tab.page.reload()
    expect(steps).to_have_count(5)
    expect(steps.last).to_contain_text(f"40 back to the vendor: {HOSTILE}")


def test_steps_are_told_in_the_order_of_their_times(tab: Tab, url: str, stack: Stack, office: Office, partner: Partner) -> None:
    """The reversal that was asked for first ended last."""
    with caller(url, partner.token) as client:
        charge = client.post("/api/customer/increase-credit/", json=partner.order(300)).json()["data"]["id"]
        office.final(charge)
        path, body = f"/api/customer/charges/{charge}/reverse/", {"amount": 1, "reason": "x"}
        made = [client.post(path, json=body, headers={"Prefer": "wait=10"}).json()["data"] for _ in range(3)]
    assert [each["status"] for each in made] == ["succeeded"] * 3
    later = "UPDATE customer_charge.reversals SET settled_at = settled_at + interval '1 minute' WHERE id = %s"
    assert change(stack, later, [made[0]["id"]]) == 1
    tab.go(f"charges/{charge}")
    times = tab.page.get_by_role("list", name="Steps").locator("time")
    expect(times).to_have_count(7)
    told = [datetime.fromisoformat(times.nth(step).get_attribute("datetime") or "") for step in range(7)]
    assert told == sorted(told)
    tab.go(f"customers/{partner.customer}")
    tab.page.get_by_role("link", name=made[0]["id"]).click()
    expect(times).to_have_count(7)  # the entry of a reversal leads to its charge


def test_books_and_health_are_live(tab: Tab) -> None:
    """All parts are up, every entry is checked, and what is shown adds up."""
    tab.page.get_by_role("link", name="Books & health").click()
    expect(tab.page.get_by_role("region", name="Health").get_by_text("up", exact=True)).to_have_count(5)
    books = tab.page.get_by_role("region", name="Books")
    expect(books.get_by_text("whole", exact=True)).to_be_visible()
    confirmed = books.locator(".figures strong").first.inner_text()
    expect(books.get_by_role("row", name=f"Together {confirmed}")).to_be_visible()
    checked = books.locator("time").get_attribute("datetime")
    expect(books.locator("time")).not_to_have_attribute("datetime", str(checked), timeout=30_000)


def test_a_token_is_made_shown_once_and_revoked(tab: Tab, url: str, partner: Partner) -> None:
    """For a new user, from the first field to the refused token."""
    name = f"till-{uuid4().hex[:8]}"
    page, dialog = tab.page, tab.page.get_by_role("dialog")
    page.get_by_role("link", name="Users").click()
    page.get_by_role("button", name="New user").click()
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("Password").fill("password-1")
    dialog.get_by_label("Role").select_option("service")
    dialog.get_by_label("Vendors").fill(str(partner.vendor))
    dialog.get_by_role("button", name="Create").click()
    user, more = page.get_by_role("row").filter(has_text=name), page.get_by_role("button", name="Show more")
    expect(user.or_(more).first).to_be_visible()
    while not user.is_visible():
        more.click()
        page.wait_for_load_state("networkidle")
    user.click()
    page.get_by_role("button", name="New token").click()
    dialog.get_by_label("What it is for").fill("till 7")
    dialog.get_by_role("button", name="Make token").click()
    token = dialog.get_by_label("Token").input_value()
    page.keyboard.press("Escape")
    row = page.get_by_role("row").filter(has_text="till 7")
    expect(row).to_be_visible()
    assert token not in page.content()
    with caller(url, token) as client:
        assert client.get(f"/api/vendor/{partner.vendor}/").status_code == 200
        row.get_by_role("button", name="Revoke").click()
        dialog.get_by_role("button", name="Revoke").click()
        expect(row).to_have_count(0)
        wait_until(lambda: client.get(f"/api/vendor/{partner.vendor}/").status_code == 401, "the token to be refused")


def test_a_session_that_ends_leads_back_to_the_sign_in(tab: Tab, url: str) -> None:
    """A revoked token shows nothing any more."""
    token = tab.page.evaluate("JSON.parse(sessionStorage.getItem('charging.session')).token")
    with caller(url, token) as client:
        assert client.post("/api/auth/token/revoke/", json={}).status_code == 204
        wait_until(lambda: client.get("/api/vendor/").status_code == 401, "the token to be refused")
    tab.page.get_by_role("link", name="Vendors").click()
    expect(tab.page.get_by_label("Password")).to_be_visible()
    expect(tab.page.get_by_role("status")).to_contain_text("signed out")


def test_text_cannot_become_markup_even_by_mistake(tab: Tab) -> None:
    """The browser itself refuses it under the policy that the pages come with."""
    tried = "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (error) { return error.name; } }"
    assert tab.page.evaluate(tried) == "TypeError"
    assert any("TrustedHTML" in error for error in tab.errors)
    tab.errors.clear()


def test_every_page_fits_a_phone(browser: Browser, url: str, office: Office, operator: str, partner: Partner) -> None:
    """Nothing is wider than the screen, and a request is opened and left again by touch."""
    request = submit(url, partner, 10)
    with caller(url, partner.token) as client:
        charge = client.post("/api/customer/increase-credit/", json=partner.order(1)).json()["data"]["id"]
    office.final(charge)
    tab = Tab(browser, url, PHONE)
    tab.sign_in(operator, "password-1")
    places = ["requests", f"requests/{request}", "vendors", f"vendors/{partner.vendor}", "customers", f"customers/{partner.customer}"]
    for place in (*places, "charges", f"charges/{charge}", "books", "users", "users/1"):
        tab.go(place)
        tab.page.wait_for_load_state("networkidle")
        assert tab.page.get_by_role("heading").first.is_visible(), place
        wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{place} is {wide} px too wide"
    tab.go(f"requests/{request}")
    tab.page.get_by_role("link", name="All requests").click()
    expect(tab.page.get_by_role("region", name="Request")).to_be_hidden()
    tab.close()
