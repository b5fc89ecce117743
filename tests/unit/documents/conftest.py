"""A signer, its published keys, and statements to play with."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from charging_cli.verifier.verify import Verdict, verify_file
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.vendor_credit.domain.ledger import Account, Entry, EntryKind
from services.vendor_credit.domain.statements import Balance, Statement
from shared.documents.chain import GENESIS_HASH
from shared.documents.keys import document_keys, encode_key, key_id
from shared.documents.signing import STATEMENT, DocumentSigner
from shared.peer_keys import write_peer_keys
from shared.times import rfc3339

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Desk:
    """Where documents are made and verified."""

    folder: Path
    signer: DocumentSigner
    keys: dict[str, Ed25519PublicKey]

    def key_set(self) -> Path:
        """Write the published keys as a JSON Web Key Set; return the file."""
        keys = [
            {"kid": key_id(raw), "kty": "OKP", "crv": "Ed25519", "x": encode_key(raw)}
            for _, raw in document_keys(self.folder / "keys", ["vendor_credit", "customer_charge"])
        ]
        path = self.folder / "keys.json"
        path.write_text(json.dumps({"keys": keys}))
        return path

    def file(self, lines: list[Any]) -> Path:
        """Write lines of JSON; return the file."""
        path = self.folder / "document.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def verdict(self, lines: list[Any]) -> Verdict:
        """Return what the verifier says of these lines."""
        return verify_file(self.file(lines), self.keys)

    def statement(self, seed: int = 1, entries: int = 20, skip: int = 5) -> list[Any]:
        """Return a true statement of the last entries of a ledger, as the lines of its file; the first `skip` are before the period."""
        rng = random.Random(seed)
        account = Account(7, 0, 10**9, False, 0, GENESIS_HASH, START - timedelta(days=1))
        ledger: list[Entry] = []
        opening = Balance(0, 0, GENESIS_HASH)
        for number in range(1, skip + entries + 1):
            moment = START - timedelta(hours=1) if number <= skip else START + timedelta(seconds=number, microseconds=rng.randrange(10**6))
            kind = rng.choice([EntryKind.CREDIT, EntryKind.CHARGE, EntryKind.REVERSAL])
            amount = rng.randrange(1, 10**6) * (-1 if kind == EntryKind.CHARGE else 1)
            ledger.append(account.post(kind, amount, f"reference-{number}", moment))
            if number == skip:
                opening = Balance(account.last_seq, account.balance, account.last_hash)
        closing = Balance(account.last_seq, account.balance, account.last_hash)
        facts = Statement(7, START, START + timedelta(days=1), opening, closing, START + timedelta(days=2)).facts()
        rows = [
            {
                "vendor": entry.vendor_id,
                "seq": entry.seq,
                "amount": entry.amount,
                "balance_after": entry.balance_after,
                "kind": EntryKind(entry.kind).name.lower(),
                "reference": entry.reference,
                "created_at": rfc3339(entry.created_at),
                "hash": entry.hash.hex(),
            }
            for entry in ledger[skip:]
        ]
        return [{"data": {**facts, "signature": self.signer.sign(STATEMENT, facts)}}, *rows]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with fresh keys."""
    write_peer_keys(tmp_path / "keys")
    keys = {key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for _, raw in document_keys(tmp_path / "keys")}
    return Desk(tmp_path, DocumentSigner(tmp_path / "keys", "vendor_credit"), keys)
