"""The command `charging` against a running stack: a partner's and an operator's day, and a file of charges whose run is killed."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from charging_cli.main import cli
from click.testing import CliRunner, Result

from shared.local.stack import Stack
from shared.local.supervision import ROOT
from tests.databases import CELLS
from tests.support import wait_until
from tests.system.office import Office, Partner, log_in
from tests.system.stacks import audit

LINES = 1_200
BATCH = 40
RUN_SECONDS_MAX = 60

Run = Callable[..., Result]


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs the command in this process and checks its exit status."""
    monkeypatch.setenv("CHARGING_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CHARGING_HTTP_URL", url)
    monkeypatch.delenv("CHARGING_TOKEN", raising=False)

    def invoke(*arguments: str, status: int = 0, text: str | None = None) -> Result:
        outcome = CliRunner().invoke(cli, list(arguments), input=text)
        assert outcome.exit_code == status, f"{arguments}: {outcome.output}"
        return outcome

    return invoke


def data(outcome: Result) -> Any:
    """Return what a command printed with --json."""
    return json.loads(outcome.stdout)


def test_credit_goes_from_request_to_customer_by_commands_alone(run: Run, office: Office, url: str) -> None:
    """Sign in, ask, approve, charge, look: every answer is that of the API."""
    run("token", "create", "partner", "--password-stdin", text="partner\n")
    operator = run("token", "create", "operator", "--password-stdin", "--print", text="operator\n").stdout.strip()
    before = data(run("vendor", "show", "1", "--json"))["balance"]
    request = data(run("request", "submit", "1", "700", "--json"))
    assert (request["status"], request["requester"]) == ("pending", 1)
    run("approve", str(request["id"]), status=4)
    run("approve", str(request["id"]), "--token", operator)

    charge = data(run("charge", "1", "2", "300", "--key", f"cli-{request['id']}", "--json"))
    again = data(run("charge", "1", "2", "300", "--key", f"cli-{request['id']}", "--json"))
    assert (charge["status"], again["id"]) == ("succeeded", charge["id"])
    assert data(run("charges", "show", charge["id"], "--json"))["amount"] == 300
    assert charge["id"] in run("charges", "list", "--vendor", "1").stdout
    assert charge["id"] in run("vendor", "entries", "1", "--limit", "1").stdout
    assert data(run("vendor", "show", "1", "--json"))["balance"] == before + 400

    failed = data(run("charge", "1", "2", "900000000000", "--json", status=1))
    assert failed["failure"]["reason"] == "insufficient_credit"
    assert "idempotency_key" in failed
    rejected = data(run("request", "submit", "1", "5", "--json"))["id"]
    run("reject", str(rejected), "--reason", "not now", "--token", operator)
    assert data(run("request", "show", str(rejected), "--json"))["reason"] == "not now"
    assert data(run("books", "--json", "--token", operator))["drift"] == 0
    office.get("/api/vendor/1/")


def test_a_charge_is_tried_dry_noted_reversed_and_resolved(run: Run, office: Office, partner: Partner) -> None:
    """What a partner does when something went wrong at the till."""
    vendor, customer = str(partner.vendor), str(partner.customer)
    run("charge", vendor, customer, "100", "--dry-run")
    assert office.charges(partner.vendor) == []
    run("charge", vendor, customer, "1000000000000", "--dry-run", status=1)
    charge = data(run("charge", vendor, customer, "100", "--external-id", "o-1", "--metadata", "till=7", "--key", "k-1", "--json"))
    assert (charge["external_id"], charge["metadata"]) == ("o-1", {"till": "7"})
    run("charge", vendor, customer, "1", "--metadata", "till", status=2)
    reversal = data(run("charges", "reverse", charge["id"], "--amount", "40", "--reason", "wrong number", "--json"))
    assert (reversal["status"], reversal["amount"]) == ("succeeded", 40)
    assert reversal["id"] in run("charges", "reversals", "--charge", charge["id"]).stdout
    assert office.customer_balance(partner.customer) == 60
    assert data(run("charges", "resolve", vendor, "k-1", "--json"))["id"] == charge["id"]
    assert data(run("charges", "resolve", vendor, "k-2", "--json"))["status"] == "sealed"
    assert "KEY_SEALED" in run("charge", vendor, customer, "1", "--key", "k-2", status=1).stderr
    request = data(run("request", "submit", vendor, "5", "--note", "please", "--evidence", "TRX-1", "--json"))
    assert (request["note"], request["evidence_reference"]) == ("please", "TRX-1")
    assert data(run("request", "cancel", str(request["id"]), "--json"))["status"] == "cancelled"


def test_a_duplicate_is_refused_within_the_window_unless_it_is_meant(run: Run, partner: Partner, url: str) -> None:
    """The window is an option of the vendor, the leave one of the charge."""
    operator = log_in(url, "operator", "operator")
    vendor, customer = str(partner.vendor), str(partner.customer)
    changed = data(
        run("vendor", "update", vendor, "--duplicate-window", "600", "--low-balance-threshold", "5", "--json", "--token", operator)
    )
    assert (changed["duplicate_window_seconds"], changed["low_balance_threshold"]) == (600, 5)
    run("charge", vendor, customer, "3")
    assert data(run("charge", vendor, customer, "3", "--json", status=1))["failure"]["reason"] == "duplicate_charge"
    assert data(run("charge", vendor, customer, "3", "--allow-duplicate", "--json"))["status"] == "succeeded"
    run("vendor", "update", vendor, "--duplicate-window", "86401", "--token", operator, status=2)


def test_a_list_of_charges_is_compared_with_the_services(run: Run, partner: Partner, tmp_path: Path) -> None:
    """The result of a bulk run agrees; a changed one names its line, and the exit status says so."""
    period = ("--vendor", str(partner.vendor), "--from", "2026-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z")
    file = written(tmp_path, partner, range(1, 6))
    run("bulk", str(file))
    results, output = tmp_path / f"{file.name}.results.csv", tmp_path / "discrepancies.csv"
    assert "both say the same" in run("reconcile", str(results), *period).stdout
    lines = results.read_text().splitlines()
    wrong = lines[3].replace("succeeded", "failed")
    results.write_text("\n".join([lines[0], lines[1], wrong, lines[1], lines[4]]) + "\n")
    outcome = run("reconcile", str(results), *period, "--output", str(output), "--json", status=1)
    found = json.loads(outcome.stdout)
    assert [each["kind"] for each in found["results"]] == ["differing", "duplicate", "only_ours", "only_ours"]
    assert (found["results"][0]["line"], found["results"][0]["fields"]) == (4, ["status"])
    assert (found["data"]["matched"], found["data"]["only_ours"]) == (2, 2)
    assert [row["kind"] for row in csv.DictReader(output.read_text().splitlines())] == [each["kind"] for each in found["results"]]
    results.write_text("idempotency_key,amount\nk,x\n")
    assert "line 2, amount" in run("reconcile", str(results), *period, status=1).stderr
    results.write_text("branch\nx\n")
    run("reconcile", str(results), *period, status=2)


def test_a_feed_is_read_on_where_it_was_left(run: Run, partner: Partner, tmp_path: Path) -> None:
    """Once each, in order, over two runs with one cursor."""
    cursor = tmp_path / "cursor"
    found: list[dict[str, Any]] = []

    def read(wanted: int) -> bool:
        outcome = run("events", "tail", str(partner.vendor), "--no-follow", "--cursor", str(cursor), "--json")
        found.extend(json.loads(line) for line in outcome.stdout.splitlines())
        return len(found) >= wanted

    wait_until(lambda: read(1), "the confirmed credit")
    run("charge", str(partner.vendor), str(partner.customer), "7")
    wait_until(lambda: read(2), "the charge")
    assert [event["seq"] for event in found] == [1, 2]
    assert [event["type"] for event in found] == ["credit_confirmed", "charge_succeeded"]
    line = run("events", "tail", str(partner.vendor), "--no-follow", "--type", "charge_succeeded").stdout
    assert "amount=7" in line
    cursor.write_text("nonsense")
    run("events", "tail", str(partner.vendor), "--no-follow", "--cursor", str(cursor), status=2)


def test_a_statement_is_fetched_and_proves_itself(run: Run, office: Office, partner: Partner, url: str, tmp_path: Path) -> None:
    """With keys that were kept and with keys that are fetched; an altered one does not, and half a one is never written."""
    run("charge", str(partner.vendor), str(partner.customer), "7")
    path, keys = tmp_path / "statement.ndjson", tmp_path / "keys.json"
    last = office.get(f"/api/vendor/{partner.vendor}/entries/", page_size="1")["results"][0]["created_at"]
    end = (datetime.fromisoformat(last) + timedelta(microseconds=1)).isoformat()
    period = ("--from", "2026-01-01T00:00:00Z", "--to", end)
    run("statement", str(partner.vendor), *period, "--output", str(path))
    keys.write_text(httpx.get(f"{url}/api/auth/keys/").text)
    assert "true: " in run("verify", str(path), "--keys", str(keys)).stdout
    assert data(run("verify", str(path), "--json"))["holds"]

    path.write_text(path.read_text().replace('"amount":-7', '"amount":-6'))
    findings = data(run("verify", str(path), "--keys", str(keys), "--json", status=1))["findings"]
    assert findings
    assert "amount" in run("statement", str(partner.vendor), *period, "--format", "csv").stdout
    future = tmp_path / "future.ndjson"
    refused = run("statement", str(partner.vendor), *period[:3], "2999-01-01T00:00:00Z", "--output", str(future), status=1)
    assert "INVALID_ARGUMENT" in refused.stderr
    assert not future.exists()
    run("verify", str(keys), "--keys", str(keys), status=2)


def test_refusals_name_reason_and_field_and_have_their_exit_status(run: Run) -> None:
    """People read the sentence, scripts the status."""
    assert "UNAUTHENTICATED" in run("charges", "list", status=4).stderr
    run("token", "create", "partner", "--password-stdin", text="partner\n")
    refused = run("charge", "1", "999999", "5", status=1).stderr
    assert "CUSTOMER_NOT_FOUND" in refused
    assert "customer:" in refused
    assert "request_id" in refused
    assert json.loads(run("charge", "1", "999999", "5", "--json", status=1).stderr)["reason"] == "CUSTOMER_NOT_FOUND"
    run("charge", "1", "1", "1.5", status=2)
    run("token", "create", "partner", "--password-stdin", text="wrong\n", status=4)
    run("token", "revoke")
    run("charges", "list", status=4)


@pytest.fixture
def partner(office: Office, run: Run, monkeypatch: pytest.MonkeyPatch) -> Partner:
    """Give a partner with credit for all but the last line of the file; the command is signed in as that partner."""
    made = office.partner(credit=sum(range(1, LINES)))
    monkeypatch.setenv("CHARGING_TOKEN", made.token)
    return made


def written(folder: Path, partner: Partner, amounts: range | list[int], **more: list[str]) -> Path:
    """Write a file of charges to the partner's customer; `more` are further columns."""
    path = folder / "charges.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["vendor", "customer", "amount", *more])
        writer.writerows([partner.vendor, partner.customer, amount, *rest] for amount, *rest in zip(amounts, *more.values(), strict=True))
    return path


def results(path: Path) -> list[dict[str, str]]:
    """Return the lines of the results."""
    with path.with_name(f"{path.name}.results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def noted(path: Path) -> int:
    """Return the number of outcomes in a journal."""
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def test_a_run_that_is_killed_and_repeated_charges_every_line_once(
    run: Run, office: Office, partner: Partner, stack: Stack, tmp_path: Path
) -> None:
    """Kill -9 half way; the next run sends what is left, and a third one nothing."""
    path = written(tmp_path, partner, range(1, LINES))
    journal = path.with_name(f"{path.name}.journal")
    command = [sys.executable, "-m", "charging_cli", "bulk", str(path), "--batch-size", str(BATCH), "--parallel", "2"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    wait_until(lambda: noted(journal) >= LINES // 4, "a quarter of the lines", RUN_SECONDS_MAX)
    running.kill()
    running.wait(10)
    assert noted(journal) < LINES - 1, "it was killed too late to show anything"

    outcome = data(run("bulk", str(path), "--batch-size", str(BATCH), "--json"))
    assert outcome["summary"] == {"succeeded": {"lines": LINES - 1, "amount": sum(range(1, LINES))}}
    run("bulk", str(path))
    copy = path.rename(tmp_path / "the same under another name.csv")
    run("bulk", str(copy))

    charges = office.charges(partner.vendor)
    assert sorted(charge["amount"] for charge in charges) == list(range(1, LINES))
    assert {charge["status"] for charge in charges} == {"succeeded"}
    assert {line["charge"] for line in results(copy)} == {charge["id"] for charge in charges}
    assert (office.balance(partner.vendor), office.customer_balance(partner.customer)) == (0, sum(range(1, LINES)))
    audit(stack)


def test_refused_and_failed_lines_are_told_and_can_be_tried_again(run: Run, office: Office, partner: Partner, tmp_path: Path) -> None:
    """A line that no charge was made for is tried by the next run, a failed charge on request only."""
    missing = partner.customer + CELLS  # what the cell of this customer gives next
    path = written(tmp_path, partner, [1, 10**12], idempotency_key=["a", "b"])
    with path.open("a") as file:
        file.write(f"{partner.vendor},{missing},3,c\n")
    run("bulk", str(path), status=1)
    assert [(line["status"], line["reason"]) for line in results(path)] == [
        ("succeeded", ""),
        ("failed", "insufficient_credit"),
        ("refused", "CUSTOMER_NOT_FOUND"),
    ]
    first = results(path)

    assert missing in (office.customer() for _ in range(100)), "the cells take turns as their hash will"
    run("bulk", str(path), status=1)
    assert [line["status"] for line in results(path)] == ["succeeded", "failed", "succeeded"]
    assert results(path)[1]["charge"] == first[1]["charge"]
    run("bulk", str(path), "--retry-failed", status=1)
    assert results(path)[1]["charge"] != first[1]["charge"], "a new charge, which failed again"
    assert len(office.charges(partner.vendor)) == 4


def test_a_changed_file_and_a_foreign_vendor_are_refused_before_anything_is_sent(
    run: Run, office: Office, partner: Partner, tmp_path: Path
) -> None:
    """Lines that cannot be told apart from charged ones are never guessed about."""
    path = written(tmp_path, partner, [1, 2])
    run("bulk", str(path))
    path.write_text(path.read_text() + f"{partner.vendor},{partner.customer},3\n")
    assert "was changed" in run("bulk", str(path), status=2).stderr
    run("bulk", str(path), "--run", "again", "--journal", str(tmp_path / "another"))
    assert len(office.charges(partner.vendor)) == 5

    foreign = tmp_path / "foreign.csv"
    foreign.write_text(f"vendor,customer,amount\n{partner.vendor},{partner.customer},1\n1,1,1\n")
    assert "line 3: there is no vendor 1" in run("bulk", str(foreign), status=2).stderr
    assert len(office.charges(partner.vendor)) == 5
