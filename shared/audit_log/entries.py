"""Entries of the audit log and the chain that holds them together, without any I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

GENESIS_HASH = bytes(32)
"""What the first entry is chained to."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogHead:
    """What the last entry left behind."""

    last_seq: int
    last_hash: bytes


GENESIS = LogHead(0, GENESIS_HASH)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action.

    `actor` is the subject of who acted (`user:7`, `command_line`), `action` the verb of the operation (`approve_credit_request`), `target`
    what it was done to (`credit_request:12`), `details` a JSON object of texts with sorted keys. `seq` counts 1, 2, 3 without a gap.
    """

    seq: int
    done_at: datetime
    actor: str
    action: str
    target: str
    details: str
    hash: bytes

    @property
    def facts(self) -> dict[str, str]:
        """Return the details by name; empty where they are not readable, which the chain then shows too."""
        try:
            found = json.loads(self.details)
        except ValueError:
            return {}
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def next_entry(head: LogHead, *, done_at: datetime, actor: str, action: str, target: str, details: Mapping[str, object]) -> AuditEntry:
    """Return the entry that follows the head. `done_at` is in UTC; every detail becomes a text."""
    text = json.dumps({name: _text(value) for name, value in details.items()}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    seq = head.last_seq + 1
    return AuditEntry(seq, done_at, actor, action, target, text, entry_hash(head.last_hash, seq, done_at, actor, action, target, text))


def entry_hash(previous: bytes, seq: int, done_at: datetime, actor: str, action: str, target: str, details: str) -> bytes:
    """Return SHA-256 over the previous hash and the canonical form of an entry.

    Canonical: the fields in this order, each as UTF-8 behind its length in bytes and a colon, so that no two entries share a form; numbers
    in decimal, time in microseconds since 1970 UTC.
    """
    micros = (done_at - _EPOCH) // timedelta(microseconds=1)
    fields = [text.encode() for text in (str(seq), str(micros), actor, action, target, details)]
    return sha256(previous + b"".join(b"%d:%b" % (len(field), field) for field in fields)).digest()


class ChainCheck:
    """Check the log, entry by entry, oldest first, on from a head; `finding` is the first broken rule, one sentence."""

    def __init__(self, start: LogHead = GENESIS) -> None:
        self.finding: str | None = None
        self.head = start

    def add(self, entry: AuditEntry) -> None:
        """Check the next entry. Nothing is checked past the first finding."""
        if self.finding is not None:
            return
        wanted = self.head.last_seq + 1
        digest = entry_hash(self.head.last_hash, entry.seq, entry.done_at, entry.actor, entry.action, entry.target, entry.details)
        if entry.seq != wanted:
            self.finding = f"audit log entry {entry.seq}: {wanted} was expected"
        elif digest != entry.hash:
            self.finding = f"audit log entry {entry.seq}: the hash chain breaks here"
        else:
            self.head = LogHead(entry.seq, entry.hash)

    def finish(self, head: LogHead) -> None:
        """Compare the log's end with the head that is stored apart: whoever cuts off the end does not go unseen."""
        if self.finding is None and head != self.head:
            self.finding = f"audit log: it ends with entry {self.head.last_seq} and its head says {head.last_seq}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
