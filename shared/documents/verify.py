"""Verify a statement or receipt without the system that made it.

    python -m shared.documents.verify statement.ndjson --keys keys.json

`keys.json` is the answer of `GET /api/auth/keys/`, kept from a time when it was trusted. Exits 0 when everything holds, 1 when something
does not, 2 when the files cannot be read.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.documents.files import Document, UnreadableFileError, read_document
from shared.documents.keys import read_key_set
from shared.documents.signing import RECEIPT, STATEMENT, ForgedError, signed_facts, typ_of
from shared.documents.statement_check import StatementCheck


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: `findings` are one sentence each and empty when everything holds; `summary` says what the document is."""

    summary: str
    findings: list[str]

    @property
    def holds(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings


def verify_file(path: Path, keys: Mapping[str, Ed25519PublicKey]) -> Verdict:
    """Verify the document in a file. Raises OSError, UnreadableFileError."""
    document = read_document(path)
    signature = document.data["signature"]
    shown = {name: value for name, value in document.data.items() if name != "signature"}
    try:
        typ = typ_of(signature)
        if typ not in (STATEMENT, RECEIPT):
            raise ForgedError(f"the signature is for {typ}, which is no document of ours")
        signed = signed_facts(signature, typ, keys)
    except ForgedError as error:
        return Verdict("a document whose signature does not hold", [str(error)])
    findings = [f"{name}: {told}" for name, told in _differences(signed, shown)]
    if typ == RECEIPT:
        summary = f"receipt of charge {signed.get('id')}: {signed.get('amount')} from vendor {signed.get('vendor')} to customer "
        return Verdict(f"{summary}{signed.get('customer')}, {signed.get('status')}", findings)
    return _verify_statement(document, signed, findings)


def _verify_statement(document: Document, signed: Mapping[str, Any], findings: list[str]) -> Verdict:
    try:
        check = StatementCheck(signed)
    except (KeyError, TypeError, ValueError):
        return Verdict("a statement", [*findings, "what is signed is no statement that this version can read"])
    for row in document.rows:
        check.add(row)
    return Verdict(check.summary, [*findings, *check.finish()])


def _differences(signed: Mapping[str, Any], shown: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, f"the document says {shown.get(name)!r}, what was signed says {signed.get(name)!r}")
        for name in sorted({*signed, *shown})
        if signed.get(name) != shown.get(name) or (name in signed) != (name in shown)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.documents.verify", description="Verify a statement or receipt offline.")
    parser.add_argument("file", type=Path, help="the document: lines of JSON (application/x-ndjson) or one JSON text")
    parser.add_argument("--keys", type=Path, required=True, help="the key set, as GET /api/auth/keys/ answers it")
    options = parser.parse_args(arguments)
    try:
        verdict = verify_file(options.file, read_key_set(options.keys))
    except (OSError, ValueError, UnreadableFileError) as error:
        print(f"cannot be verified: {error}", file=sys.stderr)
        return 2
    for finding in verdict.findings:
        print(f"FALSE  {finding}")
    print(f"{'true' if verdict.holds else 'FALSE'}: {verdict.summary}")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
