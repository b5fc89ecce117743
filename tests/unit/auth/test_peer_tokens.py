"""Tokens of this system's own processes."""

from pathlib import Path

import jwt
import pytest

from shared.auth.peer_tokens import LIFE_SECONDS, RENEW_SECONDS, PeerTokenSource, load_public_keys
from shared.auth.signed_token import sign
from shared.errors import Unauthenticated
from shared.principal import Role
from tests.authentication import START, Signer, user, write_peer_key
from tests.unit.auth.conftest import World


async def test_a_peer_is_known_by_its_key(unready: World) -> None:
    """A peer's token needs no trust state: the process that fetches it must be let in first."""
    principal = await unready.authenticator.authenticate(unready.peer("gateway").token("vendor_credit"))
    assert (principal.subject, principal.role, principal.vendors) == ("peer:gateway", Role.PEER, frozenset())
    assert unready.fetches == 0


async def test_a_peers_token_opens_one_service_only(world: World) -> None:
    """A token made for another service is refused."""
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(world.peer("gateway").token("customer_charge"))


async def test_a_peers_token_expires(world: World) -> None:
    """After five minutes it is worthless, remembered or not."""
    token = world.peer("gateway").token("vendor_credit")
    await world.authenticator.authenticate(token)
    world.clock.now += LIFE_SECONDS
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(token)


def test_a_peers_token_is_made_once_and_renewed_in_time(world: World) -> None:
    """The same token serves until a minute before its end, one for each audience."""
    peer = world.peer("gateway")
    first = peer.token("vendor_credit")
    world.clock.now += LIFE_SECONDS - RENEW_SECONDS - 1
    assert peer.token("vendor_credit") == first
    assert peer.token("customer_charge") != first
    world.clock.now += 1
    second = peer.token("vendor_credit")
    assert second != first
    world.clock.now -= 1000
    assert peer.token("vendor_credit") != second, "a clock set back must not stretch a life"


async def test_a_peer_speaks_for_itself_only(world: World) -> None:
    """One peer's key signs for no other, neither by key id nor by subject."""
    key = world.peer("customer_charge")._key
    claims = {"sub": "peer:gateway", "aud": "vendor_credit", "iat": int(START), "exp": int(START) + 60, "jti": "1"}
    for kid in ("peer:gateway", "peer:customer_charge"):
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(sign(claims, kid, key))


async def test_a_users_key_makes_no_peer(world: World) -> None:
    """Role `peer`, a peer's subject, a peer's key id: a key that signs users' tokens gets nowhere with any of them."""
    signer = world.signer
    attempts = [
        signer.token(user(), role="peer"),
        signer.token(user(), sub="peer:gateway", role="peer", aud="vendor_credit"),
        signer.token(user(), kid="peer:gateway", sub="peer:gateway", aud="vendor_credit"),
    ]
    for token in attempts:
        with pytest.raises(Unauthenticated):
            await world.authenticator.authenticate(token)


@pytest.mark.parametrize(
    "kid",
    [
        "peer:",
        "peer:unknown",
        "peer:../gateway",
        "peer:./gateway",
        "peer:gateway.public.pem",
        "peer:gateway\x00",
        "peer:GATEWAY",
        "Peer:gateway",
    ],
)
async def test_a_key_id_is_a_name_and_never_a_path(world: World, kid: str) -> None:
    """Only the exact name of a peer finds a key."""
    claims = {"sub": kid, "aud": "vendor_credit", "iat": int(START), "exp": int(START) + 60, "jti": "1"}
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(sign(claims, kid, world.peer("gateway")._key))


def test_a_peers_token_carries_no_role_and_no_secret(world: World) -> None:
    """What it says is who, for whom and until when."""
    payload = jwt.decode(world.peer("gateway").token("vendor_credit"), options={"verify_signature": False})
    assert payload.keys() == {"sub", "aud", "iat", "exp", "jti"}


def test_a_folder_with_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    """A wrong file is named at the start, not at the first call."""
    write_peer_key(tmp_path, "gateway")
    (tmp_path / "scheduler.public.pem").write_text("nonsense")
    with pytest.raises(ValueError, match="PEM"):
        load_public_keys(tmp_path)
    (tmp_path / "scheduler.public.pem").rename(tmp_path / "Bad-Name.public.pem")
    write_peer_key(tmp_path, "Bad-Name")
    with pytest.raises(ValueError, match="no name of a peer"):
        load_public_keys(tmp_path)


def test_a_peer_name_cannot_leave_the_folder(keys_dir: Path) -> None:
    """A setting with a path in it is refused."""
    with pytest.raises(ValueError, match="no name of a peer"):
        PeerTokenSource(keys_dir / "below", "../gateway")


async def test_an_unknown_signer_under_a_peers_name_is_refused(world: World) -> None:
    """The name of a peer in the token proves nothing."""
    forger = Signer("peer:gateway")
    claims = {"sub": "peer:gateway", "aud": "vendor_credit", "iat": int(START), "exp": int(START) + 60, "jti": "1"}
    with pytest.raises(Unauthenticated):
        await world.authenticator.authenticate(sign(claims, forger.kid, forger.private_key))
