"""`charging top` against a running stack whose processes it finds by itself."""

import json
import os
import subprocess
import sys

import httpx

from shared.local.stack import Stack
from tests.system.office import Office, caller


def test_the_live_view_sees_every_process_and_what_is_charged(stack: Stack, office: Office) -> None:
    """Rates, lag and backlog come from all of them, and the books from the door."""
    partner = office.partner(100_000)
    environment = {
        **os.environ,
        "CHARGING_STATE_DIR": str(stack.state),
        "CHARGING_HTTP_URL": office.url,
        "CHARGING_TOKEN": office.operator_token(),
    }
    command = [sys.executable, "-m", "charging_cli", "top", "--once", "--interval", "1.5", "--json"]
    with caller(office.url, partner.token) as client:
        watching = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ours
        while watching.poll() is None:
            answer = client.post("/api/customer/increase-credit/", json=partner.order(1), headers={"Prefer": "wait=5"})
            assert answer.status_code == httpx.codes.OK, answer.text
    said, complaint = watching.communicate()
    assert watching.returncode == 0, complaint
    shown = json.loads(said)

    traffic, books = shown["traffic"], shown["books"]
    assert traffic["processes"] == len(stack.instances)
    assert traffic["accepted"] > 0
    assert traffic["settled"] > 0
    assert traffic["failed"] == 0
    assert 0 < traffic["settle_p50"] < 5
    assert {"accept", "settle", "admission"} <= traffic["batch"].keys()
    assert traffic["connections_max"] > 0
    assert (books["drift"], books["findings"], books["blocked"]) == (0, 0, 0)
