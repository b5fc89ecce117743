"""The documented examples with real curl: what a partner's first hour looks like."""

import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from shared.local.stack import Stack
from shared.local.supervision import ROOT
from tests.support import require_tool, wait_until
from tests.system.office import Office, log_in
from tests.system.stacks import audit, count


def curl(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run curl and return the status code and the JSON body."""
    command = [require_tool("curl"), "--silent", "--write-out", "\n%{http_code}", *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - a fixed command
    body, _, status = outcome.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_documented_curl_examples_move_credit_from_operator_to_customer(stack: Stack, office: Office, url: str) -> None:
    """Submit, approve, charge: after it both ledgers agree to the unit."""
    partner, operator = log_in(url, "partner", "partner"), log_in(url, "operator", "operator")
    content = ("-H", "Content-Type: application/json")
    vendor_before, customer_before = office.balance(1), office.customer_balance(1)

    status, submitted = curl(
        *("-X", "POST", f"{url}/api/vendor/submit-request/", "-H", f"Authorization: Token {partner}", *content),
        *("-d", '{"requester": 1, "amount": 10000}'),
    )
    assert (status, submitted["data"]["status"], submitted["data"]["requester"]) == (200, "pending", 1)
    request_id = submitted["data"]["id"]

    status, approved = curl(
        "-X", "GET", f"{url}/api/vendor/approve-request/?request_credit_id={request_id}", "-H", f"Authorization: Token {operator}"
    )
    assert (status, approved) == (202, {"status": "accepted"})

    status, accepted = curl(
        *("-X", "POST", f"{url}/api/customer/increase-credit/", "-H", f"Authorization: Token {partner}", *content),
        *("-d", '{"vendor": 1, "customer": 1, "amount": 100}'),
    )
    assert (status, accepted["status"], accepted["data"]["amount"]) == (202, "accepted", 100)

    assert office.final(accepted["data"]["id"])["status"] == "succeeded"
    wait_until(lambda: office.get(f"/api/vendor/requests/{request_id}/")["data"]["status"] == "confirmed", "the request's confirmation")
    assert office.balance(1) == vendor_before + 10_000 - 100
    assert office.customer_balance(1) == customer_before + 100
    assert office.get("/api/vendor/1/entries/", page_size="1")["results"][0]["reference"] == accepted["data"]["id"]
    assert office.get("/api/customer/1/entries/", page_size="1")["results"][0]["reference"] == accepted["data"]["id"]
    entries = count(stack, "SELECT coalesce(sum(amount), 0) FROM vendor_credit.vendor_entries WHERE vendor_id = 1")
    assert entries == vendor_before + 9_900
    audit(stack)


@pytest.mark.parametrize("path", ["/health/", "/ready/", "/api/openapi.json", "/api/docs/"])
def test_the_open_pages_answer(url: str, path: str) -> None:
    """Liveness, readiness, the contract and its pages need no token."""
    assert httpx.get(f"{url}{path}").status_code == 200


def test_the_demo_tells_its_story_to_the_end(stack: Stack) -> None:
    """`make demo` finds every answer it expects."""
    outcome = subprocess.run(
        [sys.executable, "-m", "shared.local.demo"],
        env={**os.environ, "CHARGING_STATE_DIR": str(stack.state), "CHARGING_HTTP_URL": stack.environment["CHARGING_HTTP_URL"]},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr
