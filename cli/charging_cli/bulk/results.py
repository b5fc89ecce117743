"""The result of a run, a line for each line of the file, for people and spreadsheets."""

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from charging_cli.bulk.journal import Journal
from charging_cli.bulk.lines import Line
from charging_cli.output import table

HEADINGS = ("line", "vendor", "customer", "amount", "idempotency_key", "status", "charge", "reason", "message")
NOT_SENT = "not sent"


def write_results(path: Path, lines: Sequence[Line], journal: Journal) -> None:
    """Replace the file of results in one step, so that nobody reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        for line in lines:
            outcome = journal.outcome(line.vendor, line.key)
            known = (outcome.state, outcome.charge_id, outcome.reason, outcome.message) if outcome else (NOT_SENT, "", "", "")
            writer.writerow([line.number, line.vendor, line.customer, line.amount, _harmless(line.key), *map(_harmless, known)])
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def summary(lines: Sequence[Line], journal: Journal) -> dict[str, dict[str, int]]:
    """Return the number of lines and the sum of amounts by state."""
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for line in lines:
        outcome = journal.outcome(line.vendor, line.key)
        state = outcome.state if outcome else NOT_SENT
        counts[state] += 1
        amounts[state] += line.amount
    order = ("succeeded", "failed", "refused", "accepted", NOT_SENT)
    return {state: {"lines": counts[state], "amount": amounts[state]} for state in order if counts[state]}


def table_of_summary(found: Mapping[str, Mapping[str, int]]) -> str:
    """Return a summary for people."""
    return table([[state, each["lines"], each["amount"]] for state, each in found.items()], ["status", "lines", "amount"])


def _harmless(text: Any) -> str:
    """Return text that a spreadsheet will not run as a formula."""
    return f"'{text}" if str(text)[:1] in ("=", "+", "-", "@", "\t", "\r") else str(text)
