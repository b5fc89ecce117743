"""The primary is lost under load: with a synchronous standby nothing acknowledged is lost, and without one the loss is known."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.local.choices import DATABASE
from tests.faults.books import check_all_books
from tests.faults.facts import count_unsettled, read_facts
from tests.faults.model import replay
from tests.faults.model_duplicates import replay_duplicates
from tests.faults.model_feeds import replay_feeds
from tests.faults.model_reversals import replay_reversals
from tests.faults.run import MOST_SHOWN, QUIET_SECONDS, percentile, settle
from tests.ha.failover import Round, lose_primary_under_load, stack_on
from tests.ha.lost import Lost, find_lost
from tests.ha.pair import Pair
from tests.support import wait_until

KILLS = int(os.environ.get("HA_KILLS", "1"))
"""How many machines are lost, one after the other, each at a moment of its own."""


@pytest.mark.timeout(120 + 60 * KILLS)
def test_with_a_synchronous_standby_no_acknowledged_charge_is_lost(server_folder: Path) -> None:
    """Every promise of every round holds, all books are whole, and charges are accepted again in seconds."""
    rounds: list[Round] = []
    with Pair(server_folder / "sync", synchronous=True) as pair, stack_on(pair, server_folder / "sync-stack") as (stack, office):
        for seed in range(KILLS):
            history = server_folder / f"sync-{seed}.jsonl"
            lost = lose_primary_under_load(pair, office, history, seed=seed)
            rounds.append(lost)
            verdict = settle(stack, lost.world, lost.work, datetime.now(UTC))
            assert len(find_lost(verdict.facts, verdict.lines)) == 0
            assert verdict.findings == [], "\n".join([f"seed {seed}, history {history}", *verdict.findings[:MOST_SHOWN]])
            acknowledged = len({line.told["id"] for line in verdict.lines if line.kind == "charge" and line.event == "ok"})
            print(
                f"seed {seed}: {acknowledged} charges acknowledged, 0 lost; promoted after {lost.promoted_seconds:.2f} s,"
                f" accepting after {lost.recovered_seconds:.2f} s"
            )
            pair.follow()
    taken = sorted(each.recovered_seconds for each in rounds)
    print(f"{KILLS} machines lost; accepting again: p50 {percentile(taken, 0.5):.2f} s, p99 {percentile(taken, 0.99):.2f} s")


@pytest.mark.timeout(240)
def test_an_asynchronous_standby_loses_charges_and_exactly_those_are_listed(server_folder: Path) -> None:
    """The control: what the history lists as lost is what the lost disk holds and the new primary does not; what is left is whole."""
    with Pair(server_folder / "async", synchronous=False) as pair, stack_on(pair, server_folder / "async-stack") as (stack, office):
        played = lose_primary_under_load(pair, office, server_folder / "async.jsonl", seed=0)
        vendors, lines = played.world.vendors, played.work.history.lines
        wait_until(lambda: count_unsettled(pair.url, vendors) == 0, "everything to be final", QUIET_SECONDS)
        facts = read_facts(pair.url, vendors)
        played.work.receiver.__exit__()
        lost = find_lost(facts, lines)
        replayed = [*replay(facts), *replay_reversals(facts), *replay_feeds(facts), *replay_duplicates(facts)]
        assert [*replayed, *check_all_books(stack.environment)] == []
        disk = pair.lost_disk(server_folder / "async-disk")
        disk.start()
        before = read_facts(disk.url(DATABASE), vendors)
        disk.stop()
    told = {str(line.told["id"]) for line in lines if line.kind == "charge" and line.event == "ok"}
    there, still_there = {charge.id for charge in before.charges}, {charge.id for charge in facts.charges}
    assert lost.charges == (there - still_there) & told
    assert lost.charges, "nothing was lost: this control shows nothing"
    _show(lost, len(told))


def _show(lost: Lost, acknowledged: int) -> None:
    counts = ", ".join(f"{len(getattr(lost, name))} {name}" for name in lost.__slots__)
    print(f"{acknowledged} charges acknowledged; lost and listed: {counts}")
