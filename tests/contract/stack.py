"""All servers of the system in one event loop, without workers: the tests settle charges and post credit themselves."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from psycopg import sql

from services.customer_charge.app import CustomerChargeApp
from services.customer_charge.operations.settle_charges import settle_slot
from services.customer_charge.operations.settle_reversals import settle_reversals
from services.customer_charge.settings import CustomerChargeSettings
from services.customer_charge.vendor_ledger import VendorCreditClient
from services.gateway.app import GatewayApp
from services.gateway.domain.users import checked_new_user
from services.gateway.operations.create_user import create_user
from services.gateway.passwords import Passwords
from services.gateway.settings import GatewaySettings
from services.vendor_credit.app import VendorCreditApp
from services.vendor_credit.event_feed import EventFeedClient
from services.vendor_credit.operations.post_credit import sweep_unposted
from services.vendor_credit.operations.relay_facts import relay_facts
from services.vendor_credit.settings import VendorCreditSettings
from shared.auth.peer_tokens import PeerTokenSource
from shared.database_setup import SERVICES
from shared.local.ports import free_port
from shared.peer_keys import write_peer_keys
from shared.principal import RateLimit, Role
from shared.transport.channels import open_channel
from tests.contract.contract import METHODS
from tests.databases import Databases

PASSWORD = "correct horse battery"
TIMEOUT_SECONDS = 20.0
HOMES: Mapping[str, str] = {
    "charging.customer_charge": "customer_charge",
    "charging.identity": "gateway",
    "charging.transport": "vendor_credit",
    "charging.vendor_credit": "vendor_credit",
}
"""Which server is asked for the methods of a package. The envelope is at all of them; one is enough."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one RPC: `content` is the serialized response of a success, `status` the google.rpc.Status of a failure."""

    code: grpc.StatusCode
    details: str = ""
    content: bytes = b""
    status: status_pb2.Status = field(default_factory=status_pb2.Status)
    trailers: Mapping[str, str | bytes] = field(default_factory=dict)

    def detail(self, kind: type[Message]) -> Any:
        """Return the detail of this kind, empty where there is none."""
        for packed in self.status.details:
            if packed.Is(kind.DESCRIPTOR):
                return kind.FromString(packed.value)
        return kind()

    @property
    def reason(self) -> str:
        """Return the reason of the ErrorInfo."""
        return str(self.detail(error_details_pb2.ErrorInfo).reason)

    @property
    def fields(self) -> set[str]:
        """Return the fields that the BadRequest names."""
        return {violation.field for violation in self.detail(error_details_pb2.BadRequest).field_violations}


def reply_of(error: grpc.aio.AioRpcError) -> Reply:
    """Return the outcome of an RPC that failed."""
    trailers: dict[str, str | bytes] = dict(error.trailing_metadata() or ())
    raw = trailers.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(raw if isinstance(raw, bytes) else b"")
    return Reply(error.code(), error.details() or "", status=status, trailers=trailers)


class Stack:
    """The running system, and how tests speak to it. Tokens of users are in `tokens` by user name."""

    def __init__(self, databases: Databases, redis_url: str, keys_dir: Path, *, with_peer_ports: bool = False, **changes: Any) -> None:
        """Compose the servers; `changes` are settings of all of them. `with_peer_ports` gives each a port for peers only."""
        write_peer_keys(keys_dir)
        self.databases = databases
        self.keys_dir = keys_dir
        self.redis_url = redis_url
        self.ports = {service: free_port() for service in SERVICES}
        self.peer_ports = {service: free_port() if with_peer_ports else port for service, port in self.ports.items()}
        self.tokens: dict[str, str] = {}
        self.user_ids: dict[str, int] = {}
        self._passwords = Passwords()
        common: dict[str, Any] = {
            "profile": "development",
            "redis_url": redis_url,
            "keys_dir": keys_dir,
            "drain_seconds": 1.0,
            "identity_address": f"127.0.0.1:{self.peer_ports['gateway']}",
            "vendor_credit_address": f"127.0.0.1:{self.peer_ports['vendor_credit']}",
            "customer_charge_address": f"127.0.0.1:{self.peer_ports['customer_charge']}",
            "cells": databases.cells,
        } | changes
        of = {service: {**common, "database_url": databases.urls[service], "grpc_port": self.ports[service]} for service in SERVICES}
        for service in SERVICES if with_peer_ports else ():
            of[service]["grpc_peer_port"] = self.peer_ports[service]
        self.gateway = GatewayApp(GatewaySettings(**of["gateway"], http_port=0, key_encryption_secret="k" * 32))
        self.vendor_settings = VendorCreditSettings(**of["vendor_credit"])
        self.vendor_credit = VendorCreditApp(self.vendor_settings)
        self.charge_settings = CustomerChargeSettings(**of["customer_charge"], webhook_encryption_secret="w" * 32)
        self.customer_charge = CustomerChargeApp(self.charge_settings)
        self.tls = self.charge_settings.tls
        self.channels = {service: open_channel(f"127.0.0.1:{port}", self.tls) for service, port in self.ports.items()}
        self.peer_channels = {service: open_channel(f"127.0.0.1:{port}", self.tls) for service, port in self.peer_ports.items()}
        self.peer = PeerTokenSource(keys_dir, "scheduler")
        self._ledger = VendorCreditClient(self.peer_channels["vendor_credit"], lambda: self.peer.token("vendor_credit"))
        self._feed = EventFeedClient(self.peer_channels["customer_charge"], lambda: self.peer.token("customer_charge"))
        self.http: httpx.AsyncClient

    async def start(self) -> None:
        """Serve; the gateway first, because the others ask it for the keys of tokens."""
        await self.gateway.start()
        await self.vendor_credit.start()
        await self.customer_charge.start()
        trust = ssl.create_default_context(cafile=self.tls.ca_file) if self.tls is not None else None
        url = f"{'http' if trust is None else 'https'}://127.0.0.1:{self.gateway.http_server.port}"
        self.http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, verify=trust or True)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not all((await self.gateway.ready()).values()):  # noqa: ASYNC110 - asked over the wire: there is no event to wait for
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Stop everything, the doors first."""
        await self.http.aclose()
        for channel in (*self.channels.values(), *self.peer_channels.values()):
            await channel.close()
        await self.gateway.stop()
        await self.customer_charge.stop()
        await self.vendor_credit.stop()
        self._passwords.close()

    async def add_user(
        self, name: str, role: Role, vendors: Sequence[int] = (), *, password: str = PASSWORD, limit: RateLimit | None = None
    ) -> str:
        """Create a user and sign in; return the token."""
        user = await create_user(
            self.gateway.database,
            self._passwords,
            new_user=checked_new_user(name, role, list(vendors), rate_limit=limit),
            password=password,
            now=datetime.now(UTC),
            actor="test",
        )
        answer = await self.http.post("/api/auth/token/", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        self.tokens[name] = answer.json()["token"]
        self.user_ids[name] = user.id
        return self.tokens[name]

    async def call(
        self,
        method: str,
        request: Message | bytes,
        token: str = "",
        *,
        metadata: Sequence[tuple[str, str]] = (),
        home: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Reply:
        """Call a method by its full name, directly at the server where it lives. `home` names another server."""
        home = home or next(service for package, service in HOMES.items() if method[1:].startswith(package))
        sent = [*metadata, ("authorization", f"Token {token}")] if token else list(metadata)
        content = request if isinstance(request, bytes) else request.SerializeToString()
        if METHODS[method].server_streaming:
            return await self._first_of_stream(method, content, sent, home, timeout_seconds)
        send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channels[home].unary_unary(method)
        pending = send(content, metadata=sent, timeout=timeout_seconds)
        try:
            answer = await pending
        except grpc.aio.AioRpcError as error:
            return reply_of(error)
        return Reply(grpc.StatusCode.OK, content=answer, trailers=dict(await pending.trailing_metadata()))

    async def _first_of_stream(
        self, method: str, content: bytes, metadata: Sequence[tuple[str, str]], home: str, timeout_seconds: float
    ) -> Reply:
        """Open a stream and return its first message, or how it failed."""
        stream = self.channels[home].unary_stream(method)(content, metadata=metadata, timeout=timeout_seconds)
        try:
            return Reply(grpc.StatusCode.OK, content=await stream.read())
        except grpc.aio.AioRpcError as error:
            return reply_of(error)
        finally:
            stream.cancel()

    async def send(
        self,
        method: str,
        path: str,
        token: str = "",
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one HTTP request, its body as a value for JSON or as bytes."""
        sent = {"authorization": f"Token {token}"} if token else {}
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent["content-type"] = "application/json"
        return await self.http.request(method, path, content=content, headers={**sent, **(headers or {})})

    async def send_raw(self, request: bytes) -> bytes:
        """Send bytes to the HTTP port, then nothing more; return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.http_server.port)
        try:
            writer.write(request)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await reader.read()
        finally:
            writer.close()

    async def settle(self) -> None:
        """Do what the workers would do: post approved credit, settle every pending charge and reversal, and tell the feeds."""
        await sweep_unposted(self.vendor_credit.cells)
        cells, limit = self.customer_charge.cells, self.charge_settings.settle_batch
        for slot in range(self.charge_settings.settle_slots * len(cells)):
            await settle_slot(cells, self._ledger, slot, limit=limit)
        for cell in range(len(cells)):
            await settle_reversals(cells, cell, self._ledger.reversals, limit=limit)
        await relay_facts(self.vendor_credit.cells, self._feed)

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """Return what the administrator reads in all cells of a service."""
        return self.databases.rows(service, query)

    def fingerprint(self) -> dict[str, tuple[int, int]]:
        """Return the number of rows of every table and a sum over their content: equal before and after means that nothing changed."""
        with psycopg.connect(self.databases.admin_url, autocommit=True) as connection:
            schemas = [schema for service in SERVICES for schema in self.databases.schemas(service)]
            found = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2", (schemas,)
            ).fetchall()
            each = [
                sql.SQL("SELECT {}, count(*), coalesce(sum(hashtext(t::text)), 0)::bigint FROM {} t").format(
                    sql.Literal(f"{schema}.{table}"), sql.Identifier(schema, table)
                )
                for schema, table in found
            ]
            return {name: (count, total) for name, count, total in connection.execute(sql.SQL(" UNION ALL ").join(each)).fetchall()}


@asynccontextmanager
async def open_stack(databases: Databases, redis_url: str, keys_dir: Path, **changes: Any) -> AsyncIterator[Stack]:
    """Give a running stack on an empty database."""
    stack = Stack(databases, redis_url, keys_dir, **changes)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.stop()
