"""What the scheduler does each minute, done once for each point to die at: `python -m tests.faults.one_check FOLDER POINT...`.

Arms each point in the folder of faults, forks, and lets the child expire credit requests and check the books with the code and in the
order of the scheduler, from the first charge on. The parent has nothing but modules in memory, so that a child begins at once. Prints
how each child ended: `killed`, `passed` for one that did not come to the point, or its error.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import psycopg
from prometheus_client import CollectorRegistry

from services.customer_charge.audit_logs import AuditLogs
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.scheduler.books_check import BooksChecker, BooksMetrics
from services.scheduler.whole_check import WholeChecker
from services.vendor_credit.operations.expire_credit_requests import expire_credit_requests
from services.vendor_credit.settings import VendorCreditSettings
from shared import clock
from shared.clock import utc_now
from shared.crash_points import arm
from shared.errors import Unavailable
from shared.guards import peer_tokens
from shared.settings import load_settings
from shared.tracing.opening import open_cells
from shared.transport.channels import open_channel
from tests.cells import change_in_cells
from tests.faults.crash import CrashFolder
from tests.faults.points import CHECK

ACTOR = "peer:scheduler"

FROM_THE_START = """
UPDATE customer_charge.books_check
SET charge_id = '00000000-0000-0000-0000-000000000000', reversal_id = '00000000-0000-0000-0000-000000000000'
"""

TURNS_MAX = 60
PAUSE_SECONDS = 0.5
"""The scheduler would come again in a minute when something is out of reach; here it comes sooner."""

CHILD_SECONDS_MAX = 60
"""After which a child is ended by its alarm, whatever it waits for."""

AHEAD = timedelta(minutes=5)
"""Charges younger than two minutes are left to the next check: for this one all that exist are older."""


async def check_once(*, whole: bool) -> None:
    """Do what is done each minute; with `whole` check everything then."""
    vendor_settings, charge_settings = load_settings(VendorCreditSettings), load_settings(CustomerChargeSettings)
    arm(charge_settings, CHECK)
    clock.shift_by(lambda: AHEAD)
    tokens = peer_tokens(charge_settings, "scheduler")
    vendors = open_cells(None, vendor_settings.database_url, "vendor_credit", vendor_settings.cells, pool_size=2, application_name=CHECK)
    charges = open_cells(None, charge_settings.database_url, "customer_charge", charge_settings.cells, pool_size=2, application_name=CHECK)
    try:
        await vendors.open()
        await charges.open()
        async with (
            open_channel(charge_settings.vendor_credit_address, charge_settings.tls) as channel,
            open_channel(charge_settings.identity_address, charge_settings.tls) as identity,
        ):
            ledger = VendorCreditClient(channel, lambda: tokens.token("vendor_credit"))
            logs = AuditLogs(charges, channel, identity, tokens)
            checker = BooksChecker(vendors, charges, ledger, logs, BooksMetrics(CollectorRegistry()), actor=ACTOR)
            for turn in range(1, TURNS_MAX + 1):
                try:
                    await expire_credit_requests(vendors, days=vendor_settings.credit_request_expiry_days, actor=ACTOR, now=utc_now())
                    await checker.run_once()
                    if whole:
                        await WholeChecker(vendors, charges, ledger, charge_settings.whole_check_hours, ACTOR).run_once()
                except Unavailable:
                    if turn == TURNS_MAX:
                        raise
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    return
    finally:
        await vendors.close()
        await charges.close()


def die_at(folder: CrashFolder, point: str, admin_url: str) -> str:
    """Let a child die at the point, and return how it ended."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        change_in_cells(connection, FROM_THE_START)
    if point:
        folder.arm(point, CHECK)
    child = os.fork()
    if not child:
        signal.alarm(CHILD_SECONDS_MAX)
        try:
            asyncio.run(check_once(whole=point.startswith("check_whole")))
        except BaseException as error:
            print(f"{point}: {type(error).__name__}: {error}", flush=True)
            os._exit(2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {-signal.SIGKILL: "killed", 0: "passed"}.get(status, f"ended with {status}")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Die at every point that the command line names; with an empty name, check without dying."""
    folder = CrashFolder(Path(sys.argv[1]))
    for point in sys.argv[2:]:
        print(f"{point} {die_at(folder, point, environment['ONE_CHECK_ADMIN_URL'])}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
