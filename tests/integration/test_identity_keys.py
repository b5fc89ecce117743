"""Signing keys, the trust state and the commands, on a real database."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc.aio
import psycopg
import pytest
from charging.identity.v1 import identity_pb2 as pb
from grpc_interceptor.server import AsyncServerInterceptor

from services.gateway import create_user as create_user_command
from services.gateway import demo_data
from services.gateway.operations.create_user_token import create_user_token
from shared.auth.authenticator import Authenticator
from shared.auth.peer_tokens import PeerTokenSource, PeerTokenVerifier, load_public_keys
from shared.auth.remote_trust import remote_fetch
from shared.auth.trust_state import TrustCopy
from shared.call import CURRENT_CALL
from shared.errors import Unauthenticated
from shared.interceptors.authentication import AuthenticationInterceptor
from shared.interceptors.authorization import AuthorizationInterceptor
from tests.authentication import call_of, write_peer_key
from tests.databases import Databases
from tests.integration.identity import PASSWORD, Gateway, gateway_settings, open_gateway


@pytest.fixture
async def gateway(databases: Databases) -> AsyncIterator[Gateway]:
    """Give a gateway that has started."""
    async with open_gateway(databases) as gateway:
        await gateway.identity.start()
        yield gateway


async def test_gateways_that_start_together_make_one_key(databases: Databases) -> None:
    """However many first starts race, one key comes out and all of them sign with it."""
    async with AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(open_gateway(databases)) for _ in range(8)]
        await asyncio.gather(*(gateway.identity.start() for gateway in gateways))
        assert gateways[0].rows("SELECT count(*), max(number) FROM signing_keys") == [(1, 1)]
        assert gateways[0].rows("SELECT count(*) FROM audit_log") == [(1,)]
        await gateways[0].create_user("alice")
        token = await gateways[1].log_in("alice")
        for gateway in gateways:
            await gateway.authenticator.authenticate(token)


async def test_rotations_at_the_same_time_each_make_a_key(gateway: Gateway) -> None:
    """No rotation is lost, and each is told the key it made."""
    answers = await asyncio.gather(*(gateway.call(gateway.keys.RotateSigningKey, pb.RotateSigningKeyRequest()) for _ in range(3)))
    stored = {kid for (kid,) in gateway.rows("SELECT kid FROM signing_keys WHERE number > 1")}
    assert {answer.kid for answer in answers} == stored
    assert len(stored) == 3


async def test_old_tokens_outlive_a_rotation_and_the_old_key_goes_with_the_last(databases: Databases, gateway: Gateway) -> None:
    """A rotation ends no token; the old public key is published for exactly as long as a token by it may be valid."""
    await gateway.create_user("alice")
    old = await gateway.log_in("alice")
    kid = (await gateway.call(gateway.keys.RotateSigningKey, pb.RotateSigningKeyRequest())).kid
    new = await gateway.log_in("alice")
    async with open_gateway(databases) as other:
        await other.identity.start()
        for door in (gateway, other):
            assert await door.authenticator.authenticate(old)
            assert await door.authenticator.authenticate(new)
    assert len(gateway.identity.trust.state.keys) == 2  # type: ignore[union-attr]
    gateway.pass_time(hours=12)
    await gateway.identity.trust.refresh()
    assert gateway.identity.trust.state.keys.keys() == {kid}  # type: ignore[union-attr]
    with pytest.raises(Unauthenticated):
        await gateway.authenticator.authenticate(old)


async def test_a_revocation_is_forgotten_when_the_token_has_expired_anyway(gateway: Gateway) -> None:
    """The trust state stays small."""
    await gateway.create_user("alice")
    caller = await gateway.authenticator.authenticate(await gateway.log_in("alice"))
    await gateway.call(gateway.tokens.RevokeToken, pb.RevokeTokenRequest(), caller)
    assert gateway.identity.trust.state.revoked == {caller.token_id: caller.expires_at}  # type: ignore[union-attr]
    gateway.pass_time(hours=12)
    await gateway.identity.trust.refresh()
    assert gateway.identity.trust.state.revoked == {}  # type: ignore[union-attr]


async def test_a_gateway_with_another_secret_does_not_start(databases: Databases, gateway: Gateway) -> None:
    """It says which setting is wrong, before the first login fails."""
    async with open_gateway(databases, key_encryption_secret="t" * 32) as other:
        with pytest.raises(ValueError, match="CHARGING_KEY_ENCRYPTION_SECRET"):
            await other.identity.start()


async def test_nothing_is_logged_for_an_action_that_fails(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deed and log entry share a transaction: when the entry cannot be written, there is no token either."""

    async def broken(*_: Any, **__: Any) -> None:
        raise psycopg.DataError("too long")

    user = await gateway.create_user("alice")
    monkeypatch.setattr(f"{create_user_token.__module__}.record_action", broken)
    with pytest.raises(psycopg.DataError):
        await gateway.call(gateway.users.CreateUserToken, pb.CreateUserTokenRequest(id=user.id, label="till"))
    assert gateway.rows("SELECT count(*) FROM issued_tokens") == [(0,)]


class CallInterceptor(AsyncServerInterceptor):
    """Stands in for the outer interceptors: sets the call, and aborts with the code of an error."""

    async def intercept(self, method: Any, request_or_iterator: Any, context: Any, method_name: str) -> Any:
        """Serve the call."""
        metadata = dict(context.invocation_metadata())
        CURRENT_CALL.set(call_of(method_name, authorization=metadata.get("authorization")))
        try:
            return await method(request_or_iterator, context)
        except Unauthenticated as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, error.message)


async def test_another_service_learns_the_trust_state_over_grpc(gateway: Gateway, tmp_path: Path) -> None:
    """With a peer's token, through the real interceptors; without one there is no answer."""
    write_peer_key(tmp_path, "vendor_credit")
    peers = PeerTokenVerifier(load_public_keys(tmp_path), audience="gateway")
    guards = [CallInterceptor(), AuthenticationInterceptor(Authenticator(gateway.identity.trust, peers)), AuthorizationInterceptor()]
    server = grpc.aio.server(interceptors=guards)
    for add, servicer in gateway.identity.servicers:
        add(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await gateway.create_user("alice")
    token = await gateway.log_in("alice")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        fetch = remote_fetch(channel, PeerTokenSource(tmp_path, "vendor_credit"))
        remote = TrustCopy(fetch)
        assert await remote.refresh()
        assert remote.state == gateway.identity.trust.state
        here = Authenticator(remote, PeerTokenVerifier({}, "vendor_credit"))
        assert await here.authenticate(token)
        with pytest.raises(grpc.aio.AioRpcError, match="UNAUTHENTICATED"):
            await channel.unary_unary("/charging.identity.v1.TrustService/GetTrustState")(b"")
    await server.stop(None)


async def test_demo_users_are_made_once(databases: Databases, gateway: Gateway) -> None:
    """Running the command again changes nothing, and both can sign in."""
    for _ in range(2):
        await demo_data.create_demo_users(gateway.identity.parts.database, gateway.identity.parts.passwords, gateway.now)
    assert gateway.rows("SELECT username, role, vendor_ids FROM users ORDER BY id") == [
        ("operator", "operator", []),
        ("partner", "partner", [1]),
    ]
    for name in ("operator", "partner"):
        assert await gateway.authenticator.authenticate(await gateway.log_in(name, name))


def _environment(databases: Databases, monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    settings = gateway_settings(databases)
    monkeypatch.setenv("CHARGING_GATEWAY_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CHARGING_KEY_ENCRYPTION_SECRET", settings.key_encryption_secret.get_secret_value())
    monkeypatch.setenv("CHARGING_PROFILE", profile)


async def test_demo_users_exist_in_the_development_profile_only(
    databases: Databases, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A production deployment never gets users with well-known passwords."""
    _environment(databases, monkeypatch, "production")
    assert await asyncio.to_thread(demo_data.main) == 2
    assert "CHARGING_DEMO_DATA" in capsys.readouterr().err
    assert gateway.rows("SELECT count(*) FROM users") == [(0,)]
    _environment(databases, monkeypatch, "development")
    assert await asyncio.to_thread(demo_data.main) == 0
    assert gateway.rows("SELECT count(*) FROM users") == [(2,)]


async def test_the_first_operator_comes_from_the_command_line(
    databases: Databases, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The password is the first line of standard input; a taken name and a short password are refused in one line."""
    _environment(databases, monkeypatch, "production")

    async def run(password: str, *arguments: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return await asyncio.to_thread(create_user_command.main, list(arguments))

    assert await run(PASSWORD, "root", "--role", "operator") == 0
    assert await run(PASSWORD, "root", "--role", "operator") == 1
    assert await run("short", "other", "--role", "partner", "--vendor", "1") == 1
    output = capsys.readouterr()
    assert output.out == "created operator root with id 1\n"
    assert output.err.splitlines() == ["there is a user named root", "password: must have 8 to 1000 characters"]
    assert (await gateway.authenticator.authenticate(await gateway.log_in("root"))).role.name == "OPERATOR"
