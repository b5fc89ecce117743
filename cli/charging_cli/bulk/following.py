"""Follows accepted charges to their final state, by reading the vendor's list of charges rather than each charge."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from charging_cli.api import Api
from charging_cli.bulk.journal import Journal, Outcome

PAUSE_SECONDS = 0.2
PAUSE_SECONDS_MAX = 3.0


def follow(api: Api, journal: Journal, *, wait_seconds: float, settled: Callable[[int], None]) -> None:
    """Note the final state of every accepted charge in the journal, for up to `wait_seconds`.

    `settled` is called with the number of charges that just became final. Raises Failure when the service cannot be reached.
    """
    end = time.monotonic() + wait_seconds
    pause = PAUSE_SECONDS
    while open_ones := [outcome for outcome in journal.outcomes() if outcome.state == "accepted"]:
        by_vendor: dict[int, dict[str, Outcome]] = {}
        for outcome in open_ones:
            by_vendor.setdefault(outcome.vendor, {})[outcome.charge_id] = outcome
        for vendor, outcomes in by_vendor.items():
            settled(_note_finals(api, journal, vendor, outcomes))
        if time.monotonic() + pause > end:
            return
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)


def _note_finals(api: Api, journal: Journal, vendor: int, outcomes: dict[str, Outcome]) -> int:
    """Note what is final among the charges of one vendor, by charge id; return how many."""
    times = [datetime.fromisoformat(outcome.created_at) for outcome in outcomes.values()]
    # The list's end is exclusive.
    query: dict[str, str | int | None] = {"vendor": vendor, "from": _text(min(times)), "to": _text(max(times) + timedelta(milliseconds=1))}
    finals = []
    for charge in api.pages("/api/customer/charges/", query):
        outcome = outcomes.get(charge["id"])
        if outcome is not None and charge["status"] != "accepted":
            failure = charge.get("failure") or {}
            finals.append(replace(outcome, state=charge["status"], reason=failure.get("reason", "")))
    journal.note(finals)
    return len(finals)


def _text(time_: datetime) -> str:
    return time_.isoformat().replace("+00:00", "Z")
