"""Tokens that are no good, at both doors and every server: one answer for all of them."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as charge_pb
from charging.identity.v1 import identity_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.contract.world import CHARGES, USERS, VENDORS, World

READS = {
    VENDORS + "ListVendors": vendor_pb.ListVendorsRequest(),
    CHARGES + "ListCharges": charge_pb.ListChargesRequest(),
    USERS + "ListUsers": identity_pb2.ListUsersRequest(),
}
"""One read of each server that an operator may make."""

REFUSAL = "the token is missing, wrong, expired or revoked"


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return header, claims and signature of a token."""
    header, claims, signature = token.split(".")
    return _read(header), _read(claims), signature


def _read(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def _write(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()


def with_claims(token: str, **changes: Any) -> str:
    """Return the token with other claims and the old signature."""
    header, claims, signature = parts_of(token)
    return f"{_write(header)}.{_write({**claims, **changes})}.{signature}"


def unsigned(token: str, algorithm: str) -> str:
    """Return the token without a signature, saying so in its header."""
    header, claims, _ = parts_of(token)
    return f"{_write({**header, 'alg': algorithm})}.{_write(claims)}."


def signed_by(token: str, key: Any, algorithm: str, **header: str) -> str:
    """Return the token's claims, signed by somebody else under the same key id."""
    old, claims, _ = parts_of(token)
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": old["kid"], **header})


STRANGE_KEY = Ed25519PrivateKey.generate()

FORGERIES: dict[str, Callable[[str], str]] = {
    "one character less": lambda token: token[:-1],
    "one character more": lambda token: token + "A",
    "half": lambda token: token[: len(token) // 2],
    "without signature": lambda token: token.rpartition(".")[0],
    "empty signature": lambda token: token.rpartition(".")[0] + ".",
    "other signature": lambda token: token.rpartition(".")[0] + "." + "A" * 86,
    "alg none": lambda token: unsigned(token, "none"),
    "alg None": lambda token: unsigned(token, "None"),
    "alg HS256": lambda token: signed_by(token, "s" * 32, "HS256"),
    "another key": lambda token: signed_by(token, STRANGE_KEY, "EdDSA"),
    "another key, made-up id": lambda token: signed_by(token, STRANGE_KEY, "EdDSA", kid="made-up"),
    "another key, path as id": lambda token: signed_by(token, STRANGE_KEY, "EdDSA", kid="../../../../dev/null"),
    "another key, a peer's id": lambda token: signed_by(token, STRANGE_KEY, "EdDSA", kid="peer:gateway"),
    "key in the header": lambda token: signed_by(token, STRANGE_KEY, "EdDSA", jku="http://127.0.0.1/keys"),
    "longer life": lambda token: with_claims(token, exp=int(time.time()) + 10**7),
    "another role": lambda token: with_claims(token, role="peer"),
    "huge": lambda token: token + "A" * 5_000,
    "dots": lambda _: "." * 50,
    "text": lambda _: "undefined",
    "twice": lambda token: f"{token} {token}",
}


async def is_refused(world: World, token: str) -> None:
    """Fail unless every server and the HTTP door refuse the token in the same words."""
    for method, request in READS.items():
        reply = await world.stack.call(method, request, token)
        assert (reply.code, reply.reason, reply.details) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", REFUSAL), method
    for path in ("/api/vendor/", "/api/customer/charges/", "/api/auth/users/"):
        answer = await world.stack.send("GET", path, token)
        assert (answer.status_code, answer.json()["reason"], answer.json()["detail"]) == (401, "UNAUTHENTICATED", REFUSAL)
        assert answer.headers["www-authenticate"] == "Token"
        assert token not in answer.text


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_token_that_was_tampered_with_is_refused(world: World, forge: Callable[[str], str]) -> None:
    """Whatever was done to it, the answer is one and the same."""
    await is_refused(world, forge(world.operator))


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Token", "Tokenx", "", "Digest x"])
async def test_another_scheme_is_refused(world: World, header: str) -> None:
    """Only `Token` and `Bearer` lead anywhere."""
    answer = await world.stack.http.get("/api/vendor/", headers={"authorization": header})
    assert (answer.status_code, answer.json()["reason"]) == (401, "UNAUTHENTICATED")


async def test_an_expired_token_is_refused(world: World) -> None:
    """A token that ends soon is good until then, and not a moment later."""
    request = identity_pb2.CreateUserTokenRequest(id=world.stack.user_ids["oscar"], label="short")
    request.expires_at.FromSeconds(int(time.time()) + 2)
    answer = await world.call(USERS + "CreateUserToken", request, world.operator)
    ends = parts_of(answer.token)[1]["exp"]
    while time.time() < ends:
        reply = await world.stack.call(VENDORS + "ListVendors", vendor_pb.ListVendorsRequest(), answer.token)
        assert reply.code is grpc.StatusCode.OK or time.time() >= ends
    await is_refused(world, answer.token)


async def test_a_revoked_token_is_refused(world: World) -> None:
    """Revoking ends the token at the gateway at once and at the others with their next copy of the trust state."""
    token = await world.fresh_token("oscar")
    for method, request in READS.items():
        assert (await world.stack.call(method, request, token)).code is grpc.StatusCode.OK
    answer = await world.stack.send("POST", "/api/auth/token/revoke/", token, {})
    assert (answer.status_code, answer.content) == (204, b"")
    reply = await world.stack.call(USERS + "ListUsers", identity_pb2.ListUsersRequest(), token)
    assert reply.code is grpc.StatusCode.UNAUTHENTICATED
    deadline = time.monotonic() + 15
    for method, request in READS.items():
        while (await world.stack.call(method, request, token)).code is grpc.StatusCode.OK:
            assert time.monotonic() < deadline, "the revocation did not arrive"
    await is_refused(world, token)


async def test_a_peers_token_is_good_for_one_server_only(world: World) -> None:
    """A token made for one service opens no other, nor the HTTP door to what peers alone may call."""
    lookup = vendor_pb.LookupVendorsRequest(vendor_ids=[1])
    token = world.stack.peer.token("customer_charge")
    reply = await world.stack.call(VENDORS + "LookupVendors", lookup, token)
    assert reply.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "key", [("charging-client-address", "10.0.0.1"), ("charging-call-id", "01890000-0000-7000-8000-000000000001")], ids=lambda key: key[0]
)
async def test_reserved_metadata_from_outside_is_not_believed(world: World, key: tuple[str, str]) -> None:
    """Nobody chooses the id of a charge, or another's address, from outside."""
    request = charge_pb.IncreaseCreditRequest(vendor_id=world.ours.vendor, customer_id=world.ours.customer, amount=1)
    reply = await world.stack.call(CHARGES + "IncreaseCredit", request, world.ours.token, metadata=[key])
    assert reply.code is grpc.StatusCode.OK
    answer = await world.stack.http.post(
        "/api/customer/increase-credit/",
        json={"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": 1},
        headers={"authorization": f"Token {world.ours.token}", key[0]: key[1]},
    )
    assert answer.status_code == 202
    assert not world.stack.rows("customer_charge", "SELECT 1 FROM charges WHERE id = '01890000-0000-7000-8000-000000000001'")


BAD_HEADERS = {
    "line break in a key": b"idempotency-key: a\rb",
    "bare line feed": b"idempotency-key: a\n x: 1",
    "NUL in a key": b"idempotency-key: a\0b",
    "no ASCII in a key": b"idempotency-key: \xc3\xa9",
    "empty key": b"idempotency-key: ",
    "key too long": b"idempotency-key: " + b"k" * 256,
    "two keys": b"idempotency-key: a\r\nidempotency-key: b",
    "two tokens": b"authorization: Token x\r\nauthorization: Token y",
    "no ASCII in a token": b"authorization: Token \xff",
    "name with a blank": b"x y: 1",
    "two lengths": b"content-length: 3\r\ncontent-length: 4",
    "length and chunks": b"content-length: 3\r\ntransfer-encoding: chunked",
    "bad length": b"content-length: -1",
    "too large": b"x-large: " + b"a" * 17_000,
}


@pytest.mark.parametrize("header", BAD_HEADERS.values(), ids=BAD_HEADERS)
async def test_a_header_that_cannot_be_right_is_refused(world: World, header: bytes) -> None:
    """A 4xx as a problem document, no second response, nothing of the header in the answer's head, and nothing changed."""
    token = b"" if header.startswith(b"authorization") else f"authorization: Token {world.ours.token}\r\n".encode()
    body = json.dumps({"vendor": world.ours.vendor, "customer": world.ours.customer, "amount": 1}).encode()
    length = b"" if b"content-length" in header else b"content-length: %d\r\n" % len(body)
    before = world.stack.fingerprint()
    head = b"POST /api/customer/increase-credit/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
    answer = await world.stack.send_raw(head + token + length + header + b"\r\n\r\n" + body)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ", b"HTTP/1.1 431 ")), answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in answer
    assert world.stack.fingerprint() == before


async def test_a_request_id_with_foreign_characters_is_replaced(world: World) -> None:
    """What comes back in a header is made of harmless characters, whatever was sent."""
    answer = await world.stack.http.get("/api/vendor/", headers={"x-request-id": "a b<script>"})
    assert answer.headers["x-request-id"] != "a b<script>"
    kept = await world.stack.http.get("/api/vendor/", headers={"x-request-id": "trace-1:2.3"})
    assert kept.headers["x-request-id"] == "trace-1:2.3"
