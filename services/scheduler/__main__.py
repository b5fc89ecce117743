"""Run the scheduler: what must happen from time to time, whatever broker and workers do."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from services.customer_charge.audit_logs import AuditLogs
from services.customer_charge.domain.stalls import Stalls
from services.customer_charge.operations.sweep_charges import sweep_charges
from services.customer_charge.operations.sweep_reversals import sweep_reversals
from services.customer_charge.reach import Reach
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.settle_watch import SettleWatch
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.customer_charge.webhooks.building import build_deliveries
from services.scheduler.books_check import BooksChecker, BooksMetrics
from services.scheduler.whole_check import LOOK_SECONDS, WholeChecker
from services.vendor_credit.event_feed import EventFeedClient
from services.vendor_credit.operations.expire_credit_requests import expire_credit_requests
from services.vendor_credit.operations.post_credit import sweep_unposted
from services.vendor_credit.operations.relay_facts import relay_facts
from services.vendor_credit.settings import VendorCreditSettings
from shared.auth.peer_tokens import PEER_PREFIX
from shared.clock import utc_now
from shared.errors import ChargingError
from shared.guards import peer_tokens
from shared.main import run
from shared.scraped_metrics import ScrapedMetrics
from shared.settings import load_settings
from shared.telemetry import MetricsEndpoint, new_registry
from shared.tracing.opening import client_spans, open_cells, open_tracing
from shared.transport.channels import open_channel

SERVICE = "scheduler"
EXPIRY_SECONDS = 60
"""How often overdue credit requests are looked for: they are given days, so a minute more is nothing."""

log = structlog.get_logger(SERVICE)

CHECK_SECONDS = 60
"""Between two checks of the books: what is broken is stopped within about a minute, and a check costs little more than what is new."""

JOBS = ("charges", "reversals", "credit", "credit_requests", "webhooks", "facts", "books", "whole_books", "metrics")

SHOW_SECONDS = 5
"""Between two readings of what is pending, for the metrics."""


class SchedulerApp:
    """The scheduler of one deployment; a second one is harmless. Build it inside the event loop.

    It runs the services' own operations in this very process, each with the service's own role, so that charges settle and credit is posted
    with the broker and all workers gone.
    """

    def __init__(self, vendor_credit: VendorCreditSettings, customer_charge: CustomerChargeSettings) -> None:
        tokens = peer_tokens(customer_charge, SERVICE)
        self._drain_seconds = customer_charge.drain_seconds
        self._tracing = open_tracing(customer_charge, SERVICE)
        self._vendor_cells = open_cells(
            None, vendor_credit.database_url, "vendor_credit", vendor_credit.cells, pool_size=2, application_name=SERVICE
        )
        self._charge_cells = open_cells(
            self._tracing, customer_charge.database_url, "customer_charge", customer_charge.cells, pool_size=3, application_name=SERVICE
        )
        self._channel = open_channel(customer_charge.vendor_credit_address, customer_charge.tls, client_spans(self._tracing))
        self._feed_channel = open_channel(customer_charge.customer_charge_address, customer_charge.tls)
        feed = EventFeedClient(self._feed_channel, lambda: tokens.token("customer_charge"))
        ledger = VendorCreditClient(self._channel, lambda: tokens.token("vendor_credit"))
        self._identity_channel = open_channel(customer_charge.identity_address, customer_charge.tls)
        registry = new_registry()
        metrics = ScrapedMetrics(registry)
        self._turns: Counter[tuple[str, str]] = Counter()
        for turn in product(JOBS, ("done", "failed")):
            metrics.counter(
                "charging_sweeps", "Turns of the scheduler's jobs.", partial(self._turns.__getitem__, turn), sweep=turn[0], outcome=turn[1]
            )
        watch = SettleWatch(registry, self._tracing)
        self._metrics = MetricsEndpoint(customer_charge, registry)
        checker = BooksChecker(
            self._vendor_cells,
            self._charge_cells,
            ledger,
            AuditLogs(self._charge_cells, self._channel, self._identity_channel, tokens),
            BooksMetrics(registry),
            actor=f"{PEER_PREFIX}{SERVICE}",
        )
        self._scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None})
        self._running: set[asyncio.Task[None]] = set()

        limit, reach = customer_charge.settle_batch, Reach()
        stalls = [Stalls() for _ in self._charge_cells]

        async def sweep(cell: int) -> None:
            await self._guarded(
                "charges",
                lambda: sweep_charges(self._charge_cells, cell, ledger, limit=limit, stalls=stalls[cell], watch=watch.batch, reach=reach),
            )

        async def sweep_back(cell: int) -> None:
            await self._guarded("reversals", lambda: sweep_reversals(self._charge_cells, cell, ledger.reversals, limit=limit, reach=reach))

        async def post() -> None:
            await self._guarded("credit", lambda: sweep_unposted(self._vendor_cells))

        async def expire() -> None:
            await self._guarded(
                "credit_requests",
                lambda: expire_credit_requests(
                    self._vendor_cells, days=vendor_credit.credit_request_expiry_days, actor=f"{PEER_PREFIX}{SERVICE}", now=utc_now()
                ),
            )

        self._deliveries = build_deliveries(customer_charge, self._charge_cells)
        if self._deliveries is not None:
            self._deliveries.show(metrics)

        async def deliver(cell: int) -> None:
            if (deliveries := self._deliveries) is not None:
                await self._guarded("webhooks", lambda: deliveries.sweep(cell))

        async def relay() -> None:
            await self._guarded("facts", lambda: relay_facts(self._vendor_cells, feed))

        async def check() -> None:
            await self._guarded("books", checker.run_once)

        async def show() -> None:
            await self._guarded("metrics", checker.show)

        self._scheduler.add_job(check, "interval", seconds=CHECK_SECONDS)
        self._add_whole_check(ledger, customer_charge.whole_check_hours)
        self._scheduler.add_job(show, "interval", seconds=SHOW_SECONDS)
        # A job for each cell: one that does not answer holds up no other.
        for cell, job in product(range(len(self._charge_cells)), (sweep, sweep_back, deliver)):
            self._scheduler.add_job(job, "interval", args=[cell], seconds=customer_charge.sweep_seconds)
        self._scheduler.add_job(post, "interval", seconds=customer_charge.sweep_seconds)
        self._scheduler.add_job(expire, "interval", seconds=EXPIRY_SECONDS)
        self._scheduler.add_job(relay, "interval", seconds=customer_charge.sweep_seconds)

    def _add_whole_check(self, ledger: VendorCreditClient, hours: float) -> None:
        whole = WholeChecker(self._vendor_cells, self._charge_cells, ledger, hours, f"{PEER_PREFIX}{SERVICE}")

        async def check_everything() -> None:
            await self._guarded("whole_books", whole.run_if_due)

        if hours:
            self._scheduler.add_job(check_everything, "interval", seconds=LOOK_SECONDS)

    async def start(self) -> None:
        """Connect and begin."""
        await self._vendor_cells.open()
        await self._charge_cells.open()
        self._scheduler.start()
        self._metrics.start()

    async def stop(self) -> None:
        """Begin nothing more, let what runs end, and disconnect."""
        self._scheduler.shutdown(wait=False)
        if self._running:
            await asyncio.wait(self._running, timeout=self._drain_seconds)
        self._metrics.stop()
        if self._deliveries is not None:
            await self._deliveries.close()
        await self._channel.close()
        await self._identity_channel.close()
        await self._feed_channel.close()
        await self._vendor_cells.close()
        await self._charge_cells.close()
        if self._tracing is not None:
            await self._tracing.close()

    async def _guarded(self, job: str, work: Callable[[], Awaitable[int | None]]) -> None:
        """Run one job in a task of its own that `stop` can wait for; a failure is logged, and the next turn tries again."""
        task = asyncio.create_task(self._run(job, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _run(self, job: str, work: Callable[[], Awaitable[int | None]]) -> None:
        try:
            done = await work()
        except ChargingError as error:
            self._turns[job, "failed"] += 1
            log.warning("sweep.postponed", job=job, reason=error.reason)
        except Exception:
            self._turns[job, "failed"] += 1
            log.exception("sweep.failed", job=job)
        else:
            self._turns[job, "done"] += 1
            if done:
                log.info("swept", job=job, count=done)


if __name__ == "__main__":
    vendor_credit_settings = load_settings(VendorCreditSettings)
    customer_charge_settings = load_settings(CustomerChargeSettings)
    run(SERVICE, customer_charge_settings, lambda: SchedulerApp(vendor_credit_settings, customer_charge_settings))
