"""The tokens of this system's own processes.

Every peer has a key pair of its own in the keys folder: `<peer>.private.pem`, which only that peer can read, and `<peer>.public.pem`,
which all have. A peer's token names its key as `peer:<name>`, lives five minutes, and is made for one service: a token shown to one
service opens no other. The role of a peer comes from such a key alone.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.auth.signed_token import refused, sign, verified_claims
from shared.clock import unix_now
from shared.principal import Principal, Role

PEER_PREFIX = "peer:"

LIFE_SECONDS = 300
"""Long enough that signing costs nothing, short enough that a token found in a log is of no use."""

RENEW_SECONDS = 60
"""A token is replaced when this little of its life is left, so that none expires on its way or by a clock that runs ahead."""

_PEER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PUBLIC_SUFFIX = ".public.pem"


class PeerTokenSource:
    """Makes this process's tokens, one per audience, and makes a new one before the old one ends."""

    def __init__(self, keys_dir: Path, name: str, *, clock: Callable[[], float] = unix_now) -> None:
        self._name = _checked_name(name)
        self._key = _private_key(keys_dir / f"{name}.private.pem")
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    def token(self, audience: str) -> str:
        """Return a valid token for the service `audience`, for example `vendor_credit`."""
        now = self._clock()
        token, expires_at = self._tokens.get(audience, ("", 0.0))
        # Further from its end than a whole life means that the clock was set back: such a token would outlive what was meant.
        if not RENEW_SECONDS < expires_at - now <= LIFE_SECONDS:
            token, expires_at = self._sign(audience, int(now)), float(int(now) + LIFE_SECONDS)
            self._tokens[audience] = token, expires_at
        return token

    def metadata(self, audience: str) -> tuple[tuple[str, str], ...]:
        """Return the gRPC metadata that authenticates a call to the service `audience`."""
        return (("authorization", f"Token {self.token(audience)}"),)

    def _sign(self, audience: str, now: int) -> str:
        subject = PEER_PREFIX + self._name
        claims = {"sub": subject, "aud": audience, "iat": now, "exp": now + LIFE_SECONDS, "jti": str(uuid.uuid4())}
        return sign(claims, kid=subject, private_key=self._key)


class PeerTokenVerifier:
    """Verifies the tokens of peers that are made for this service.

    The keys are read once, here: a key id in a token is looked up among them and never becomes a path.
    """

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], audience: str) -> None:
        self._keys = {PEER_PREFIX + name: key for name, key in keys.items()}
        self._audience = audience

    def verify(self, token: str, kid: str) -> Principal:
        """Return the peer whose key signed the token. Whether it has expired is not asked here. Raises Unauthenticated."""
        key = self._keys.get(kid)
        if key is None:
            raise refused()
        claims = verified_claims(token, key, audience=self._audience)
        # A peer speaks for itself only.
        if claims["sub"] != kid or type(claims["exp"]) is not int:
            raise refused()
        return Principal(subject=kid, role=Role.PEER, vendors=frozenset(), token_id=claims["jti"], expires_at=float(claims["exp"]))


def load_public_keys(keys_dir: Path) -> dict[str, Ed25519PublicKey]:
    """Return the public keys of all peers by name. Raises ValueError naming a file that holds no Ed25519 key."""
    keys = {}
    for path in sorted(keys_dir.glob(f"*{_PUBLIC_SUFFIX}")):
        key = load_pem_public_key(path.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{path} holds no Ed25519 public key")
        keys[_checked_name(path.name.removesuffix(_PUBLIC_SUFFIX))] = key
    return keys


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 private key")
    return key


def _checked_name(name: str) -> str:
    if _PEER_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a peer: lower-case letters, digits and `_`, starting with a letter")
    return name
