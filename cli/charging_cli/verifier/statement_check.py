"""Check the entries of a statement against what is signed: sums, gap-free numbers, times, and the hash chain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from charging_cli.verifier.chain import KINDS, entry_hash

FINDINGS_MAX = 20
"""Enough to see what was done to a statement; a file that is altogether false would have one for each line."""


class StatementCheck:
    """Check one statement entry by entry, in order.

    Every entry is judged by itself, chained to what the entry in front of it claims: an altered entry is named, and those behind it are
    not blamed for it. Memory does not grow with the statement.
    """

    def __init__(self, signed: Mapping[str, Any]) -> None:
        """Begin at the signed opening. Raises KeyError, TypeError or ValueError where the signed facts are of no statement."""
        opening, self._closing = signed["opening"], signed["closing"]
        self._vendor_id, self._count = int(signed["vendor"]), int(signed["entry_count"])
        self._from, self._to = datetime.fromisoformat(signed["from"]), datetime.fromisoformat(signed["to"])
        self._seq, self._balance, self._hash = int(opening["seq"]), int(opening["balance_after"]), bytes.fromhex(opening["hash"])
        self._moment = self._from
        self._seen = 0
        self._findings: list[str] = []
        self.summary = (
            f"statement of vendor {self._vendor_id} from {signed['from']} to {signed['to']}: opening {self._balance}, "
            f"{self._count} entries, closing {self._closing['balance_after']}"
        )

    def add(self, row: Mapping[str, Any]) -> None:
        """Check the next entry, given as JSON."""
        self._seen += 1
        try:
            self._check(row)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._find(f"entry {row.get('seq')!r}: is not in the form of an entry")

    def finish(self) -> list[str]:
        """Compare the end with the signed closing and return all findings."""
        if self._seen != self._count:
            self._find(f"the statement has {self._count} entries, and the file has {self._seen}")
        end = (self._seq, self._balance, self._hash.hex())
        closing = (self._closing["seq"], self._closing["balance_after"], self._closing["hash"])
        if end != closing and not self._findings:
            self._find(f"the entries lead to seq, balance and hash {end}, and the signed closing is {closing}: entries were replaced")
        return self._findings

    def _check(self, row: Mapping[str, Any]) -> None:
        seq, amount, balance, digest = _integer(row["seq"]), _integer(row["amount"]), _integer(row["balance_after"]), row["hash"]
        moment = datetime.fromisoformat(row["created_at"])
        name = f"entry {seq}"
        if seq != self._seq + 1:
            self._find(f"{name}: entry {self._seq + 1} was expected here")
        if row["vendor"] != self._vendor_id:
            self._find(f"{name}: belongs to vendor {row['vendor']}")
        expected = entry_hash(self._hash, _integer(row["vendor"]), seq, amount, balance, KINDS[row["kind"]], row["reference"], moment)
        if digest != expected.hex():
            before = f", unless entry {self._seq} was altered together with its hash" if self._seen > 1 else ""
            self._find(f"{name}: its content and its hash do not belong together{before}")
        elif balance != self._balance + amount:
            self._find(f"{name}: balance_after is {balance}, and {self._balance} with {amount} makes {self._balance + amount}")
        if not (self._from <= moment < self._to and self._moment <= moment):
            self._find(f"{name}: is dated {row['created_at']}, outside the period or before the entry in front of it")
        self._seq, self._balance, self._hash, self._moment = seq, balance, bytes.fromhex(digest), moment

    def _find(self, finding: str) -> None:
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(finding)


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value
