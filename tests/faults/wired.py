"""A stack in which nobody reaches anybody directly: every link can be spoilt."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.faults.liar import Liar
from tests.faults.proxy import Proxy
from tests.system.office import Office
from tests.system.stacks import new_stack

LINKS = {
    "customer_charge": ("CHARGING_CUSTOMER_CHARGE_ADDRESS",),
    "vendor_credit": ("CHARGING_VENDOR_CREDIT_ADDRESS",),
    "identity": ("CHARGING_IDENTITY_ADDRESS",),
    "postgres": ("CHARGING_GATEWAY_DATABASE_URL", "CHARGING_VENDOR_CREDIT_DATABASE_URL", "CHARGING_CUSTOMER_CHARGE_DATABASE_URL"),
    "broker": ("REDIS_URL",),
    "cache": ("CHARGING_CACHE_REDIS_URL",),
}
"""What stands behind each proxy, and the settings by which all others find it."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A stack whose processes reach services and engines only through proxies, by what stands behind each; `liar` stands behind one."""

    stack: Stack
    office: Office
    proxies: dict[str, Proxy]
    liar: Liar


@pytest.fixture(scope="session")
def wired(server_folder: Path) -> Iterator[Wired]:
    """Give a stack with a proxy on every link."""
    stack = new_stack(server_folder / "wired")
    with ExitStack() as resources:
        proxies = {}
        liar = resources.enter_context(Liar(stack.environment["CHARGING_VENDOR_CREDIT_ADDRESS"]))
        for link, settings in LINKS.items():
            target = stack.environment[settings[0]].rpartition("@")[2].partition("/")[0]
            proxies[link] = resources.enter_context(Proxy(liar.address if link == "vendor_credit" else target))
            for setting in settings:
                stack.supervision.environment[setting] = stack.environment[setting].replace(target, proxies[link].address)
        resources.enter_context(stack)
        office = Office(stack)
        resources.callback(office.close)
        yield Wired(stack, office, proxies, liar)
