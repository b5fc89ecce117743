"""One trace a charge: from the HTTP door to the customer's ledger, told by what a collector receives."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from charging.customer_charge.v1 import customer_charge_pb2 as pb
from prometheus_client import CollectorRegistry

from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.settle_watch import SettleWatch
from services.customer_charge.worker import SERVICE, Tools
from shared.scraped_metrics import ScrapedMetrics
from shared.tracing.opening import open_tracing
from tests.contract.contract import response_of
from tests.contract.stack import Stack, open_stack
from tests.contract.world import CHARGES, World
from tests.databases import CELLS, Databases
from tests.standins.collector import Collector, SeenSpan, open_collector

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"
CALLERS_HEADER = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"
UNLIMITED = 1_000_000


class Traced:
    """The stack with traces on, a worker beside it, and the collector of both."""

    def __init__(self, stack: Stack, world: World, collector: Collector, worker: Tools) -> None:
        self.stack, self.world, self.collector, self.worker = stack, world, collector, worker

    async def charge(self, key: str, headers: dict[str, str] | None = None) -> str:
        """Charge by HTTP; return the charge's id."""
        side = self.world.ours
        body = {"vendor": side.vendor, "customer": side.customer, "amount": 1}
        headers = {"idempotency-key": key, **(headers or {})}
        answer = await self.stack.send("POST", "/api/customer/increase-credit/", side.token, body, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["data"]["id"])

    async def settle(self) -> int:
        """Do what the worker does with the slot of the vendor."""
        slot = self.world.ours.vendor % len(self.worker.cells)
        return await settle_slot(self.worker.cells, self.worker.ledger, slot, limit=100, watch=self.worker.watch.batch)

    async def flushed(self) -> Collector:
        """Return the collector after all processes have sent what they have."""
        for part in (self.stack.gateway, self.stack.customer_charge, self.stack.vendor_credit, self.worker):
            tracing = getattr(part, "tracing", None) or part._tracing
            await tracing.flush()
        return self.collector


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traced(module_databases: Databases, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    """Give a running stack whose every trace is kept."""
    keys_dir: Path = tmp_path_factory.mktemp("keys")
    async with open_collector() as collector:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
            async with open_stack(module_databases, module_redis_url, keys_dir, rate_limit_requests=UNLIMITED, trace_ratio=1.0) as stack:
                world = World(stack)
                await world.populate()
                settings, registry = stack.charge_settings, CollectorRegistry()
                tracing = open_tracing(settings, SERVICE)
                worker = await Tools.open(settings, SettleWatch(registry, tracing), ScrapedMetrics(registry), tracing)
                yield Traced(stack, world, collector, worker)
                await worker.close()


def tree(spans: list[SeenSpan], parent: str = "") -> list[object]:
    """Return the spans below a parent as nested lists of (service, name), in order of time."""
    found: list[object] = []
    for span in spans:
        if span.parent == parent:
            below = tree(spans, span.id)
            found.append(((span.service, span.name), below) if below else (span.service, span.name))
    return found


async def test_a_charge_is_one_trace_from_the_door_to_the_ledger(traced: Traced) -> None:
    """Its id is the charge's, and it shows every station: door, envelope, guards, transaction; worker, debit, credit and finish."""
    await traced.settle()
    charge = await traced.charge("one")
    await traced.settle()

    spans = (await traced.flushed()).trace(charge.replace("-", ""))

    accept = (("customer_charge", "accept"), [("customer_charge", "transaction accept_charges")])
    served = (("customer_charge", "charging.customer_charge.v1.ChargeService/IncreaseCredit"), [("customer_charge", "admission"), accept])
    debit = "charging.vendor_credit.v1.DebitService/DebitVendors"
    decided = [(("vendor_credit", debit), [("vendor_credit", "transaction debit_vendors")])]
    ours = traced.world.ours
    # A customer of another cell than the vendor's is credited there, before.
    credited = [(SERVICE, "transaction credit_apart")] if ours.vendor % CELLS != ours.customer % CELLS else []
    settle = ((SERVICE, "settle"), [((SERVICE, debit), decided), *credited, (SERVICE, "transaction settle_charges")])
    door = ("gateway", "POST /api/customer/increase-credit/")
    assert tree(spans) == [(door, [(("gateway", "envelope customer_charge"), [served]), settle])]
    assert not any(span.failed for span in spans)
    assert {span.attributes["charging.principal"] for span in spans if "IncreaseCredit" in span.name} == {"user:3"}


async def test_a_batch_lies_in_one_trace_and_the_others_link_to_it(traced: Traced) -> None:
    """Charges that settle together are each told of it: one in full, the others by a span of the same name and time that links there."""
    await traced.settle()
    charges = sorted([await traced.charge(f"many-{number}") for number in range(3)])
    assert await traced.settle() == 3

    collector = await traced.flushed()

    settles = [next(span for span in collector.trace(charge.replace("-", "")) if span.name == "settle") for charge in charges]
    first, *others = settles
    assert {link[0] for link in first.links} == {charge.replace("-", "") for charge in charges[1:]}
    assert [span.links for span in others] == [((first.trace, first.id),)] * 2
    assert all(span.attributes["charging.batch_size"] == 3 for span in settles)
    assert [sum("DebitVendors" in span.name for span in collector.trace(span.trace)) for span in settles] == [2, 0, 0]


async def test_a_callers_own_trace_is_linked_at_both_doors(traced: Traced) -> None:
    """Whoever sends `traceparent` finds the way from its trace to ours, and cannot open or join one by it."""
    charge = await traced.charge("linked", {"traceparent": CALLERS_HEADER})
    side = traced.world.ours
    request = pb.IncreaseCreditRequest(vendor_id=side.vendor, customer_id=side.customer, amount=1)
    metadata = [("traceparent", CALLERS_HEADER), ("idempotency-key", "direct")]
    reply = await traced.stack.call(f"{CHARGES}IncreaseCredit", request, side.token, metadata=metadata)
    assert reply.code is grpc.StatusCode.OK
    direct = response_of(f"{CHARGES}IncreaseCredit", reply.content).data.id

    collector = await traced.flushed()

    for made in (charge, direct):
        roots = [span for span in collector.trace(made.replace("-", "")) if not span.parent]
        assert [span.links for span in roots] == [((CALLERS_TRACE, CALLERS_SPAN),)]
    assert collector.trace(CALLERS_TRACE) == []


async def test_a_refused_call_says_why(traced: Traced) -> None:
    """The span of a failure carries the reason of the error, and nothing of its text."""
    side = traced.world.ours
    body = {"vendor": traced.world.theirs.vendor, "customer": side.customer, "amount": 1}
    answer = await traced.stack.send("POST", "/api/customer/increase-credit/", side.token, body)
    assert answer.status_code == 404

    collector = await traced.flushed()

    failed = [span for span in collector.spans if span.failed and "IncreaseCredit" in span.name]
    assert len(failed) == 1
    door = next(span for span in collector.trace(failed[0].trace) if not span.parent)
    assert (door.attributes["http.response.status_code"], door.failed) == (404, False)
