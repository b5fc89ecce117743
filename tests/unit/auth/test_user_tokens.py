"""Which tokens of users are accepted, and as whom."""

import base64
import json
from typing import Any

import jwt
import pytest

from shared.auth.signed_token import TOKEN_CHARACTERS_MAX
from shared.errors import Unauthenticated
from shared.principal import RateLimit, Role
from tests.authentication import START, Signer, user
from tests.unit.auth.conftest import World


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def _refusal(world: World, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        await world.authenticator.authenticate(token)
    return caught.value


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.PARTNER, Role.SERVICE])
async def test_a_token_says_who_its_bearer_is(world: World, role: Role) -> None:
    """Everything that was signed into the token comes back, with and without a contract."""
    for principal in (user(role), user(role, rate_limit=RateLimit(100, 60), long_lived=True, token_version=3)):
        assert await world.authenticator.authenticate(world.signer.token(principal)) == principal


async def test_a_token_of_a_hundred_vendors_fits(world: World) -> None:
    """The largest user the contract allows gets a token that is accepted."""
    principal = user(vendors=frozenset(range(2**53 - 101, 2**53 - 1)), rate_limit=RateLimit(10**9, 86_400))
    assert await world.authenticator.authenticate(world.signer.token(principal)) == principal


async def test_a_token_is_refused_from_the_second_it_expires(world: World) -> None:
    """Expiry holds for a token never seen and for one that was accepted before."""
    seen, unseen = (world.signer.token(user(expires_at=START + 10)) for _ in range(2))
    world.clock.now = START + 9.9
    await world.authenticator.authenticate(seen)
    world.clock.now = START + 10
    await _refusal(world, seen)
    await _refusal(world, unseen)


async def test_a_token_by_another_key_of_the_same_name_is_refused(world: World) -> None:
    """A key id is a claim, and only the signature proves it."""
    await _refusal(world, Signer("key-1").token(user()))


async def test_an_unsigned_token_is_refused(world: World) -> None:
    """`alg: none` has no way in, in any spelling, with or without a signature of something else."""
    body = world.signer.token(user()).split(".")[1]
    signature = world.signer.token(user()).split(".")[2]
    for algorithm in ("none", "None", "NONE", "", None):
        header = _segment({"alg": algorithm, "kid": "key-1", "typ": "JWT"})
        await _refusal(world, f"{header}.{body}.")
        await _refusal(world, f"{header}.{body}.{signature}")


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(world: World) -> None:
    """The public key is known to all, so a symmetric algorithm with it proves nothing."""
    payload = jwt.decode(world.signer.token(user()), options={"verify_signature": False})
    await _refusal(world, jwt.encode(payload, world.signer.public_key, algorithm="HS256", headers={"kid": "key-1"}))


async def test_a_changed_token_is_refused(world: World) -> None:
    """Neither claims nor signature of a good token can be replaced."""
    header, body, signature = world.signer.token(user()).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    await _refusal(world, f"{header}.{_segment({**claims, 'role': 'operator'})}.{signature}")
    await _refusal(world, f"{header}.{body}.{signature[::-1]}")


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "peer"},
        {"role": "root"},
        {"role": 1},
        {"role": ["operator"]},
        {"sub": "peer:gateway"},
        {"sub": "user:0"},
        {"sub": "user:7 "},
        {"sub": 7},
        {"kind": "forever"},
        {"exp": START + 100.5},
        {"exp": "9999999999"},
        {"exp": True},
        {"ver": "1"},
        {"vendors": "12"},
        {"vendors": [1.0]},
        {"vendors": [True]},
        {"limit": 5},
        {"limit": {"requests": 5}},
        {"aud": "vendor_credit"},
        *({name: None} for name in ("sub", "exp", "iat", "jti", "ver", "role", "vendors", "kind")),
    ],
    ids=str,
)
async def test_claims_that_no_gateway_writes_are_refused(world: World, changes: dict[str, Any]) -> None:
    """Even our own signature makes no peer of a user, and no sense of nonsense."""
    await _refusal(world, world.signer.token(user(), **changes))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "é.é.é",
        "a b.c.d",
        "\x00.\x00.\x00",
        _segment([]) + ".e30.AA",
        _segment({"alg": "EdDSA"}) + ".e30.AA",
        _segment({"alg": "EdDSA", "kid": 1}) + ".e30.AA",
        _segment({"alg": "EdDSA", "kid": None}) + ".e30.AA",
        _segment({"alg": "EdDSA", "kid": "key-1", "crit": ["exp"]}) + ".e30.AA",
        _segment({"alg": "EdDSA", "kid": "key-1", "b64": False, "crit": ["b64"]}) + ".e30.AA",
        base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=") + ".e30.AA",
        base64.urlsafe_b64encode(b'{"kid":' + b"9" * 2990 + b"}").decode().rstrip("=") + ".e30.AA",
    ],
    ids=lambda token: token[:24].encode().hex(),
)
async def test_what_is_no_token_is_refused(world: World, token: str) -> None:
    """No text makes the verifier fail in any other way, and all get the same words."""
    good_but_foreign = await _refusal(world, Signer("key-1").token(user()))
    refusal = await _refusal(world, token)
    assert (refusal.message, refusal.reason, refusal.metadata) == (good_but_foreign.message, "UNAUTHENTICATED", {})


async def test_a_huge_token_is_refused_unread(world: World) -> None:
    """A token beyond the bound is not even decoded, though it is signed well."""
    token = world.signer.token(user(), padding="x" * TOKEN_CHARACTERS_MAX)
    await _refusal(world, token)
    await _refusal(world, "a" * 10_000_000)


async def test_one_token_has_one_spelling(world: World) -> None:
    """Characters that base64 readers skip do not give a good token a second form."""
    token = world.signer.token(user())
    for odd in (token + "=", token + "\n", token.replace(".", ".\r", 1), " " + token, token[:-5] + "*" + token[-5:]):
        await _refusal(world, odd)
