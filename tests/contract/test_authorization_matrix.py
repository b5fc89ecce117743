"""Every role, on every RPC, on its own and on another's objects, at both doors. What is expected comes from the contract alone."""

import json
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.gateway.http.bindings import Binding
from shared.policy import http_facts_of
from shared.principal import Role
from tests.contract.contract import BINDINGS, METHODS, body_of, json_of, path_of, policy, response_of, short
from tests.contract.samples import METHOD_NAMES, SAMPLES, Ownership, missing_request, sample_of
from tests.contract.stack import HOMES, Reply
from tests.contract.world import World

CALLERS: dict[str, tuple[Role | None, bool]] = {
    "anonymous": (None, False),
    "olga": (Role.OPERATOR, True),
    "paula": (Role.PARTNER, True),
    "peter": (Role.PARTNER, False),
    "sensor": (Role.SERVICE, True),
    "stranger": (Role.SERVICE, False),
    "peer": (Role.PEER, True),
}
"""Who calls: the role, and whether the sample's objects are theirs to see."""

HTTP_STATUS = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403, grpc.StatusCode.NOT_FOUND: 404}
VARYING_HEADERS = {"x-request-id", "date", "content-length", "ratelimit"}
"""`ratelimit` counts the caller's own requests down; the length follows the digits of the id that the caller sent."""


def expected(method: str, caller: str) -> grpc.StatusCode:
    """Return the outcome that the policy promises."""
    guard, (role, owner) = policy(method), CALLERS[caller]
    if guard.open:
        return grpc.StatusCode.OK
    if role is None:
        return grpc.StatusCode.UNAUTHENTICATED
    if role not in guard.roles:
        return grpc.StatusCode.PERMISSION_DENIED
    if not owner and sample_of(method).ownership in (Ownership.VENDOR, Ownership.OBJECT):
        return grpc.StatusCode.NOT_FOUND
    return grpc.StatusCode.OK


async def token_of(world: World, method: str, caller: str) -> str:
    """Return the caller's token; one more where the call ends it."""
    if caller == "anonymous":
        return ""
    if caller == "peer":
        return world.stack.peer.token(next(home for package, home in HOMES.items() if method[1:].startswith(package)))
    return await world.fresh_token(caller) if sample_of(method).spends_token else world.stack.tokens[caller]


async def over_http(world: World, binding: Binding, request: Message, token: str) -> httpx.Response:
    """Send a request by one of its HTTP bindings."""
    values = json_of(request)
    return await world.stack.send(binding.http_method, path_of(binding, values), token, body_of(binding, values))


def test_every_method_has_a_sample() -> None:
    """An RPC that is new in the contract is not left out of the matrix, and none is left over."""
    for method in METHODS:
        sample_of(method)
    assert set(SAMPLES) == set(METHODS)


@pytest.mark.parametrize("method", METHOD_NAMES, ids=short)
def test_a_sample_says_whose_objects_it_names(method: str) -> None:
    """A policy with a vendor field goes with a sample that is tried by strangers."""
    assert (sample_of(method).ownership is Ownership.VENDOR) == bool(policy(method).vendor_path)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("method", METHOD_NAMES, ids=short)
async def test_grpc_lets_through_whom_the_policy_names(world: World, method: str, caller: str) -> None:
    """At gRPC the outcome of a valid request is what role and ownership say, and a refusal changes nothing."""
    request = await sample_of(method).build(world)
    token = await token_of(world, method, caller)
    before = world.stack.fingerprint()
    reply = await world.stack.call(method, request, token)
    assert reply.code is expected(method, caller), reply.details
    if reply.code is not grpc.StatusCode.OK:
        assert reply.reason
        assert world.stack.fingerprint() == before


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("binding", BINDINGS, ids=lambda each: f"{each.http_method} {each.template}")
async def test_http_lets_through_whom_the_policy_names(world: World, binding: Binding, caller: str) -> None:
    """At HTTP the same request has the same outcome, a refusal as a problem document."""
    method = f"/{binding.method.containing_service.full_name}/{binding.method.name}"
    request = await sample_of(method).build(world)
    token = await token_of(world, method, caller)
    before = world.stack.fingerprint()
    answer = await over_http(world, binding, request, token)
    outcome = expected(method, caller)
    if outcome is grpc.StatusCode.OK:
        assert answer.status_code == (http_facts_of(binding.method).status or 200), answer.text
        return
    assert answer.status_code == HTTP_STATUS[outcome], answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.stack.fingerprint() == before


def named(request: Message) -> dict[str, str]:
    """Return the ids in a request as an answer may repeat them."""
    return {name: str(value) for name, value in _leaves(json_of(request)).items() if not name.endswith("key")}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: leaf for key, item in value.items() for name, leaf in _leaves(item, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {name: leaf for index, item in enumerate(value) for name, leaf in _leaves(item, f"{path}[{index}]").items()}
    return {path: value}


def without_ids(text: str, request: Message, other: Message) -> str:
    """Return an answer with the ids in which the two requests differ cut out."""
    mine, theirs = named(request), named(other)
    for name in mine:
        if mine[name] != theirs[name]:
            text = text.replace(f" {mine[name]}", " <id>").replace(f'"{mine[name]}"', '"<id>"')
    return text


def visible_of_reply(reply: Reply, request: Message, other: Message) -> tuple[object, ...]:
    """Return everything that a caller can see of a refusal but request id and the id it sent itself."""
    status = json.dumps(MessageToDict(reply.status), sort_keys=True)
    trailers = {key: value for key, value in reply.trailers.items() if key not in VARYING_HEADERS | {"grpc-status-details-bin"}}
    return reply.code, without_ids(reply.details, request, other), without_ids(status, request, other), trailers


def visible_of_answer(answer: httpx.Response, request: Message, other: Message) -> tuple[object, ...]:
    """Return the same of an HTTP answer."""
    body = json.dumps({name: value for name, value in answer.json().items() if name != "request_id"}, ensure_ascii=False)
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING_HEADERS}
    return answer.status_code, without_ids(body, request, other), headers


HIDING = [method for method in METHOD_NAMES if SAMPLES[method].ownership in (Ownership.VENDOR, Ownership.OBJECT)]


@pytest.mark.parametrize("caller", ["peter", "stranger"])
@pytest.mark.parametrize("method", HIDING, ids=short)
async def test_anothers_object_answers_exactly_like_a_missing_one(world: World, method: str, caller: str) -> None:
    """A stranger cannot tell another vendor's object from one that does not exist, at either door."""
    if CALLERS[caller][0] not in policy(method).roles:
        return
    token = world.stack.tokens[caller]
    theirs, missing = await sample_of(method).build(world), await missing_request(method, world)
    replies = [await world.stack.call(method, request, token) for request in (theirs, missing)]
    assert replies[0].code is grpc.StatusCode.NOT_FOUND
    assert visible_of_reply(replies[0], theirs, missing) == visible_of_reply(replies[1], missing, theirs)
    for binding in [binding for binding in BINDINGS if binding.method is METHODS[method]]:
        answers = [await over_http(world, binding, request, token) for request in (theirs, missing)]
        assert visible_of_answer(answers[0], theirs, missing) == visible_of_answer(answers[1], missing, theirs)


def test_a_method_that_names_no_vendor_is_confined_or_harmless() -> None:
    """Every method that partners or services may call is tried by strangers, or known to show nobody's objects."""
    harmless = {"TokenService/CreateToken", "TokenService/RevokeToken", "CustomerService/CreateCustomer"}
    for method in METHODS:
        if policy(method).roles & {Role.PARTNER, Role.SERVICE}:
            assert sample_of(method).ownership is not Ownership.NONE or short(method) in harmless, method


def test_responses_of_the_contract_can_be_read() -> None:
    """The helper that reads responses knows every method."""
    assert all(response_of(method, b"") is not None for method in METHODS)
