"""A door with fake services behind it, and a client that speaks to it without a network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from charging.customer_charge.v1 import customer_charge_pb2, events_pb2, receipts_pb2, reconciliation_pb2, reversal_pb2
from charging.identity.v1 import identity_pb2, keys_pb2
from charging.vendor_credit.v1 import statements_pb2, vendor_credit_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from services.gateway.http.app import HttpDoor, build_app
from services.gateway.http.requests import Request
from services.gateway.http.wire import response_bytes
from services.gateway.settings import GatewaySettings
from shared.errors import ChargingError
from shared.interceptors.error_mapping import status_of
from shared.policy import methods_of
from shared.transport.backend import Answer

MODULES = (
    identity_pb2,
    keys_pb2,
    vendor_credit_pb2,
    statements_pb2,
    customer_charge_pb2,
    events_pb2,
    receipts_pb2,
    reconciliation_pb2,
    reversal_pb2,
)
SERVICES: list[ServiceDescriptor] = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]


@dataclass
class Call:
    """What a backend was asked."""

    method: str
    request: Any
    metadata: dict[str, str]
    timeout_seconds: float
    waits: bool


class FakeBackend:
    """Records calls and answers with what the test prepared: a message, an Answer, an error, or a coroutine function that makes one."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Message | Answer | ChargingError | Callable[..., Any] | None = None
        self.trailers: dict[str, str] = {}
        self._methods = methods_of(SERVICES)

    async def call(
        self, method: str, message: bytes, metadata: Sequence[tuple[str, str]], timeout_seconds: float, *, waits: bool = False
    ) -> Answer:
        """Record the call and answer it."""
        request_class = self._methods[method].input_type._concrete_class
        self.calls.append(Call(method, request_class.FromString(message), dict(metadata), timeout_seconds, waits))
        answer = self.answer
        if isinstance(answer, Answer):
            return answer
        if isinstance(answer, ChargingError):
            details = status_of(answer).SerializeToString()
            return Answer(answer.code, answer.message, trailers=self.trailers, status=details)
        if callable(answer):
            made: Answer = await answer()
            return made
        return Answer(0, message=answer.SerializeToString() if answer is not None else b"", trailers=self.trailers)


@dataclass
class Reply:
    """A response as a client sees it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body's value."""
        return json.loads(self.body)

    @property
    def fields(self) -> set[str]:
        """Return the names of the fields that a problem names."""
        return {error["field"] for error in self.json["errors"]}


@dataclass
class Client:
    """Sends requests to the door, without a network."""

    door: HttpDoor
    backend: FakeBackend
    settings: GatewaySettings
    peer: str = "192.0.2.7"
    headers: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, method: str, target: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> Reply:
        """Send one request with exactly these headers and return the response."""
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        request = Request.read(method, target.encode(), sent, self.peer)
        request.body = body
        response = await self.door.answer(request)
        head, _, content = response_bytes(request, response, b"").partition(b"\r\n\r\n")
        lines = [(each.partition(": ")[0], each.partition(": ")[2]) for each in head.decode("latin-1").split("\r\n")[1:]]
        assert len({name for name, _ in lines}) == len(lines)
        return Reply(response.status, dict(lines), content)

    async def get(self, target: str, **headers: str) -> Reply:
        """Send a GET."""
        return await self.send("GET", target, headers=_named(headers))

    async def post(self, target: str, body: bytes | str | Mapping[str, Any], **headers: str) -> Reply:
        """Send a POST with a JSON body, given as it is or as a value."""
        raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
        length = [("content-length", str(len(raw))), ("content-type", "application/json")]
        return await self.send("POST", target, raw, [*length, *_named(headers)])

    @property
    def last(self) -> Call:
        """Return the last call that reached a backend."""
        return self.backend.calls[-1]


def _named(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", "-"), value) for name, value in headers.items()]


def settings_of(**values: Any) -> GatewaySettings:
    """Return settings for a door."""
    return GatewaySettings(database_url="postgresql://unused", key_encryption_secret="k" * 32, **values)


def subject_of(authorization: str) -> str | None:
    """Say whose token it is: `Token <subject>` is that subject's."""
    return authorization.partition(" ")[2] or None


async def everything_ready() -> dict[str, bool]:
    """Say that every part can be reached."""
    return {"database": True}


def client_of(**values: Any) -> Client:
    """Return a client of a new door with the given settings."""
    backend, settings = FakeBackend(), settings_of(**values)
    door = build_app(SERVICES, {service.full_name: backend for service in SERVICES}, settings, everything_ready, verify=subject_of)
    return Client(door, backend, settings)


@pytest.fixture
def client() -> Client:
    """Give a client of a new door."""
    return client_of()
