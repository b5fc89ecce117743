"""Tell who the bearer of a token is, at the rate of the hot path.

Checking an Ed25519 signature takes about 150 microseconds, and a busy partner sends the same token thousands of times a second. So a
token that was verified is remembered, and a remembered one is asked again only what can have changed since: whether it has expired,
and whether the trust state is still fresh enough to rely on. A new trust state is applied to all remembered tokens at once.
"""

from collections import OrderedDict
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.auth.peer_tokens import PEER_PREFIX, PeerTokenVerifier
from shared.auth.signed_token import key_id_of, refused
from shared.auth.tokens import in_force, verify_user_token
from shared.auth.trust_state import REFRESH_SECONDS, TrustCopy, TrustState
from shared.clock import unix_now
from shared.errors import Unavailable
from shared.principal import Principal, Role

REMEMBERED_TOKENS_MAX = 4096
"""Bounds memory at about 4 MB of ordinary tokens. Only tokens we signed get in, so strangers cannot push others out."""

UNKNOWN_KEY_REFRESH_SECONDS = 1.0
"""A token by an unknown key may be the first one after a rotation, so the trust state is fetched for it; strangers can make it happen
this often at most."""


class UnknownKey(Exception):
    """The token names a key that the copy of the trust state does not have."""


class Authenticator:
    """Verifies tokens of users and peers for one process."""

    def __init__(self, trust: TrustCopy, peers: PeerTokenVerifier, *, clock: Callable[[], float] = unix_now) -> None:
        self._trust = trust
        self._peers = peers
        self._clock = clock
        self._state: TrustState | None = None
        self._keys: dict[str, Ed25519PublicKey] = {}
        # Least recently used first. The key id is kept because a key that is withdrawn takes its tokens along.
        self._remembered: OrderedDict[str, tuple[Principal, str]] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """Return the bearer of the token; suspends only to fetch a key that is not known yet.

        Raises Unauthenticated for a token that is not valid, and Unavailable when the trust state does not allow to tell: TRUST_UNKNOWN
        before the first copy, TRUST_STALE for operators and long-lived tokens on a copy that is too old, and for a key that a copy of some
        seconds ago does not know.
        """
        try:
            return self.verify(token)
        except UnknownKey:
            await self._trust.refresh_unless_tried_within(UNKNOWN_KEY_REFRESH_SECONDS)
        try:
            return self.verify(token)
        except UnknownKey:
            # Only a fresh copy tells that there is no such key; an old one may have missed its making.
            fresh = self._trust.age_seconds <= 2 * UNKNOWN_KEY_REFRESH_SECONDS
            raise (refused() if fresh else self._too_old()) from None

    def verify(self, token: str) -> Principal:
        """Return the bearer of the token, by what this process knows now. Raises UnknownKey, else as `authenticate`."""
        if self._trust.state is not self._state:
            self._adopt(self._trust.state)
        remembered = self._remembered.get(token)
        if remembered is None:
            principal = self._verify_afresh(token)
        else:
            principal = remembered[0]
            self._remembered.move_to_end(token)
        if principal.expires_at <= self._clock():
            self._remembered.pop(token, None)
            raise refused()
        if (principal.long_lived or principal.role is Role.OPERATOR) and self._trust.stale:
            raise self._too_old()
        return principal

    def _verify_afresh(self, token: str) -> Principal:
        kid = key_id_of(token)
        principal = self._peers.verify(token, kid) if kid.startswith(PEER_PREFIX) else self._verify_user(token, kid)
        self._remembered[token] = principal, kid
        if len(self._remembered) > REMEMBERED_TOKENS_MAX:
            self._remembered.popitem(last=False)
        return principal

    def _verify_user(self, token: str, kid: str) -> Principal:
        key = self._keys.get(kid)
        if key is None or self._state is None:
            raise UnknownKey
        principal = verify_user_token(token, key)
        if not in_force(principal, self._state):
            raise refused()
        return principal

    def _too_old(self) -> Unavailable:
        if self._trust.state is None:
            message, reason = "tokens cannot be verified yet: the trust state was never fetched", "TRUST_UNKNOWN"
        else:
            message, reason = "this token cannot be verified now: the trust state is too old", "TRUST_STALE"
        return Unavailable(message, reason=reason, retry_after_seconds=REFRESH_SECONDS)

    def _adopt(self, state: TrustState | None) -> None:
        self._state = state
        if state is None:
            return
        # A key of ours never has a peer's name; if one had, it could sign in a peer's stead.
        keys = {kid: raw for kid, raw in state.keys.items() if not kid.startswith(PEER_PREFIX)}
        self._keys = {kid: Ed25519PublicKey.from_public_bytes(raw) for kid, raw in keys.items()}
        for token, (principal, kid) in list(self._remembered.items()):
            if principal.role is not Role.PEER and (kid not in self._keys or not in_force(principal, state)):
                del self._remembered[token]
