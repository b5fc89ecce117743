"""How the verdict on a token follows the trust state."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.auth import authenticator as module
from shared.auth.tokens import verify_user_token
from shared.auth.trust_state import STALE_SECONDS, TrustState
from shared.errors import Unauthenticated, Unavailable
from shared.principal import Principal, Role
from tests.authentication import Signer, trusting, user
from tests.unit.auth.conftest import World


async def test_a_revoked_token_is_refused_after_the_next_refresh(world: World) -> None:
    """Revocation reaches a token that is remembered, and leaves the user's other tokens alone."""
    revoked, other = user(), user()
    tokens = [world.signer.token(principal) for principal in (revoked, other)]
    for token in tokens:
        await world.authenticator.authenticate(token)
    world.state = trusting(world.signer, revoked={revoked.token_id: revoked.expires_at})
    await world.trust.refresh()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(tokens[0])
    assert await world.authenticator.authenticate(tokens[1]) == other


@pytest.mark.parametrize("seen", [True, False])
async def test_tokens_of_a_withdrawn_version_are_refused(world: World, seen: bool) -> None:
    """A disabled user's tokens end, remembered or not; a token of the new version would pass."""
    token = world.signer.token(user())
    if seen:
        await world.authenticator.authenticate(token)
    world.state = trusting(world.signer, versions={"user:7": 2, "user:8": 9})
    await world.trust.refresh()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(token)
    await world.authenticator.authenticate(world.signer.token(user(token_version=2)))


async def test_a_token_by_a_new_key_is_accepted_at_once(world: World) -> None:
    """After a rotation nobody waits for the next refresh: an unknown key fetches the trust state."""
    new = Signer("key-2")
    world.state = trusting(world.signer, new)
    world.monotonic.now += 2
    assert await world.authenticator.authenticate(new.token(user()))
    assert await world.authenticator.authenticate(world.signer.token(user()))
    assert world.fetches == 2


async def test_strangers_cannot_make_a_process_fetch_all_the_time(world: World) -> None:
    """Any number of tokens by unknown keys costs one fetch a second."""
    world.monotonic.now += 2
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(Signer(f"unknown-{number}").token(user()))
    assert world.fetches == 2


async def test_a_forgotten_key_takes_its_tokens_along(world: World) -> None:
    """A token that was remembered ends with the key that signed it."""
    token = world.signer.token(user())
    await world.authenticator.authenticate(token)
    world.state = trusting(Signer("key-2"))
    await world.trust.refresh()
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(token)


async def test_before_the_first_copy_no_user_is_believed_or_refused(unready: World) -> None:
    """The answer is Unavailable, since a good token must not be thrown away by its owner; what is no token is refused."""
    unready.state = OSError("unreachable")
    with pytest.raises(Unavailable) as caught:
        await unready.authenticator.authenticate(unready.signer.token(user()))
    assert caught.value.reason == "TRUST_UNKNOWN"
    with pytest.raises(Unauthenticated):
        await unready.authenticator.authenticate("a.b.c")


@pytest.mark.parametrize("seen", [True, False])
async def test_a_stale_copy_fails_closed_where_it_matters(world: World, seen: bool) -> None:
    """Operators and long-lived tokens wait for a fresh copy; a partner's login token keeps working."""
    careful = [world.signer.token(user(Role.OPERATOR)), world.signer.token(user(long_lived=True))]
    partner = world.signer.token(user())
    if seen:
        for token in (*careful, partner):
            await world.authenticator.authenticate(token)
    world.state = OSError("unreachable")
    world.monotonic.now += STALE_SECONDS
    for token in careful:
        await world.authenticator.authenticate(token)
    world.monotonic.now += 0.1
    await world.trust.refresh()
    for token in careful:
        with pytest.raises(Unavailable) as caught:
            await world.authenticator.authenticate(token)
        assert caught.value.reason == "TRUST_STALE"
        assert caught.value.retry_after_seconds
    assert await world.authenticator.authenticate(partner)
    world.state = trusting(world.signer)
    await world.trust.refresh()
    for token in careful:
        await world.authenticator.authenticate(token)


@pytest.mark.parametrize("age", [3, STALE_SECONDS + 1])
async def test_an_unknown_key_on_an_old_copy_is_not_called_wrong(world: World, age: float) -> None:
    """The key may be newer than the copy, by seconds, so the owner of the token is told to come back."""
    world.state = OSError("unreachable")
    world.monotonic.now += age
    with pytest.raises(Unavailable) as caught:
        await world.authenticator.authenticate(Signer("key-2").token(user()))
    assert caught.value.reason == "TRUST_STALE"


async def test_a_signing_key_with_the_name_of_a_peer_is_ignored(world: World) -> None:
    """Whoever could store a signing key could otherwise speak as a peer."""
    forger = Signer("peer:gateway")
    world.state = TrustState(keys={forger.kid: forger.public_key}, revoked={}, versions={})
    await world.trust.refresh()
    for changes in ({}, {"sub": "peer:gateway", "aud": "vendor_credit"}):
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(forger.token(user(), **changes))


async def test_memory_of_tokens_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token used longest ago is forgotten first, and is verified afresh when it comes back."""
    monkeypatch.setattr(module, "REMEMBERED_TOKENS_MAX", 3)
    verified = []

    def recording(token: str, key: Ed25519PublicKey) -> Principal:
        verified.append(token)
        return verify_user_token(token, key)

    monkeypatch.setattr(module, "verify_user_token", recording)
    tokens = [world.signer.token(user()) for _ in range(4)]
    for token in (*tokens[:3], tokens[0], tokens[3], tokens[0], tokens[1]):
        await world.authenticator.authenticate(token)
    assert verified == [*tokens[:3], tokens[3], tokens[1]]


async def test_a_remembered_token_is_not_verified_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is checked once, however often the token comes."""
    token = world.signer.token(user())
    first = await world.authenticator.authenticate(token)
    monkeypatch.setattr(module, "verify_user_token", lambda *_: pytest.fail("verified again"))
    assert await world.authenticator.authenticate(token) is first
