"""The offline verifier: a true statement passes, and in a false one the altered entry is named."""

import copy
import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from charging.vendor_credit.v1.vendor_credit_pb2 import VendorEntryKind
from charging_cli.verifier.chain import KINDS
from charging_cli.verifier.files import UnreadableFileError
from charging_cli.verifier.statement_check import FINDINGS_MAX

from shared.auth.peer_tokens import PeerTokenSource, PeerTokenVerifier, load_public_keys
from shared.documents.chain import entry_hash
from shared.documents.signing import RECEIPT
from shared.errors import Unauthenticated
from shared.peer_keys import write_peer_keys
from tests.unit.documents.conftest import Desk
from tests.verifying import main

ALTERATIONS: dict[str, Any] = {
    "vendor": 8,
    "amount": 123_456_789,
    "balance_after": 42,
    "kind": "unheard_of",
    "reference": "another",
    "created_at": "2026-03-01T05:00:00Z",
    "hash": "00" * 32,
}


@pytest.mark.parametrize("entries", [0, 1, 2, 50])
@pytest.mark.parametrize("skip", [0, 1, 7])
def test_a_true_statement_holds(desk: Desk, entries: int, skip: int) -> None:
    """With any number of entries, from the beginning of the ledger and from its middle."""
    verdict = desk.verdict(desk.statement(entries=entries, skip=skip))
    assert verdict.findings == []
    assert f"{entries} entries" in verdict.summary


@pytest.mark.parametrize("field", ALTERATIONS)
@pytest.mark.parametrize("position", [1, 9, 20])
def test_an_altered_entry_is_named(desk: Desk, field: str, position: int) -> None:
    """Whatever was changed about an entry, the first finding names it, at the edges of the period and inside."""
    lines = desk.statement()
    lines[position][field] = ALTERATIONS[field]
    verdict = desk.verdict(lines)
    assert verdict.findings[0].startswith(f"entry {lines[position]['seq']}:")


def test_an_altered_seq_is_found_where_it_is(desk: Desk) -> None:
    """A number out of order is named with the one that was expected."""
    lines = desk.statement()
    expected = lines[5]["seq"]
    lines[5]["seq"] += 100
    assert f"entry {expected + 100}: entry {expected} was expected here" in desk.verdict(lines).findings


def test_an_entry_altered_together_with_its_hash_is_suspected(desk: Desk) -> None:
    """Its neighbour's chain breaks, and the finding says which of the two may be false."""
    lines = desk.statement()
    row, before = lines[5], lines[4]
    row["reference"] = "another"
    rehash(row, before["hash"])
    (finding,) = desk.verdict(lines).findings
    assert f"entry {row['seq']} was altered together with its hash" in finding


def rehash(row: dict[str, Any], previous: str) -> None:
    """Give a row the hash that fits its content."""
    kind = {"credit": 1, "charge": 2, "reversal": 3}[row["kind"]]
    moment = datetime.fromisoformat(row["created_at"])
    digest = entry_hash(
        bytes.fromhex(previous), row["vendor"], row["seq"], row["amount"], row["balance_after"], kind, row["reference"], moment
    )
    row["hash"] = digest.hex()


def test_a_ledger_rewritten_from_an_entry_on_does_not_reach_the_signed_closing(desk: Desk) -> None:
    """A consistent forgery fails at the signature."""
    lines = desk.statement()
    lines[5]["reference"] = "another"
    for before, row in pairwise(lines[4:]):
        rehash(row, before["hash"])
    (finding,) = desk.verdict(lines).findings
    assert "entries were replaced" in finding


def test_missing_doubled_and_swapped_entries_are_found(desk: Desk) -> None:
    """A gap, a repetition and another order, at the end too."""
    lines = desk.statement()
    last = lines[-1]["seq"]
    assert desk.verdict(lines[:5] + lines[6:]).findings[0].startswith(f"entry {lines[6]['seq']}: entry {lines[5]['seq']} was expected")
    assert "20 entries, and the file has 19" in desk.verdict(lines[:-1]).findings[0]
    assert desk.verdict([*lines, lines[-1]]).findings[0].startswith(f"entry {last}: entry {last + 1} was expected")
    lines[3], lines[4] = lines[4], lines[3]
    assert desk.verdict(lines).findings[0].startswith(f"entry {lines[3]['seq']}:")


@pytest.mark.parametrize("path", [("vendor",), ("from",), ("to",), ("opening", "balance_after"), ("closing", "hash"), ("entry_count",)])
def test_altered_facts_are_named(desk: Desk, path: tuple[str, ...]) -> None:
    """What stands above the entries is compared with what was signed."""
    lines = desk.statement()
    target = lines[0]["data"]
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = "altered"
    assert desk.verdict(lines).findings[0].startswith(f"{path[0]}: the document says")


def test_signatures_that_do_not_hold(desk: Desk) -> None:
    """Of a key that is not published, of another kind of document, of other facts, and of nothing at all."""
    lines = desk.statement()
    facts = {name: value for name, value in lines[0]["data"].items() if name != "signature"}
    true = lines[0]["data"]["signature"]
    header, payload, signature = true.split(".")
    write_peer_keys(desk.folder / "other")
    other = type(desk.signer)(desk.folder / "other", "vendor_credit")
    false = {
        other.sign("charging-statement+jws", facts): "not among the given keys",
        desk.signer.sign("charging-other+jws", facts): "no document of ours",
        f"{header}.{payload[:-2]}AA.{signature}": "is not that of key",
        "nonsense": "no compact JWS",
    }
    for forged, told in false.items():
        lines[0]["data"]["signature"] = forged
        assert told in desk.verdict(lines).findings[0]


def test_a_peers_token_is_no_document(desk: Desk) -> None:
    """The same key signs tokens between processes: they have no document's `typ`."""
    lines = desk.statement()
    lines[0]["data"]["signature"] = PeerTokenSource(desk.folder / "keys", "vendor_credit").token("gateway")
    assert desk.verdict(lines).findings != []


def test_a_document_is_no_peers_token(desk: Desk) -> None:
    """The other way round, whatever is signed."""
    verifier = PeerTokenVerifier(load_public_keys(desk.folder / "keys"), audience="gateway")
    signature = desk.signer.sign(RECEIPT, {"id": "x", "vendor": 1})
    for kid in (desk.signer.kid, "peer:vendor_credit"):
        with pytest.raises(Unauthenticated):
            verifier.verify(signature, kid)


def test_a_key_that_was_replaced_still_verifies(desk: Desk) -> None:
    """Its public half stays in the keys folder under another name."""
    folder = desk.folder / "keys"
    statement = desk.statement()
    old = desk.signer.kid
    (folder / "vendor_credit.public.pem").rename(folder / "vendor_credit.2026.retired.pem")
    (folder / "vendor_credit.private.pem").unlink()
    write_peer_keys(folder)
    renewed = type(desk.signer)(folder, "vendor_credit")
    assert renewed.kid != old
    assert main([str(desk.file(statement)), "--keys", str(desk.key_set())]) == 0


def test_findings_have_an_end(desk: Desk) -> None:
    """A file that is false throughout is not told line by line."""
    lines = desk.statement(entries=200)
    for row in lines[1:]:
        row["reference"] = "x"
    assert len(desk.verdict(lines).findings) == FINDINGS_MAX


def test_rows_that_are_no_entries_are_findings(desk: Desk) -> None:
    """Missing and wrong fields do not stop the verifier."""
    for broken in ({}, {"seq": "6"}, {"seq": 6, "amount": 1.5}, {"seq": None}):
        lines = desk.statement()
        lines[3] = broken
        assert "not in the form of an entry" in desk.verdict(lines).findings[0]


def test_one_json_text_is_read_too(desk: Desk) -> None:
    """A page that holds the whole statement verifies as well, in one line or many; one page of several says what to ask for."""
    head, *rows = desk.statement()
    whole = {**head, "results": rows, "next_page_token": ""}
    for indent in (None, 2):
        path = desk.folder / "document.json"
        path.write_text(json.dumps(whole, indent=indent))
        assert main([str(path), "--keys", str(desk.key_set())]) == 0
    path.write_text(json.dumps({**whole, "next_page_token": "x"}))
    assert main([str(path), "--keys", str(desk.key_set())]) == 2


def test_what_is_no_document_is_said_to_be_none(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and one sentence, never a traceback."""
    path = desk.folder / "document.json"
    for content in (
        b"",
        b"hello",
        b"[]",
        b"\xff\xfe",
        b"{}",
        b'{"data": {}}',
        b'{"data": 1}\n{}',
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"data": ' + b"[" * 100_000,
    ):
        path.write_bytes(content)
        assert main([str(path), "--keys", str(desk.key_set())]) == 2
        assert "cannot be verified: " in capsys.readouterr().err
    good = desk.file(desk.statement())
    for keys in (b"", b"[]", b'{"keys": [{"kty": "OKP"}]}', b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "!"}]}'):
        path.write_bytes(keys)
        assert main([str(good), "--keys", str(path)]) == 2
    with pytest.raises(UnreadableFileError):
        desk.verdict([*desk.statement()[:3], "text"])


def test_the_command_prints_every_finding(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and `true` for a true one, 1 and the findings for a false one."""
    lines = desk.statement()
    keys = str(desk.key_set())
    assert main([str(desk.file(lines)), "--keys", keys]) == 0
    assert capsys.readouterr().out.startswith("true: statement of vendor 7")
    false = copy.deepcopy(lines)
    false[2]["amount"] += 1
    assert main([str(desk.file(false)), "--keys", keys]) == 1
    assert f"FALSE  entry {false[2]['seq']}:" in capsys.readouterr().out


def test_the_verifier_knows_the_kinds_of_entries_by_itself() -> None:
    """It is written without the contract, and says the same."""
    prefix = "VENDOR_ENTRY_KIND_"
    assert {name.removeprefix(prefix).lower(): number for name, number in VendorEntryKind.items() if number} == dict(KINDS)
