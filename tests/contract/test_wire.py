"""Any bytes at all, sent to every RPC: a typed answer, never a failure of ours, and a refusal changes nothing."""

from collections.abc import Sequence

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.principal import Role
from tests.contract.contract import METHODS, policy, short
from tests.contract.samples import METHOD_NAMES, sample_of
from tests.contract.stack import HOMES, TIMEOUT_SECONDS
from tests.contract.test_bad_input import discreet
from tests.contract.world import World

UNARY = [name for name in METHOD_NAMES if not METHODS[name].server_streaming]
OURS_TO_BLAME = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}

EXAMPLES = 20
"""For each RPC and run; every run tries other bytes."""

OPEN_SECONDS = 2.0
"""How long the first message of a stream is waited for: what was rightly asked for may have none."""

VARINT, FIXED64, BYTES, GROUP_START, GROUP_END, FIXED32 = 0, 1, 2, 3, 4, 5
PAYLOADS = {
    VARINT: st.sampled_from([b"\x00", b"\x01", b"\xff" * 9 + b"\x01", b"\x80" * 9 + b"\x02", b"\xff" * 11 + b"\x01", b"\x80"]),
    FIXED64: st.binary(min_size=7, max_size=8),
    BYTES: st.sampled_from([b"\x00", b"\x01\xff", b"\x05ab", b"\xff\xff\xff\xff\x0f", b"\x02\xc3\x28", b"\x01\x00"]),
    GROUP_START: st.sampled_from([b"", b"\x0c", bytes([11]) * 500]),
    GROUP_END: st.just(b""),
    FIXED32: st.binary(min_size=3, max_size=4),
}
NESTED = b"".join(b"\x0a" + bytes([depth % 120 + 2]) for depth in range(300))


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


@st.composite
def fields(draw: st.DrawFn, numbers: Sequence[int]) -> bytes:
    """Make one field: known or unknown, of any wire type, whole or torn."""
    number = draw(st.sampled_from(numbers) | st.integers(1, 2**29 - 1) | st.sampled_from([0, 2**29]))
    kind = draw(st.integers(0, 7))
    return varint(number << 3 | kind) + draw(PAYLOADS.get(kind, st.binary(max_size=4)))


def wire(valid: bytes, numbers: Sequence[int]) -> st.SearchStrategy[bytes]:
    """Make bytes that are no request, nearly one, or one with more in it than is known."""
    cut = st.integers(0, len(valid)).flatmap(lambda end: st.tuples(st.just(valid[:end]), st.binary(max_size=8)).map(b"".join))
    more = st.lists(fields(numbers), min_size=1, max_size=4).map(lambda found: valid + b"".join(found))
    alone = st.lists(fields(numbers), max_size=6).map(b"".join)
    return st.binary(max_size=200) | cut | more | alone | st.just(NESTED) | st.just(valid + NESTED)


async def token_for(world: World, method: str) -> str:
    """Return a token of somebody who may call the method, a new one where the call may end it."""
    guard = policy(method)
    if guard.roles == {Role.PEER}:
        return world.stack.peer.token(next(home for package, home in HOMES.items() if method[1:].startswith(package)))
    if sample_of(method).spends_token:
        return await world.fresh_token("oscar")
    return "" if guard.open else world.operator


@pytest.fixture(scope="module")
def requests() -> dict[str, Message]:
    """Keep one valid request per RPC."""
    return {}


@pytest.mark.parametrize("method", METHOD_NAMES, ids=short)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_bytes_have_a_typed_answer(world: World, requests: dict[str, Message], method: str, data: st.DataObject) -> None:
    """Unknown fields, wrong wire types, endless numbers, torn and deeply nested messages: never UNKNOWN or INTERNAL.

    Of a method that streams the first message is the answer. Or that none comes: the request was right, and the stream stays open.
    """
    if method not in requests:
        requests[method] = await sample_of(method).build(world)
    valid = requests[method].SerializeToString()
    numbers = [field.number for field in METHODS[method].input_type.fields] or [1]
    sent = data.draw(wire(valid, numbers))
    token = await token_for(world, method)
    before = world.stack.fingerprint()
    streaming = METHODS[method].server_streaming
    reply = await world.stack.call(method, sent, token, timeout_seconds=OPEN_SECONDS if streaming else TIMEOUT_SECONDS)
    if streaming and reply.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return
    assert reply.code not in OURS_TO_BLAME, f"{sent.hex()}: {reply.code.name} {reply.details}"
    assert discreet(f"{reply.details}{reply.status}"), f"{sent.hex()}: tells too much: {reply.details}"
    if reply.code is not grpc.StatusCode.OK:
        assert reply.reason, f"{sent.hex()}: {reply.code.name} {reply.details}"
        assert world.stack.fingerprint() == before, f"{sent.hex()}: refused, and something changed"


@pytest.mark.parametrize("method", UNARY, ids=short)
async def test_who_may_not_call_a_method_learns_nothing_of_its_fields(world: World, method: str) -> None:
    """The role is refused before the request is read: bytes that are no message and values that break a rule are answered alike."""
    guard = policy(method)
    if guard.open or Role.SERVICE in guard.roles:
        pytest.skip("every role may call it")
    token = world.stack.tokens["sensor"]
    for sent in (b"\xff", b"", (await sample_of(method).build(world)).SerializeToString()):
        reply = await world.stack.call(method, sent, token)
        assert (reply.code, reply.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
        assert reply.fields == set()
