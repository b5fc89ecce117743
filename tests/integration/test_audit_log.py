"""The audit log: one entry for each action, chained, and no way to change one unseen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from services.vendor_credit.operations.create_vendor import create_vendor
from services.vendor_credit.operations.decide_credit_request import approve_credit_request, cancel_credit_request, reject_credit_request
from services.vendor_credit.operations.submit_credit_request import submit_credit_request
from services.vendor_credit.operations.update_vendor import update_vendor
from shared.audit_log.reading import LogFilter, list_audit_log, verify_audit_log
from shared.database import Connection, Database
from shared.database_setup import SERVICES
from shared.errors import Conflict
from tests.databases import Databases
from tests.integration.money import Money, open_money

ROOT = Path(__file__).parents[2]
MAX_INT64 = 2**63 - 1


@pytest.fixture
async def databases(one_cell: Databases) -> Databases:
    """Give a database with one log for each service; of several, each is one like it."""
    return one_cell


@pytest.fixture
async def money(databases: Databases) -> AsyncIterator[Money]:
    """Give both services' databases."""
    async with open_money(databases) as money:
        yield money


async def log_of(database: Database, wanted: LogFilter | None = None) -> list[tuple[int, str, str, str, dict[str, str]]]:
    """Return the log, oldest first, without times and hashes."""
    found = await list_audit_log(database, wanted or LogFilter(), before_seq=MAX_INT64, limit=200)
    return [(entry.seq, entry.actor, entry.action, entry.target, entry.facts) for entry in reversed(found)]


def as_owner(databases: Databases, *statements: str) -> None:
    """Do what only the owner of the database can."""
    with psycopg.connect(databases.admin_url, options="-c search_path=vendor_credit", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


async def test_each_action_that_changes_something_is_logged_once(money: Money) -> None:
    """Who, what, to what, and the values; repeating an action that has had its effect adds nothing."""
    for _ in range(2):
        vendor, _ = await create_vendor(money.vendors, name="Acme", credit_limit=5, principal="user:1", key="k")
        await update_vendor(money.vendors, vendor.id, name=None, credit_limit=9, suspended=True, actor="user:2")
    first, _ = await submit_credit_request(money.vendors, vendor_id=vendor.id, amount=70, principal="user:3", key="a")
    second, _ = await submit_credit_request(money.vendors, vendor_id=vendor.id, amount=80, principal="user:3", key="b")
    third, _ = await submit_credit_request(money.vendors, vendor_id=vendor.id, amount=90, principal="user:3", key="c")
    for _ in range(2):
        await approve_credit_request(money.vendors, first.id, "user:1", four_eyes=True)
        await reject_credit_request(money.vendors, second.id, "user:2", "too much")
        await cancel_credit_request(money.vendors, third.id, "user:3", None, [vendor.id])
    made = {"name": "Acme", "credit_limit": "5", "low_balance_threshold": "0", "duplicate_window_seconds": "0"}
    changes = {"credit_limit": "9", "credit_limit_before": "5", "suspended": "true", "suspended_before": "false"}
    assert await log_of(money.vendors.first) == [
        (1, "user:1", "create_vendor", f"vendor:{vendor.id}", made),
        (2, "user:2", "update_vendor", f"vendor:{vendor.id}", changes),
        (3, "user:1", "approve_credit_request", f"credit_request:{first.id}", {"vendor": str(vendor.id), "amount": "70"}),
        (
            4,
            "user:2",
            "reject_credit_request",
            f"credit_request:{second.id}",
            {"vendor": str(vendor.id), "amount": "80", "reason": "too much"},
        ),
        (5, "user:3", "cancel_credit_request", f"credit_request:{third.id}", {"vendor": str(vendor.id), "amount": "90"}),
    ]
    assert [entry[0] for entry in await log_of(money.vendors.first, LogFilter(actor="user:1", target=f"vendor:{vendor.id}"))] == [1]
    assert [entry[0] for entry in await log_of(money.vendors.first, LogFilter(action="update_vendor"))] == [2]
    report = await verify_audit_log(money.vendors.first)
    assert (report.head.last_seq, report.finding) == (5, None)


async def test_a_refused_action_is_not_logged(money: Money) -> None:
    """What did not happen is no action."""
    vendor_id = await money.vendor()
    request_id = await money.approved_request(vendor_id, 5)
    before = await log_of(money.vendors.first)
    with pytest.raises(Conflict):
        await reject_credit_request(money.vendors, request_id, "user:2", "late")
    assert await log_of(money.vendors.first) == before


async def test_an_action_whose_entry_cannot_be_written_does_not_happen(money: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deed and entry share a transaction."""

    async def broken(connection: Connection, *_: object) -> None:
        await connection.execute("SELECT 1 / 0")

    vendor_id = await money.vendor()
    monkeypatch.setattr("shared.audit_log.storage.append_entry", broken)
    with pytest.raises(psycopg.DataError):
        await update_vendor(money.vendors, vendor_id, name=None, credit_limit=None, suspended=True, actor="user:2")
    async with money.vendors.first.reading() as connection:
        suspended = await (await connection.execute("SELECT suspended FROM vendors")).fetchone()
    assert suspended == (False,)


async def test_actions_at_the_same_time_make_one_chain(money: Money) -> None:
    """However many operators act at once, the numbers have no gap and the chain holds."""
    made = [create_vendor(money.vendors, name=f"v{number}", credit_limit=0, principal="user:1", key=f"k{number}") for number in range(40)]
    await asyncio.gather(*made)
    report = await verify_audit_log(money.vendors.first)
    assert (report.head.last_seq, report.finding) == (40, None)


@pytest.mark.parametrize(
    ("statements", "finding"),
    [
        (["UPDATE audit_log SET actor = 'user:9' WHERE seq = 2"], "audit log entry 2: the hash chain breaks here"),
        (
            ["UPDATE audit_log SET done_at = done_at - interval '1 microsecond' WHERE seq = 2"],
            "audit log entry 2: the hash chain breaks here",
        ),
        (["UPDATE audit_log SET details = '{}' WHERE seq = 2"], "audit log entry 2: the hash chain breaks here"),
        (["UPDATE audit_log SET actor = actor || action, action = '' WHERE seq = 2"], "audit log entry 2: the hash chain breaks here"),
        (["DELETE FROM audit_log WHERE seq = 2"], "audit log entry 3: 2 was expected"),
        (["DELETE FROM audit_log WHERE seq = 3"], "audit log: it ends with entry 2 and its head says 3"),
        (["INSERT INTO audit_log VALUES (4, now(), 'user:1', 'x', 'y', '{}', '')"], "audit log entry 4: the hash chain breaks here"),
    ],
)
async def test_tampering_shows(databases: Databases, money: Money, statements: list[str], finding: str) -> None:
    """Whatever the owner of the database does to an entry, the check says where."""
    for number in range(3):
        await create_vendor(money.vendors, name=f"v{number}", credit_limit=0, principal="user:1", key=f"k{number}")
    as_owner(databases, *statements)
    assert (await verify_audit_log(money.vendors.first)).finding == finding


async def test_a_check_goes_on_from_an_end_that_was_checked(databases: Databases, money: Money) -> None:
    """Going on finds what came after, and an end that was exchanged."""
    await money.vendor()
    start = (await verify_audit_log(money.vendors.first)).head
    await money.vendor()
    assert (await verify_audit_log(money.vendors.first, start)).finding is None
    as_owner(databases, "UPDATE audit_log SET actor = 'user:9' WHERE seq = 2")
    assert (await verify_audit_log(money.vendors.first, start)).finding == "audit log entry 2: the hash chain breaks here"
    as_owner(databases, "UPDATE audit_log SET hash = 'other' WHERE seq = 1")
    assert (await verify_audit_log(money.vendors.first, start)).finding == "audit log entry 1: it is not the one that was checked before"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_only_add(databases: Databases, service: str) -> None:
    """The runtime role may neither change nor remove an entry."""
    with psycopg.connect(databases.urls[service], options=f"-c search_path={service}", autocommit=True) as connection:
        for statement in (
            "UPDATE audit_log SET actor = actor",
            "DELETE FROM audit_log",
            "TRUNCATE audit_log",
            "DELETE FROM audit_log_head",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


async def test_the_log_that_the_gateway_kept_before_is_carried_over(databases: Databases) -> None:
    """Entries of the table before become entries of the chain, in order, with the text they had."""
    migrations = ROOT / "services" / "gateway" / "migrations"
    with psycopg.connect(databases.admin_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA gateway CASCADE; CREATE SCHEMA gateway; SET search_path = gateway")
        connection.execute((migrations / "0001_identity.sql").read_text())  # type: ignore[call-overload]
        for actor, subject in (("peer:gateway", "key:1"), ("ölga|:", "user:2 token:3")):
            connection.execute("INSERT INTO operator_log (done_at, actor, action, subject) VALUES (now(), %s, 'do', %s)", (actor, subject))
        connection.execute("DELETE FROM operator_log WHERE id = 1")
        connection.execute("INSERT INTO operator_log (done_at, actor, action, subject) VALUES (now(), 'user:1', 'do', 'it')")
        connection.execute((migrations / "0030_audit_log.sql").read_text())  # type: ignore[call-overload]
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA gateway TO charging_gateway"))
    database = Database(databases.urls["gateway"], "gateway", pool_size=1, application_name="test")
    await database.open()
    try:
        report = await verify_audit_log(database)
        entries = await log_of(database)
    finally:
        await database.close()
    assert (report.head.last_seq, report.finding) == (2, None)
    assert entries == [(1, "ölga|:", "do", "user:2 token:3", {}), (2, "user:1", "do", "it", {})]
