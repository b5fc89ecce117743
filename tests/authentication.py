"""Keys, tokens, clocks and calls for the tests of authentication."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from charging.customer_charge.v1 import customer_charge_pb2, events_pb2, reversal_pb2
from charging.identity.v1 import identity_pb2
from charging.vendor_credit.v1 import vendor_credit_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared.auth.signed_token import sign
from shared.auth.tokens import claims_of
from shared.auth.trust_state import TrustState
from shared.call import Call
from shared.policy import methods_of, policy_of
from shared.principal import Principal, Role

START = 1_767_225_600.0
"""Midnight of the first day of 2026, in seconds since 1970."""

METHODS = methods_of(
    service
    for module in (customer_charge_pb2, events_pb2, identity_pb2, reversal_pb2, vendor_credit_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)


class FakeClock:
    """A clock that moves when told to."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Signer:
    """A signing key with a key id."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private_key = Ed25519PrivateKey.generate()

    @property
    def public_key(self) -> bytes:
        """Return the raw public key."""
        return self.private_key.public_key().public_bytes_raw()

    def token(self, principal: Principal, kid: str | None = None, **changes: Any) -> str:
        """Return a token for the principal; `changes` replace claims, and a claim changed to None is left out."""
        claims = {**claims_of(principal, issued_at=int(START)), **changes}
        return sign({name: value for name, value in claims.items() if value is not None}, kid or self.kid, self.private_key)


def user(role: Role = Role.PARTNER, **changes: Any) -> Principal:
    """Return a user whose login token lives an hour."""
    vendors = frozenset() if role is Role.OPERATOR else frozenset({1, 2})
    principal = Principal(subject="user:7", role=role, vendors=vendors, token_id=str(uuid4()), expires_at=START + 3600)
    return replace(principal, **changes)


def trusting(*signers: Signer, revoked: dict[str, float] | None = None, versions: dict[str, int] | None = None) -> TrustState:
    """Return a trust state with the keys of the signers."""
    return TrustState(keys={signer.kid: signer.public_key for signer in signers}, revoked=revoked or {}, versions=versions or {})


def write_peer_key(folder: Path, name: str) -> None:
    """Write the key pair of a peer."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.private.pem").write_bytes(private)
    (folder / f"{name}.public.pem").write_bytes(public)


def call_of(method: str, principal: Principal | None = None, authorization: str | None = None) -> Call:
    """Return a call of a method of the contract, as it stands before the interceptors."""
    policy = policy_of(METHODS[method])
    assert policy is not None
    return Call(
        method=method,
        policy=policy,
        metadata={} if authorization is None else {"authorization": authorization},
        request_id="request-1",
        call_id=str(uuid4()),
        client_address="127.0.0.1",
        deadline=time.monotonic() + 10,
        principal=principal,
    )
