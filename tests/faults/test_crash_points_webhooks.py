"""Crash points on the way of an event to a partner: it comes at least once, and for the first time in order."""

from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest

from shared.local.stack import Stack
from tests.faults.crash import CrashFolder, arm
from tests.faults.points import SWEPT_WEBHOOKS, WEBHOOKS, Pair
from tests.faults.run import play
from tests.faults.seeds import SEEDS
from tests.faults.test_crash_points import CHARGES, no_hints
from tests.faults.webhooks import let_time_pass
from tests.system.office import Office
from tests.system.stacks import query

ALL = "SELECT vendor_id FROM customer_charge.webhook_endpoints"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pair", [*WEBHOOKS, *SWEPT_WEBHOOKS], ids=lambda pair: "-".join(pair.before).replace("before_", ""))
def test_a_deliverer_that_dies_loses_no_webhook(
    stack: Stack, office: Office, crashes: CrashFolder, server_folder: Path, pair: Pair, seed: int
) -> None:
    """One death before and one after, each with the lease in hand or not; its time is let pass, so that a successor takes over at once."""
    points = [pair.after, pair.before]
    random = Random(seed)

    def die() -> None:
        point = points.pop()
        with no_hints(stack) if point.service == "scheduler" else nullcontext():
            arm(stack, crashes, point.name, point.service, hit=random.randint(1, pair.hits_max))()
            for (vendor,) in query(stack, ALL):
                let_time_pass(stack, vendor)

    history = server_folder / f"webhook-{pair.before.name}-{pair.before.service}-{seed}.jsonl"
    play(stack, office, die, seed=seed, history=history, charges=CHARGES, strikes=2)
