"""Users and their tokens, on a real database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from charging.identity.v1 import identity_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from services.gateway.passwords import Passwords
from shared.errors import AlreadyExists, ChargingError, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from shared.paging import encode_page_token
from shared.principal import RateLimit, Role
from tests.databases import Databases
from tests.integration.identity import PASSWORD, Gateway, open_gateway


@pytest.fixture
async def gateway(databases: Databases) -> AsyncIterator[Gateway]:
    """Give a gateway that has started."""
    async with open_gateway(databases) as gateway:
        await gateway.identity.start()
        yield gateway


async def test_a_login_token_says_who_signed_in(gateway: Gateway) -> None:
    """The token carries the role, the vendors and the contract of the user, and lives twelve hours."""
    user = await gateway.create_user("alice", vendor_ids=[2, 1], rate_limit=pb.RateLimit(requests=100, window_seconds=60))
    principal = await gateway.authenticator.authenticate(await gateway.log_in("alice"))
    assert (principal.subject, principal.role, principal.vendors) == (f"user:{user.id}", Role.PARTNER, {1, 2})
    assert (principal.rate_limit, principal.long_lived) == (RateLimit(100, 60), False)
    assert 0 <= (gateway.now + timedelta(hours=12)).timestamp() - principal.expires_at < 1


async def test_every_wrong_login_gets_the_same_answer_after_the_same_work(gateway: Gateway) -> None:
    """Unknown, impossible and disabled users and a wrong password differ in nothing that a caller sees: one hash each, one text."""
    await gateway.create_user("alice")
    disabled = await gateway.create_user("bob")
    await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=disabled.id))
    answers = set()
    for username, password in (("alice", "wrong"), ("nobody", PASSWORD), ("no body\x00", PASSWORD), ("bob", PASSWORD), ("bob", "wrong")):
        gateway.hasher.verified.clear()
        with pytest.raises(Unauthenticated) as caught:
            await gateway.log_in(username, password)
        error = caught.value
        answers.add((error.message, error.reason, str(error.metadata), error.violations))
        assert len(gateway.hasher.verified) == 1
    assert answers == {("the user name or the password is wrong", "WRONG_CREDENTIALS", "{}", ())}


async def test_a_login_that_fails_does_no_further_look_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disabled user's right password leads no deeper than a wrong one, so it takes no longer."""
    user = await gateway.create_user("alice")
    await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
    monkeypatch.setattr("services.gateway.storage.users.find_user", lambda *_: pytest.fail("looked up"))
    with pytest.raises(Unauthenticated):
        await gateway.log_in("alice")


async def test_a_user_disabled_while_signing_in_gets_no_token(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state counts as it is when the token is made, not as it was before the slow check of the password."""
    user = await gateway.create_user("alice")
    check = Passwords.matches

    async def check_while_disabled(self: Passwords, stored_hash: str | None, password: str) -> bool:
        await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
        return await check(self, stored_hash, password)

    monkeypatch.setattr(Passwords, "matches", check_while_disabled)
    with pytest.raises(Unauthenticated):
        await gateway.log_in("alice")
    assert gateway.rows("SELECT count(*) FROM issued_tokens") == [(0,)]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("username", {"username": ""}),
        ("username", {"username": "a" * 151}),
        ("password", {"password": ""}),
        ("password", {"password": "a" * 1001}),
    ],
)
async def test_a_login_names_the_field_that_is_absent_or_too_long(gateway: Gateway, field: str, changes: dict[str, str]) -> None:
    """Neither is looked up or hashed."""
    with pytest.raises(InvalidArgument) as caught:
        await gateway.log_in(**{"username": "alice", "password": PASSWORD, **changes})
    assert caught.value.violations[0].field == field
    assert not gateway.hasher.verified


async def test_a_user_name_is_taken_once(gateway: Gateway) -> None:
    """The second user of a name is refused and nothing of them is kept."""
    await gateway.create_user("alice")
    with pytest.raises(AlreadyExists) as caught:
        await gateway.create_user("alice", pb.ROLE_OPERATOR)
    assert (caught.value.reason, caught.value.violations[0].field) == ("USERNAME_TAKEN", "username")
    assert gateway.rows("SELECT role FROM users") == [("partner",)]


async def test_users_are_listed_page_by_page(gateway: Gateway) -> None:
    """Pages follow each other without gap or repetition, and the last has no token."""
    created = [await gateway.create_user(f"user-{number}") for number in range(5)]
    listed, sizes, page_token = [], [], ""
    while True:
        page = await gateway.call(gateway.users.ListUsers, pb.ListUsersRequest(page_size=2, page_token=page_token))
        listed += page.users
        sizes.append(len(page.users))
        page_token = page.next_page_token
        if not page_token:
            break
    assert (listed, sizes) == (created, [2, 2, 1])
    with pytest.raises(InvalidArgument):
        await gateway.call(gateway.users.ListUsers, pb.ListUsersRequest(page_token="nonsense"))


async def test_disabling_a_user_ends_all_their_tokens(gateway: Gateway) -> None:
    """Login tokens and API tokens stop at once in this process; the user cannot sign in again; a second time changes nothing."""
    user = await gateway.create_user("alice")
    request = pb.CreateUserTokenRequest(id=user.id, label="till")
    tokens = [await gateway.log_in("alice"), (await gateway.call(gateway.users.CreateUserToken, request)).token]
    for token in tokens:
        await gateway.authenticator.authenticate(token)
    first = await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
    second = await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
    assert first.data.disabled
    assert first == second
    for token in tokens:
        with pytest.raises(Unauthenticated):
            await gateway.authenticator.authenticate(token)
    with pytest.raises(FailedPrecondition) as caught:
        await gateway.call(gateway.users.CreateUserToken, request)
    assert caught.value.reason == "USER_DISABLED"
    assert gateway.rows("SELECT token_version FROM users") == [(2,)]


async def test_an_api_token_lives_long_and_has_a_contract_of_its_own(gateway: Gateway) -> None:
    """Ninety days at most; its own limit takes the place of the user's; the token itself is stored nowhere."""
    user = await gateway.create_user("alice", pb.ROLE_SERVICE, vendor_ids=[5], rate_limit=pb.RateLimit(requests=1, window_seconds=1))
    limit = pb.RateLimit(requests=7, window_seconds=60)
    answer = await gateway.call(gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user.id, label="till", rate_limit=limit))
    principal = await gateway.authenticator.authenticate(answer.token)
    assert (principal.long_lived, principal.rate_limit, principal.token_id) == (True, RateLimit(7, 60), answer.jti)
    assert 0 <= (gateway.now + timedelta(days=90)).timestamp() - answer.expires_at.seconds < 1
    stored = gateway.rows("SELECT t::text FROM issued_tokens t")
    assert answer.token.split(".")[2] not in str(stored)
    too_late = Timestamp(seconds=answer.expires_at.seconds + 1)
    for bad in (too_late, Timestamp(seconds=1), Timestamp(seconds=2**62), Timestamp(seconds=-(2**62))):
        with pytest.raises(InvalidArgument) as caught:
            await gateway.call(gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user.id, label="till", expires_at=bad))
        assert caught.value.violations[0].field == "expires_at"


@pytest.mark.parametrize("user_id", [0, -1, 999, 2**53, 2**63 - 1])
async def test_a_missing_user_is_not_found(gateway: Gateway, user_id: int) -> None:
    """Any number that is nobody's id answers the same."""
    for handler, request in (
        (gateway.users.DisableUser, pb.DisableUserRequest(id=user_id)),
        (gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user_id, label="till")),
    ):
        with pytest.raises(NotFound) as caught:
            await gateway.call(handler, request)
        assert caught.value.reason == "USER_NOT_FOUND"


async def test_a_caller_revokes_their_own_token(gateway: Gateway) -> None:
    """It ends at once in this process, the caller's other token does not, and revoking again is the same answer."""
    await gateway.create_user("alice")
    token, other = await gateway.log_in("alice"), await gateway.log_in("alice")
    caller = await gateway.authenticator.authenticate(token)
    for _ in range(2):
        await gateway.call(gateway.tokens.RevokeToken, pb.RevokeTokenRequest(), caller)
        with pytest.raises(Unauthenticated):
            await gateway.authenticator.authenticate(token)
    assert await gateway.authenticator.authenticate(other)
    assert gateway.rows("SELECT count(*) FROM revoked_tokens") == [(1,)]


async def test_an_operator_revokes_any_token_and_nobody_else_does(gateway: Gateway) -> None:
    """By its id; an id that was never issued or is malformed is an error, since a slip must not look done."""
    await gateway.create_user("alice")
    token = await gateway.log_in("alice")
    victim = await gateway.authenticator.authenticate(token)
    request = pb.RevokeTokenRequest(jti=victim.token_id)
    with pytest.raises(PermissionDenied):
        await gateway.call(gateway.tokens.RevokeToken, request, victim)
    await gateway.call(gateway.tokens.RevokeToken, request)
    with pytest.raises(Unauthenticated):
        await gateway.authenticator.authenticate(token)
    for jti, kind in ((str(uuid4()), NotFound), ("x", InvalidArgument), (f"{{{victim.token_id}}}", InvalidArgument)):
        with pytest.raises(kind) as caught:
            await gateway.call(gateway.tokens.RevokeToken, pb.RevokeTokenRequest(jti=jti))
        assert isinstance(caught.value, ChargingError)
        assert caught.value.violations[0].field == "jti"


async def test_every_action_is_in_the_audit_log(gateway: Gateway) -> None:
    """Who, what and to whom, once for each action that changed something."""
    user = await gateway.create_user("alice")
    answer = await gateway.call(gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user.id, label="till"))
    for _ in range(2):
        await gateway.call(gateway.tokens.RevokeToken, pb.RevokeTokenRequest(jti=answer.jti))
        await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
    kid = (await gateway.call(gateway.keys.RotateSigningKey, pb.RotateSigningKeyRequest())).kid
    first_kid = gateway.rows("SELECT kid FROM signing_keys WHERE number = 1")[0][0]
    assert gateway.rows("SELECT actor, action, target FROM audit_log ORDER BY seq") == [
        ("peer:gateway", "rotate_signing_key", f"key:{first_kid}"),
        ("user:1", "create_user", f"user:{user.id}"),
        ("user:1", "create_user_token", f"user:{user.id}"),
        ("user:1", "revoke_token", f"token:{answer.jti}"),
        ("user:1", "disable_user", f"user:{user.id}"),
        ("user:1", "rotate_signing_key", f"key:{kid}"),
    ]


@pytest.mark.parametrize("table", ["signing_keys", "issued_tokens", "revoked_tokens", "audit_log", "users"])
def test_what_happened_cannot_be_unwritten(databases: Databases, table: str) -> None:
    """The gateway's own role may neither delete nor rewrite; of a user it may only change what disabling changes."""
    column = {"signing_keys": "kid", "issued_tokens": "label", "revoked_tokens": "expires_at", "audit_log": "actor", "users": "role"}[table]
    statements = (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}", f"TRUNCATE {table} CASCADE")
    with psycopg.connect(databases.urls["gateway"], autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


async def test_the_tokens_of_a_user_in_force_are_listed_page_by_page(gateway: Gateway) -> None:
    """The newest first; none that was revoked, has expired or is another's, and never the token itself."""
    user, other = await gateway.create_user("alice"), await gateway.create_user("bob")
    await gateway.log_in("alice")
    await gateway.log_in("bob")
    made = []
    for number in range(4):
        gateway.pass_time(seconds=1)
        made.append(await gateway.call(gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user.id, label=f"till {number}")))
    await gateway.call(gateway.tokens.RevokeToken, pb.RevokeTokenRequest(jti=made[1].jti))

    listed, sizes, page_token = [], [], ""
    while True:
        request = pb.ListUserTokensRequest(id=user.id, page_size=2, page_token=page_token)
        page = await gateway.call(gateway.users.ListUserTokens, request)
        listed += page.tokens
        sizes.append(len(page.tokens))
        page_token = page.next_page_token
        if not page_token:
            break
    assert ([token.label for token in listed], sizes) == (["till 3", "till 2", "till 0", ""], [2, 2])
    assert [token.jti for token in listed[:3]] == [made[3].jti, made[2].jti, made[0].jti]
    assert [token.kind for token in listed[2:]] == [pb.USER_TOKEN_KIND_API, pb.USER_TOKEN_KIND_LOGIN]
    assert made[3].token not in str(listed)

    gateway.pass_time(hours=13)
    left = await gateway.call(gateway.users.ListUserTokens, pb.ListUserTokensRequest(id=user.id))
    assert [token.label for token in left.tokens] == ["till 3", "till 2", "till 0"], "a person's token lives 12 hours"
    await gateway.call(gateway.users.DisableUser, pb.DisableUserRequest(id=user.id))
    assert not (await gateway.call(gateway.users.ListUserTokens, pb.ListUserTokensRequest(id=user.id))).tokens
    with pytest.raises(NotFound):
        await gateway.call(gateway.users.ListUserTokens, pb.ListUserTokensRequest(id=other.id + 99))
    for token in ("nonsense", encode_page_token("x", "y"), encode_page_token("2026-01-01T00:00:00", "y")):
        with pytest.raises(InvalidArgument):
            await gateway.call(gateway.users.ListUserTokens, pb.ListUserTokensRequest(id=other.id, page_token=token))
