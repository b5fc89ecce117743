"""The network between the processes may be slow, cut, deaf or half open: a charge is made once and reaches its end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.faults.proxy import Proxy
from tests.faults.seeds import SEEDS
from tests.faults.strikes import strike_under_load
from tests.system.office import Office
from tests.system.stacks import new_stack

CHARGES = 300
FAULT_SECONDS = 1.5
"""Long enough to fail calls and pings, short enough for a partner's patience with several of them."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A stack whose processes reach each other's services only through proxies, by service."""

    stack: Stack
    office: Office
    proxies: dict[str, Proxy]


@pytest.fixture(scope="module")
def wired(server_folder: Path) -> Iterator[Wired]:
    """Give a stack with a proxy in front of each service."""
    stack = new_stack(server_folder / "wired")
    with ExitStack() as resources:
        proxies = {}
        for service in ("customer_charge", "vendor_credit"):
            setting = f"CHARGING_{service.upper()}_ADDRESS"
            proxies[service] = resources.enter_context(Proxy(stack.environment[setting]))
            stack.supervision.environment[setting] = proxies[service].address
        resources.enter_context(stack)
        office = Office(stack)
        resources.callback(office.close)
        yield Wired(stack, office, proxies)


def for_a_while(proxy: Proxy, *orders: Callable[[], None]) -> None:
    """Give orders, let them hold for FAULT_SECONDS, and heal."""
    for order in orders:
        order()
    threading.Event().wait(FAULT_SECONDS)
    proxy.heal()


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "slow": lambda proxy: for_a_while(proxy, lambda: proxy.delay(0.1)),
    "cut": lambda proxy: proxy.cut(),
    "refusing": lambda proxy: for_a_while(proxy, proxy.refuse),
    "half open": lambda proxy: for_a_while(proxy, proxy.hold_everything),
    "answers lost": lambda proxy: for_a_while(proxy, proxy.hold_answers, lambda: lose_answers(proxy)),
}


def lose_answers(proxy: Proxy) -> None:
    """Let the target work for a moment without being heard, then reset the connections."""
    threading.Event().wait(0.2)
    proxy.cut()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", ["customer_charge", "vendor_credit"])
def test_a_bad_network_under_load_breaks_no_promise(wired: Wired, server_folder: Path, service: str, fault: str, seed: int) -> None:
    """Three faults between a service and its callers during 300 charges."""
    history = server_folder / f"{fault.replace(' ', '-')}-{service}-{seed}.jsonl"
    proxy = wired.proxies[service]
    strike_under_load(wired.stack, wired.office, lambda: FAULTS[fault](proxy), seed=seed, history=history, charges=CHARGES)
