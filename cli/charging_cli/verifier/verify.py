"""Verify a statement or receipt without the system that made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from charging_cli.verifier.files import Document, read_document
from charging_cli.verifier.signatures import RECEIPT, STATEMENT, ForgedError, signed_facts, typ_of
from charging_cli.verifier.statement_check import StatementCheck


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
