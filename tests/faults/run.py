"""One run: a world, a workload, faults at seeded moments; then peace, and the verdict."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from shared.local.stack import Stack
from tests.faults.books import check_all_books
from tests.faults.facts import Facts, count_unsettled, read_facts, read_feed_heads
from tests.faults.history import Line
from tests.faults.judge import judge
from tests.faults.model_feeds import Message, replay_webhooks
from tests.faults.webhooks import wait_delivered
from tests.faults.workload import Pace, Workload
from tests.faults.world import World, make_world
from tests.support import wait_until
from tests.system.office import Office

CREDIT = 3_000
"""What each vendor of a run begins with: it runs out now and then, so charges are refused too."""

MOST_SHOWN = 20
QUIET_SECONDS = 60.0
LOOKS_MAX = 5
FINAL_SECONDS_P99 = 10.0
"""After healing every charge becomes final within this time (99 of 100)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to: what is wrong, and figures."""

    findings: list[str]
    charges: int
    seconds_to_final: list[float]
    facts: Facts
    lines: list[Line]

    @property
    def p99(self) -> float:
        """Return within how many seconds after healing 99 of 100 charges were final."""
        return percentile(self.seconds_to_final, 0.99)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share of the sorted values lies; 0.0 of none."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


def play(
    stack: Stack,
    office: Office,
    strike: Callable[[], object],
    *,
    seed: int,
    history: Path,
    charges: int,
    strikes: int = 3,
    per_second: float = 100.0,
    heal: Callable[[], object] = lambda: None,
    true_times: bool = True,
) -> Verdict:
    """Strike several times, at moments that the seed chooses, heal, and fail the test if any promise was broken.

    `strike` returns once the fault is over or its victim's successor lives. At least `charges` charges are answered.
    Without `true_times` the times in the rows are not to be believed, and how long it took to settle is measured from outside.
    """
    world = make_world(office, credit=CREDIT)
    moments = sorted(Random(seed).sample(range(charges // 20, charges * 9 // 10), strikes))
    with Workload(office.url, world, history, seed=seed, pace=Pace(per_second)) as work:
        for moment in moments:
            work.wait_answered(moment)
            strike()
        work.wait_answered(charges)
        heal()
        healed_at = datetime.now(UTC)
        stack.wait_ready()
    verdict = settle(stack, world, work, healed_at, true_times=true_times)
    assert verdict.findings == [], "\n".join([f"seed {seed}, history {history}", *verdict.findings[:MOST_SHOWN]])
    return verdict


def _at_rest(stack: Stack, world: World, work: Workload, healed_at: datetime) -> tuple[float, Facts, list[Message]]:
    """Wait until nothing is under way; return how long that took, the rows, and the webhooks that came.

    A call whose sender hung up may still be on its way when everything seems to be done, and make one more charge: then it is waited for.
    """
    url = stack.choices.admin_url
    for _ in range(LOOKS_MAX):
        wait_until(lambda: count_unsettled(url, world.vendors) == 0, "everything to be final", QUIET_SECONDS)
        quiet_seconds = (datetime.now(UTC) - healed_at).total_seconds()
        wait_delivered(stack, world.told)
        messages = list(work.receiver.messages)
        facts = read_facts(url, world.vendors)
        if facts.at_rest and facts.feed_heads == read_feed_heads(url, world.vendors) and messages == work.receiver.messages:
            break
    return quiet_seconds, facts, messages


def settle(stack: Stack, world: World, work: Workload, healed_at: datetime, *, true_times: bool = True) -> Verdict:
    """Wait until nothing is under way, and judge: every invariant, every promise, and the time it took."""
    quiet_seconds, facts, messages = _at_rest(stack, world, work, healed_at)
    work.receiver.__exit__()
    found = [*judge(facts, work.history.lines), *replay_webhooks(facts, world.told, messages, types=work.types)]
    findings = [f"invariant {finding.invariant}: {finding.text}" for finding in found]
    findings += [f"invariant 3: {finding}" for finding in work.findings]
    findings += [f"audit: {finding}" for finding in check_all_books(stack.environment)]
    seconds_to_final = facts.seconds_to_final(healed_at) if true_times else [quiet_seconds]
    verdict = Verdict(findings, len(facts.charges), seconds_to_final, facts, work.history.lines)
    if verdict.p99 > FINAL_SECONDS_P99:
        findings.append(f"invariant 1: 99 of 100 charges were final {verdict.p99:.1f} s after healing, not {FINAL_SECONDS_P99:g}")
    return verdict
