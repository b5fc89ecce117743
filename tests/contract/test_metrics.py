"""What the processes serve at /metrics: everything that the dashboard and the alerts ask for, and the right numbers."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml
from charging_cli.top.exposition import Samples
from prometheus_client import generate_latest

from services.scheduler.__main__ import SchedulerApp
from services.vendor_credit.settings import VendorCreditSettings
from tests.contract.stack import Stack
from tests.contract.world import World

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
SERIES = re.compile(r"\b((?:charging|process)_[a-z_]+)\b")
OF_LABELS = {"charging_calls"}
FROM_PROMETHEUS = {"up"}
GENERAL = ("process_", "python_")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scheduler(stack: Stack) -> AsyncIterator[SchedulerApp]:
    """Give the scheduler of the stack, running."""
    vendor_credit = VendorCreditSettings(
        **stack.charge_settings.model_dump(exclude={"database_url", "grpc_port", "worker_threads"}),
        database_url=stack.databases.urls["vendor_credit"],
    )
    app = SchedulerApp(vendor_credit, stack.charge_settings)
    await app.start()
    yield app
    await app.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(world: World, scheduler: SchedulerApp) -> dict[str, str]:
    """Give what each process serves, after some charges."""
    await world.stack.settle()
    apps: dict[str, Any] = {
        "gateway": world.stack.gateway,
        "vendor_credit": world.stack.vendor_credit,
        "customer_charge": world.stack.customer_charge,
        "scheduler": scheduler,
    }
    return {name: generate_latest(app._metrics._registry).decode() for name, app in apps.items()}


def names(served: dict[str, str]) -> set[str]:
    """Return the names of all series, and of metrics that have labels and no value yet."""
    text = "\n".join(served.values())
    return set(re.findall(r"^([a-z_]+)(?:\{| )", text, flags=re.MULTILINE)) | set(
        re.findall(r"^# TYPE ([a-z_]+) ", text, flags=re.MULTILINE)
    )


def expressions() -> list[str]:
    """Return every query of the dashboard and the alerts."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return found + [rule["expr"] for group in groups for rule in group["rules"]]


def test_whatever_is_asked_for_is_exported(served: dict[str, str]) -> None:
    """A query on a name that nobody serves shows nothing, and an alert on it never comes."""
    exported = names(served)
    asked = {name for query in expressions() for name in SERIES.findall(query)}
    assert asked - exported - FROM_PROMETHEUS == set()


def test_whatever_is_exported_is_looked_at(served: dict[str, str]) -> None:
    """A metric that is on no dashboard and in no alert is there for nobody."""
    text = "\n".join(served.values())
    families = {name.removesuffix("_total") for name in re.findall(r"^# TYPE ([a-z_]+) ", text, flags=re.MULTILINE)}
    families = {name for name in families if not name.startswith(GENERAL) and not name.endswith("_created")}
    asked = " ".join(expressions())
    assert {name for name in families if name not in asked} == set()


def test_numbers_are_those_of_what_happened(world: World, served: dict[str, str]) -> None:
    """Calls are counted by outcome, connections are those of the pools, and Redis is trusted."""
    samples = Samples(served.values())
    made = len(world.stack.rows("customer_charge", "SELECT 1 FROM charges"))
    method = "/charging.customer_charge.v1.ChargeService/IncreaseCredit"
    assert samples.total("charging_calls_total", method=method, code="OK") == made
    assert samples.total("charging_batch_size_sum", batcher="accept") == made
    assert samples.total("charging_pool_connections", state="open") >= 1
    assert samples.total("charging_queue_depth") == 0
    assert samples.least("charging_redis_trusted") == 1
    assert samples.total("charging_http_responses_total", status="200") >= 1
    assert samples.total("charging_hints_total", outcome="dropped") == 0
