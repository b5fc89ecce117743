"""A process that trusts one signer and two peers."""

from pathlib import Path

import pytest

from shared.auth.authenticator import Authenticator
from shared.auth.peer_tokens import PeerTokenSource, PeerTokenVerifier, load_public_keys
from shared.auth.trust_state import TrustCopy, TrustState
from tests.authentication import FakeClock, Signer, trusting, write_peer_key


class World:
    """The process under test and what is outside of it: `state` is what the next fetch of the trust state brings."""

    def __init__(self, keys_dir: Path) -> None:
        self.clock = FakeClock()
        self.monotonic = FakeClock(1000.0)
        self.signer = Signer("key-1")
        self.state: TrustState | Exception = trusting(self.signer)
        self.fetches = 0
        self.trust = TrustCopy(self._fetch, monotonic=self.monotonic)
        self.keys_dir = keys_dir
        peers = PeerTokenVerifier(load_public_keys(keys_dir), audience="vendor_credit")
        self.authenticator = Authenticator(self.trust, peers, clock=self.clock)

    async def _fetch(self) -> TrustState:
        self.fetches += 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def peer(self, name: str) -> PeerTokenSource:
        """Return what makes the tokens of a peer."""
        return PeerTokenSource(self.keys_dir, name, clock=self.clock)


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    """Give a folder with the keys of the peers `gateway` and `customer_charge`."""
    for name in ("gateway", "customer_charge"):
        write_peer_key(tmp_path, name)
    return tmp_path


@pytest.fixture
async def unready(keys_dir: Path) -> World:
    """Give a process that has not fetched the trust state yet."""
    return World(keys_dir)


@pytest.fixture
async def world(unready: World) -> World:
    """Give a process with a fresh copy of the trust state."""
    await unready.trust.refresh()
    return unready
