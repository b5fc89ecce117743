"""`make test-load`: random kills of everything, seed after seed, for as long as LOAD_SECONDS says; can be stopped and taken up again.

A round is one seed: a new world, a workload, and for ROUND_SECONDS a SIGKILL every second or two for a process, PostgreSQL or a Redis
chosen by the seed. Then peace, and the verdict of every other fault test: the books against the model, every word that a client was told
against the books, the audit, and the time that it took until all was final once every process was ready again. Each round adds one line
to LOAD_STATE (JSON), and the next run of this command goes on behind the last one. A round that found something keeps its history and
the processes' logs beside that file.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from shared.local.processes import PROGRAMS
from shared.local.stack import Stack
from tests.faults.run import FINAL_SECONDS_P99, settle
from tests.faults.workload import Pace, Workload
from tests.faults.world import make_world
from tests.system.office import Office
from tests.system.stacks import new_stack

LOAD_SECONDS = float(os.environ.get("LOAD_SECONDS", "3600"))
STATE = Path(os.environ.get("LOAD_STATE", "build/load/state.jsonl"))
ROUND_SECONDS = 240.0
ROUNDS_PER_STACK = 6
"""The books are checked whole after each round: a new stack now and then keeps that short."""

CHARGES_PER_SECOND = 500.0
BULK_SHARE = 0.25
BULK_MAX = 120
"""Something that a charge needs is dead for half of the time or more: large bulk calls carry many in what is left."""

CREDIT = 200_000
"""Of each vendor: it lasts for most of a round, so that most charges go all the way through both ledgers, and the last are refused."""

WEBHOOK_TYPES = ("charge_failed", "charge_reversed", "credit_confirmed", "balance_low")
"""Sent one by one, and most charges succeed: all of them would be most of the work."""

PAUSE_SECONDS = (0.6, 1.6)
"""Shortest and longest time from one kill to the next."""

YOUNG_SECONDS = 4.0
"""A process is let live until it has begun to work: killed while it still starts, it would never come to anything that could go wrong."""

READY_SECONDS_MAX = 180.0
"""In which everybody is back after the last kill, on a machine that does other things too."""

VICTIMS = [*(program.name for program in PROGRAMS), *["postgres", "broker", "cache"] * 2]
"""Engines more often: a process of Python takes more of the machine to come back than all the charges that it missed."""


@dataclass(slots=True)
class Round:
    """What one seed came to."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    charges: int = 0
    seconds: float = 0.0
    seconds_to_ready: float = 0.0
    p99_seconds_to_final: float = 0.0
    longest_seconds_to_final: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def kills_total(self) -> int:
        """Return how many kills it had."""
        return sum(self.kills.values())


class Executioner:
    """Kills what a seed chooses, and starts the engines anew that it killed."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._stack = stack
        self._random = Random(seed)
        self._born: dict[int, float] = {}

    def strike(self) -> None:
        """Kill one of them, after a pause."""
        time.sleep(self._random.uniform(*PAUSE_SECONDS))
        grown_up = self._grown_up()
        victim = self._random.choice([name for name in VICTIMS if name in self._stack.engines or name in grown_up])
        if victim in self._stack.engines:
            self._stack.engines[victim].kill()
            self._stack.engines[victim].start()
        else:
            self._stack.kill(victim)
        self.kills[victim] += 1

    def _grown_up(self) -> set[str]:
        now = time.monotonic()
        pids = self._stack.pids()
        for pid in pids.values():
            self._born.setdefault(pid, now)
        return {name for name, pid in pids.items() if now - self._born[pid] > YOUNG_SECONDS}


def play_round(stack: Stack, office: Office, seed: int, folder: Path) -> Round:
    """Play one seed to its verdict."""
    outcome, started = Round(seed), time.monotonic()
    executioner = Executioner(stack, seed)
    try:
        world = make_world(office, credit=CREDIT)
        history = folder / f"load-{seed}.jsonl"
        pace = Pace(CHARGES_PER_SECOND, BULK_SHARE, BULK_MAX)
        with Workload(office.url, world, history, seed=seed, pace=pace, types=WEBHOOK_TYPES) as work:
            while time.monotonic() - started < ROUND_SECONDS:
                executioner.strike()
            last_kill_at = time.monotonic()
            stack.wait_ready(READY_SECONDS_MAX)
            outcome.seconds_to_ready = round(time.monotonic() - last_kill_at, 1)
            healed_at = datetime.now(UTC)
        verdict = settle(stack, world, work, healed_at)
        outcome.charges, outcome.findings = verdict.charges, verdict.findings
        outcome.p99_seconds_to_final = round(verdict.p99, 3)
        outcome.longest_seconds_to_final = round(max(verdict.seconds_to_final, default=0.0), 3)
    except (Exception, pytest.fail.Exception) as error:
        outcome.findings.append(f"the round broke: {type(error).__name__}: {error}")
    outcome.kills, outcome.seconds = dict(executioner.kills), round(time.monotonic() - started, 1)
    return outcome


def rounds_so_far() -> list[Round]:
    """Return the rounds that earlier runs have left."""
    return [Round(**json.loads(line)) for line in STATE.read_text().splitlines()] if STATE.exists() else []


def keep(outcome: Round, stack: Stack, folder: Path) -> None:
    """Write a round down, and save the evidence if it found something."""
    with STATE.open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
    history = folder / f"load-{outcome.seed}.jsonl"
    if outcome.findings:
        evidence = STATE.parent / f"seed-{outcome.seed}"
        shutil.copytree(stack.state / "logs", evidence / "logs", dirs_exist_ok=True)
        if history.exists():  # not where the round broke before it began
            shutil.copy(history, evidence / "history.jsonl")
    history.unlink(missing_ok=True)


def tell(rounds: list[Round]) -> None:
    """Print the sum of all rounds."""
    by_victim: Counter[str] = Counter()
    for each in rounds:
        by_victim.update(each.kills)
    findings = [f"seed {each.seed}: {finding}" for each in rounds for finding in each.findings]
    print(f"{len(rounds)} seeds, {sum(by_victim.values())} kills, {sum(each.charges for each in rounds)} charges, {len(findings)} findings")
    print("kills: " + ", ".join(f"{name} {count}" for name, count in sorted(by_victim.items())))
    worst = max((each.p99_seconds_to_final for each in rounds), default=0.0)
    print(f"all final after healing within {worst:.1f} s (worst p99 of a seed; the goal is {FINAL_SECONDS_P99:g} s)")
    for finding in findings:
        print(f"FOUND  {finding}")


def main() -> int:
    """Play rounds until the time is over."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    rounds = rounds_so_far()
    print(f"going on behind {len(rounds)} seeds of {STATE}" if rounds else f"beginning {STATE}", flush=True)
    spent = sum(each.seconds for each in rounds)
    while spent < LOAD_SECONDS:
        folder = Path(tempfile.mkdtemp(prefix="charging-load-"))
        try:
            with new_stack(folder / "stack") as stack:
                office = Office(stack)
                for _ in range(ROUNDS_PER_STACK):
                    outcome = play_round(stack, office, len(rounds), folder)
                    keep(outcome, stack, folder)
                    rounds.append(outcome)
                    spent += outcome.seconds
                    print(
                        f"seed {outcome.seed}: {outcome.kills_total} kills, {outcome.charges} charges, all ready after "
                        f"{outcome.seconds_to_ready} s, final {outcome.p99_seconds_to_final} s later (p99), "
                        f"{len(outcome.findings)} findings, {outcome.seconds} s",
                        flush=True,
                    )
                    if spent >= LOAD_SECONDS or outcome.findings:
                        break
                office.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    tell(rounds)
    return 1 if any(each.findings for each in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
