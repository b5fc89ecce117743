"""A point in time is restored from a backup taken under load, while the history goes on: whole, and short of exactly what came after."""

from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from shared.local.backup import take_backup
from shared.local.choices import choose
from shared.local.engine import EngineFailed
from shared.local.env_file import read_env_file
from shared.local.restore import audit_restored, restore_data
from shared.local.stack import Stack
from shared.local.wal_archive import NoBackup, wal_folder
from tests.cells import rows_in_cells
from tests.databases import CELLS
from tests.faults.facts import read_facts
from tests.faults.run import QUIET_SECONDS
from tests.faults.workload import Workload
from tests.faults.world import make_world
from tests.ha.lost import find_lost
from tests.support import wait_until
from tests.system.office import Office
from tests.system.stacks import POSTGRES_SETTINGS, new_stack

BEFORE_BACKUP, BEFORE_TARGET, ALL = 60, 150, 260
SETTINGS = {**POSTGRES_SETTINGS, "track_commit_timestamp": "on"}
"""With the time of each commit, which is what a target time is held against."""

COMMITTED_BY = """
SELECT charge_id::text FROM customer_charge.charge_keys
WHERE vendor_id = ANY(%s) AND charge_id IS NOT NULL AND pg_xact_commit_timestamp(xmin) <= %s
"""
SWITCH = "SELECT pg_walfile_name(pg_switch_wal())"


@pytest.mark.timeout(240)
def test_what_is_missing_after_a_restore_is_exactly_what_came_after(server_folder: Path) -> None:
    """Backup and target lie in the middle of a running history; the restored books are whole, and hold each charge committed by then."""
    backups, state = server_folder / "backups", server_folder / "restored"
    stack = new_stack(server_folder / "backed-up", {"CHARGING_BACKUP_DIR": str(backups)})
    stack.postgres.settings |= SETTINGS
    with stack:
        office = Office(stack)
        world = make_world(office, credit=3_000)
        with Workload(office.url, world, server_folder / "restore.jsonl", seed=0) as work:
            work.wait_answered(BEFORE_BACKUP)
            _, archiving = take_backup(stack.choices.admin_url, stack.state / "secrets", backups)
            assert archiving
            work.wait_answered(work.answered + BEFORE_TARGET - BEFORE_BACKUP)
            target = _now(stack)
            work.wait_answered(work.answered + ALL - BEFORE_TARGET)
        with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
            expected = {row[0] for row in rows_in_cells(admin, COMMITTED_BY, (list(world.vendors), target))}
            segment = str(admin.execute(SWITCH).fetchall()[0][0])
        work.receiver.__exit__()
        wait_until((wal_folder(backups) / segment).exists, "the log to be archived", QUIET_SECONDS)
        office.close()
    state.mkdir()
    with pytest.raises(EngineFailed, match="before configured recovery target was reached"):
        restore_data(state, backups, target + timedelta(days=1), POSTGRES_SETTINGS)
    assert not (state / "postgres").exists()
    restore_data(state, backups, target, POSTGRES_SETTINGS)
    restored = choose(state, {"CHARGING_CELLS": str(CELLS)}, read_env_file(state / "secrets"), known_ports=False)
    assert audit_restored(restored) == 0
    again = Stack(restored, postgres_settings=POSTGRES_SETTINGS)
    again.start_engines()
    facts = read_facts(again.choices.admin_url, world.vendors)
    again.stop()
    assert {charge.id for charge in facts.charges} == expected
    told = {str(line.told["id"]) for line in work.history.lines if line.kind == "charge" and line.event == "ok"}
    assert find_lost(facts, work.history.lines).charges == told - expected
    assert told - expected, "nothing came after: this test shows nothing"
    assert told & expected, "nothing came before: this test shows nothing"
    print(
        f"{len(told)} charges acknowledged, {len(told & expected)} by the target time and there, {len(told - expected)} after it and gone"
    )
    with pytest.raises(NoBackup, match="set CHARGING_BACKUP_DIR to another folder"):
        Stack(choose(state, {"CHARGING_BACKUP_DIR": str(backups)}, read_env_file(state / "secrets"), known_ports=False)).start_engines()


def _now(stack: Stack) -> datetime:
    with psycopg.connect(stack.choices.admin_url, autocommit=True) as admin:
        row = admin.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return datetime.fromisoformat(row[0].isoformat())
