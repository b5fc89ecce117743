"""The whole system over TLS: both doors encrypted, and peers believed only with a certificate."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from charging.client import Tls, connect_aio
from charging.vendor_credit.v1 import vendor_credit_pb2 as vendor_pb
from charging.vendor_credit.v1.vendor_credit_pb2_grpc import VendorServiceStub
from cryptography import x509

from shared.principal import Role
from shared.tls.files import TlsFiles
from shared.transport.channels import open_channel
from tests.certificates import Certificates
from tests.contract.conftest import UNLIMITED
from tests.contract.contract import METHODS, policy, short
from tests.contract.stack import HOMES, TIMEOUT_SECONDS, Stack, open_stack, reply_of
from tests.contract.world import World
from tests.databases import DatabaseFactory

PEERS_ONLY = sorted(name for name in METHODS if policy(name).roles == {Role.PEER})
GET_VENDOR = "/charging.vendor_credit.v1.VendorService/GetVendor"


@pytest.fixture(scope="module")
def files(certificates: Certificates) -> TlsFiles:
    """Give the certificate that all processes have."""
    return certificates.issue("charging.example", "127.0.0.1")


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["one port", "a port for peers"])
async def stack(
    request: pytest.FixtureRequest,
    database_factory: DatabaseFactory,
    module_redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    files: TlsFiles,
) -> AsyncIterator[Stack]:
    """Give all servers with TLS: everybody shows a certificate at the one port, or peers alone at a port of their own."""
    tls: dict[str, Any] = {"tls_cert_file": files.cert_file, "tls_key_file": files.key_file, "tls_ca_file": files.ca_file}
    tls |= {"http_tls_cert_file": files.cert_file, "http_tls_key_file": files.key_file, "rate_limit_requests": UNLIMITED}
    databases = database_factory.clone()
    keys_dir: Path = tmp_path_factory.mktemp("keys")
    async with open_stack(databases, module_redis_url, keys_dir, with_peer_ports=request.param == "a port for peers", **tls) as running:
        yield running
    database_factory.drop(databases)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: Stack) -> World:
    """Give the stack with its inhabitants, whose credit and charges have gone through all services."""
    world = World(stack)
    await world.populate()
    return world


def peers_apart(stack: Stack) -> bool:
    """Tell whether peers have a port of their own."""
    return stack.peer_ports != stack.ports


def home_of(method: str) -> str:
    """Return a service where the method lives."""
    return next(service for package, service in HOMES.items() if method[1:].startswith(package))


async def code_of(channel: grpc.aio.Channel, method: str, token: str) -> tuple[grpc.StatusCode, str]:
    """Call a method with an empty request and return code and reason."""
    send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    try:
        await send(b"", metadata=[("authorization", f"Token {token}")], timeout=TIMEOUT_SECONDS)
    except grpc.aio.AioRpcError as error:
        reply = reply_of(error)
        return reply.code, reply.reason
    return grpc.StatusCode.OK, ""


async def test_everything_works_encrypted(world: World) -> None:
    """A vendor's credit and a charge of it have passed both services; over HTTPS the partner sees what is left."""
    answer = await world.stack.send("GET", f"/api/vendor/{world.ours.vendor}/", world.ours.token)

    assert answer.status_code == 200
    assert answer.url.scheme == "https"
    assert answer.json()["data"]["balance"] > 0


@pytest.mark.parametrize("method", PEERS_ONLY, ids=short)
async def test_a_peers_call_needs_a_peers_certificate(method: str, stack: Stack, certificates: Certificates) -> None:
    """A stolen token of a peer opens nothing without a certificate, or with one of another authority; with the right one it does."""
    service = home_of(method)
    token = stack.peer.token(service)
    strangers = Certificates(certificates.folder / short(method).replace("/", "-"))
    stranger = strangers.issue("charging.example")
    assert stack.tls is not None
    for tls in (None, TlsFiles(stranger.cert_file, stranger.key_file, stack.tls.ca_file)):
        async with open_channel(f"127.0.0.1:{stack.peer_ports[service]}", tls) as channel:
            assert await code_of(channel, method, token) == (grpc.StatusCode.UNAVAILABLE, "")
    if peers_apart(stack):
        refused = await code_of(stack.channels[service], method, token)
        assert refused == (grpc.StatusCode.PERMISSION_DENIED, "PEER_CERTIFICATE_REQUIRED")

    code, _ = await code_of(stack.peer_channels[service], method, token)

    assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)


async def test_a_peers_token_does_not_come_in_by_the_http_door(stack: Stack) -> None:
    """The envelope that carries a caller's token is no certificate of the caller."""
    for path, service in (("/api/auth/users/", "gateway"), ("/api/vendor/", "vendor_credit"), ("/api/customer/", "customer_charge")):
        answer = await stack.send("GET", path, stack.peer.token(service))
        assert (answer.status_code, answer.json()["reason"]) == (403, "PEER_CERTIFICATE_REQUIRED")


async def test_a_partner_needs_a_certificate_only_where_peers_have_no_port_of_their_own(world: World) -> None:
    """The helper of the stubs speaks to either, with the authority's certificate and, where asked for, one of its own."""
    stack, request = world.stack, vendor_pb.GetVendorRequest(id=world.ours.vendor)
    assert stack.tls is not None
    bare = Tls(root_certificates=stack.tls.ca_file.read_bytes() if stack.tls.ca_file else b"")
    certified = Tls(bare.root_certificates, None, stack.tls.cert_file.read_bytes(), stack.tls.key_file.read_bytes())
    address = f"127.0.0.1:{stack.ports['vendor_credit']}"
    async with connect_aio(address, token=world.ours.token, tls=certified) as channel:
        assert (await VendorServiceStub(channel).GetVendor(request)).data.id == world.ours.vendor
    async with connect_aio(address, token=world.ours.token, tls=bare, timeout_seconds=1) as channel:
        call = VendorServiceStub(channel).GetVendor(request)
        if peers_apart(stack):
            assert (await call).data.id == world.ours.vendor
        else:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_a_new_certificate_is_in_force_without_a_restart(stack: Stack, files: TlsFiles, certificates: Certificates) -> None:
    """Connections that begin later see it at every gRPC port, and calls go on."""
    certificates.replace(files, "charging.example", "127.0.0.1")
    expected = x509.load_pem_x509_certificate(files.cert_file.read_bytes()).serial_number

    for port in {*stack.ports.values(), *stack.peer_ports.values()}:
        trust = certificates.trust
        trust.load_cert_chain(files.cert_file, files.key_file)
        trust.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        assert x509.load_der_x509_certificate(shown).serial_number == expected
    code, _ = await code_of(stack.channels["vendor_credit"], GET_VENDOR, stack.peer.token("vendor_credit"))
    assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_connection_in_the_clear_is_refused(stack: Stack) -> None:
    """Neither door answers who does not encrypt."""
    for port in stack.ports.values():
        async with open_channel(f"127.0.0.1:{port}", None) as channel:
            assert await code_of(channel, GET_VENDOR, "") == (grpc.StatusCode.UNAVAILABLE, "")
