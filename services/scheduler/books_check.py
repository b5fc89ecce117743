"""The check of both services' books, each minute: what is new is checked, what is broken is stopped, and metrics tell of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Gauge

from services.customer_charge.audit_logs import AuditLogs
from services.customer_charge.operations.check_books import VendorBooks
from services.customer_charge.operations.check_new_charges import check_new_charges
from services.customer_charge.operations.check_new_reversals import check_new_reversals
from services.customer_charge.operations.finish_check import finish_check
from services.customer_charge.operations.read_books_state import BooksState, read_books_state
from services.vendor_credit.operations.check_ledgers import check_new_entries
from services.vendor_credit.operations.stop_vendors import count_stopped_vendors, stop_vendors
from shared.audit_log.entries import LogHead
from shared.cells import Cells
from shared.clock import utc_now
from shared.database import Database
from shared.errors import Unavailable

AUDIT_LOG_TIMEOUT_SECONDS = 30.0
"""A log is read on from where it was checked; the first time from its start."""

log = structlog.get_logger(__name__)


class BooksMetrics:
    """What the scheduler shows of the books."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"charging_books_{name}", text, registry=registry)

        self._gauges: Mapping[str, Gauge] = {
            "drift": gauge("drift", "Amounts that one side of the books has and the other has not, in minor units; must be 0."),
            "findings": gauge("findings", "Broken invariants that the last checks found, of each minute and of everything; must be 0."),
            "stopped_vendors": gauge("stopped_vendors", "Vendors that are stopped because their books were found broken; must be 0."),
            "stopped_customers": gauge("stopped_customers", "Customers that are stopped because their books were found broken; must be 0."),
            "pending_charges": gauge("pending_charges", "Charges that are not final."),
            "blocked_charges": gauge("blocked_charges", "Charges that are set aside until a person has looked; must be 0."),
            "pending_reversals": gauge("pending_reversals", "Reversals that are not final."),
            "blocked_reversals": gauge("blocked_reversals", "Reversals that are set aside until a person has looked; must be 0."),
        }
        self._oldest = gauge("oldest_pending_seconds", "Age of the oldest charge or reversal that is not final, in seconds.")
        self._checked_at = gauge("last_check_timestamp_seconds", "When the last check ended, in seconds since 1970.")
        self._whole_checked_at = gauge("last_whole_check_timestamp_seconds", "When the last check of everything ended, since 1970.")

    def show(self, state: BooksState) -> None:
        """Show the state of the books."""
        for name, metric in self._gauges.items():
            value = getattr(state, name)
            metric.set(len(value) if isinstance(value, list) else value)
        self._oldest.set(max(state.oldest_pending_ms, state.oldest_pending_reversal_ms) / 1000)
        if state.checked_at is not None:
            self._checked_at.set(state.checked_at.timestamp())
        if state.whole_checked_at is not None:
            self._whole_checked_at.set(state.whole_checked_at.timestamp())


@dataclass(slots=True)
class BooksChecker:
    """Checks the books on from where they were checked last: from durable checkpoints, the audit logs from this process's memory."""

    vendors: Cells
    charges: Cells
    vendor_books: VendorBooks
    audit_logs: AuditLogs
    metrics: BooksMetrics
    actor: str
    _heads: dict[str, LogHead] = field(default_factory=dict)

    async def run_once(self) -> int:
        """Check what is new, stop the accounts concerned, and return how many charges and reversals were matched. Raises Unavailable.

        What was found by then is told all the same: an alarm does not wait for whoever is out of reach.
        """
        findings: list[str] = []
        try:
            matched = await self._check(findings)
        except Unavailable:
            if findings:
                await self._tell(findings)
            raise
        await self._tell(findings)
        return matched

    async def _check(self, findings: list[str]) -> int:
        """Check everything, adding to what was found, and return how many charges and reversals were matched. Raises Unavailable."""

        async def check_entries(database: Database) -> None:
            # One cell that is out of reach hides nothing that was found in the others.
            findings.extend((await check_new_entries(database, actor=self.actor)).values())

        await self.vendors.gather(check_entries)
        charges = await check_new_charges(self.charges, self.vendor_books, self._stop_vendors, now=utc_now(), actor=self.actor)
        findings += charges.findings
        reversals = await check_new_reversals(
            self.charges, self.vendor_books.reversals, self._stop_vendors, now=utc_now(), actor=self.actor
        )
        findings += reversals.findings
        findings += await self._check_logs()
        return charges.charges + reversals.reversals

    async def _tell(self, found: Sequence[str]) -> None:
        """Record what was found and when, log it, and show it."""
        findings = list(dict.fromkeys(found))
        for finding in findings:
            log.error("books.broken", finding=finding)
        stopped = sum(await self.vendors.gather(_stopped_in_reach))
        await finish_check(self.charges, now=utc_now(), stopped_vendors=stopped, findings=findings)
        await self.show()

    async def show(self) -> None:
        """Show the state of the books as it is now."""
        self.metrics.show(await read_books_state(self.charges))

    async def _stop_vendors(self, findings: Mapping[int, str]) -> None:
        await stop_vendors(self.vendors, findings, actor=self.actor)

    async def _check_logs(self) -> list[str]:
        findings: list[str] = []
        for state in await self.audit_logs.check(timeout_seconds=AUDIT_LOG_TIMEOUT_SECONDS, heads=self._heads):
            findings += state.findings
            if not state.findings:
                self._heads[state.service] = state.head
        return findings


async def _stopped_in_reach(vendors: Database) -> int:
    """Return how many vendors of a cell are stopped, 0 for one that is out of reach."""
    try:
        return await count_stopped_vendors(Cells([vendors]))
    except Unavailable:
        return 0
