"""The network between any two parts may be slow, cut, deaf or half open: a charge is made once and reaches its end."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.faults.proxy import Proxy
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.strikes import last
from tests.faults.wired import LINKS, Wired

FAULT_SECONDS = 1.0
"""Long enough to fail calls and pings, short enough for a partner's patience with several of them."""


def for_a_while(proxy: Proxy, *orders: Callable[[], None]) -> None:
    """Give orders, let them hold for FAULT_SECONDS, and heal."""
    for order in orders:
        order()
    last(FAULT_SECONDS)
    proxy.heal()


def lose_answers(proxy: Proxy) -> None:
    """Let the target work for a moment without being heard, then reset the connections."""
    last(0.2)
    proxy.cut()


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "slow": lambda proxy: for_a_while(proxy, lambda: proxy.delay(0.1)),
    "cut": lambda proxy: proxy.cut(),
    "refusing": lambda proxy: for_a_while(proxy, proxy.refuse),
    "half open": lambda proxy: for_a_while(proxy, proxy.hold_everything),
    "answers lost": lambda proxy: for_a_while(proxy, proxy.hold_answers, lambda: lose_answers(proxy)),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("link", LINKS)
def test_a_bad_link_under_load_breaks_no_promise(wired: Wired, server_folder: Path, link: str, seed: int) -> None:
    """Every fault once on one link, in an order that the seed chooses."""
    faults = Random(seed).sample(list(FAULTS.values()), len(FAULTS))
    proxy = wired.proxies[link]
    history = server_folder / f"link-{link}-{seed}.jsonl"
    strike = lambda: faults.pop()(proxy)  # noqa: E731 - a name for the line below
    play(wired.stack, wired.office, strike, seed=seed, history=history, charges=60 * len(FAULTS), strikes=len(FAULTS), per_second=60)
