"""Wrong values in every field of every request: a typed refusal that names the field, nothing changed, nothing shown."""

import json
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.gateway.http.bindings import Binding
from shared.maps import is_map
from shared.policy import http_facts_of, rules_of
from shared.principal import Role
from tests.contract.bad_values import json_texts, name_of, query_texts, wire_faults
from tests.contract.contract import BINDINGS, METHODS, body_of, json_of, path_of, policy, short
from tests.contract.samples import METHOD_NAMES, sample_of
from tests.contract.stack import HOMES, PASSWORD
from tests.contract.world import World
from tests.databases import PASSWORDS

WITH_FIELDS = [name for name in METHOD_NAMES if METHODS[name].input_type.fields]
SECRETS = (*PASSWORDS.values(), PASSWORD, "postgresql://", "redis://", "PRIVATE KEY", "$argon2")
INNARDS = ("Traceback", "psycopg", "SELECT ", "INSERT ", "UPDATE ", "search_path", "site-packages", str(Path(__file__).parents[2]), ".py")
MARK = "@@here@@"

WITH_BODY = [binding for binding in BINDINGS if binding.takes_body]


def every_binding(of: list[Binding]) -> pytest.MarkDecorator:
    """Run a test once per HTTP binding."""
    return pytest.mark.parametrize("binding", of, ids=lambda each: f"{each.http_method} {each.template}")


async def token_for(world: World, method: str) -> str:
    """Return the token of somebody who may make the sample's call."""
    guard = policy(method)
    if guard.roles == {Role.PEER}:
        return world.stack.peer.token(next(home for package, home in HOMES.items() if method[1:].startswith(package)))
    return "" if guard.open else world.operator


def method_of(binding: Binding) -> str:
    """Return the full name of a binding's method."""
    return f"/{binding.method.containing_service.full_name}/{binding.method.name}"


def discreet(text: str) -> bool:
    """Tell whether an answer shows nothing of the inside."""
    return not any(word in text for word in (*SECRETS, *INNARDS))


def problem_with(answer: httpx.Response, statuses: set[int]) -> str:
    """Return what is wrong with a refusal, empty when it is a well-made one."""
    if answer.status_code not in statuses:
        return f"status {answer.status_code}: {answer.text[:200]}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"content type {answer.headers['content-type']}"
    document = answer.json()
    if not {"type", "title", "status", "detail", "reason", "request_id", "errors"} <= set(document):
        return f"not a problem document: {document}"
    if "x-injected" in answer.headers:
        return "a header was injected"
    return "" if discreet(answer.text) else f"tells too much: {answer.text[:300]}"


def names(answer: httpx.Response, field: str) -> bool:
    """Tell whether a refusal names the field, or a part of it."""
    return any(error["field"].startswith(field) for error in answer.json()["errors"])


@pytest.mark.parametrize("method", WITH_FIELDS, ids=short)
async def test_grpc_names_the_field_whose_value_breaks_its_rules(world: World, method: str) -> None:
    """Every value that protobuf can carry and the rules forbid is INVALID_ARGUMENT with the field's path, and changes nothing."""
    request = await sample_of(method).build(world)
    token = await token_for(world, method)
    before = world.stack.fingerprint()
    wrong = []
    for fault in list(wire_faults(request)):
        reply = await world.stack.call(method, fault.request, token)
        named = {field for field in reply.fields if field.startswith(fault.path)}
        if reply.code is not grpc.StatusCode.INVALID_ARGUMENT or not named or not discreet(f"{reply.details}{reply.status}"):
            wrong.append(f"{fault.path} ({fault.what}): {reply.code.name} {reply.details[:200]} {reply.fields}")
    assert wrong == []
    assert world.stack.fingerprint() == before


@pytest.mark.parametrize("method", METHOD_NAMES, ids=short)
@pytest.mark.parametrize(
    "content", [b"\xff\xff\xff", b"\x0a\xff", b"\x08" + b"\xff" * 11, b"\x0a\x02\xc3\x28"], ids=["tag", "length", "varint", "utf8-or-type"]
)
async def test_grpc_refuses_bytes_that_are_no_message(world: World, method: str, content: bytes) -> None:
    """Bytes that cannot be parsed are the caller's fault and said to be so, without a word of the parser."""
    if content == b"\x0a\x02\xc3\x28" and not _first_field_is_text(method):
        content = b"\x0b"  # a group that never ends
    before = world.stack.fingerprint()
    reply = await world.stack.call(method, content, await token_for(world, method))
    assert reply.code is grpc.StatusCode.INVALID_ARGUMENT, reply.details
    assert discreet(f"{reply.details}{reply.status}")
    assert world.stack.fingerprint() == before


def _first_field_is_text(method: str) -> bool:
    field = METHODS[method].input_type.fields_by_number.get(1)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING


@every_binding(WITH_BODY)
async def test_json_of_the_wrong_kind_names_its_field(world: World, binding: Binding) -> None:
    """Floats, texts, booleans, nulls, numbers out of range and the like are 400 with the field's JSON name, and change nothing."""
    method = method_of(binding)
    request = await sample_of(method).build(world)
    token = await token_for(world, method)
    before = world.stack.fingerprint()
    wrong = []
    for field in binding.method.input_type.fields:
        if field.name in binding.variables:
            continue
        for text in json_texts(field):
            answer = await _send_json(world, binding, request, token, {name_of(field): MARK}, text)
            problem = problem_with(answer, {400}) or (
                "" if names(answer, name_of(field)) or _too_long(text) else f"not named: {answer.text}"
            )
            if problem:
                wrong.append(f"{name_of(field)} = {text[:60]}: {problem}")
    for field, inner, text in _nested(request):
        values = json_of(request)[name_of(field)]
        answer = await _send_json(world, binding, request, token, {name_of(field): [{**values[0], name_of(inner): MARK}]}, text)
        problem = problem_with(answer, {400}) or (
            "" if names(answer, f"{name_of(field)}[0]") or _too_long(text) else f"not named: {answer.text}"
        )
        if problem:
            wrong.append(f"{name_of(field)}[0].{name_of(inner)} = {text[:60]}: {problem}")
    assert wrong == []
    assert world.stack.fingerprint() == before


def _nested(request: Message) -> list[tuple[Any, FieldDescriptor, str]]:
    """Return the fields of list items that are messages, each with every text that is wrong for it."""
    lists = [field for field, _ in request.ListFields() if field.is_repeated and field.message_type is not None and not is_map(field)]
    return [(field, inner, text) for field in lists for inner in _fields_of(field) for text in json_texts(inner)]


def _fields_of(field: Any) -> list[FieldDescriptor]:
    return list(field.message_type.fields)


def _too_long(text: str) -> bool:
    """Tell whether the text is a number too long for the parser itself, which cannot know the field."""
    return text.lstrip("[").startswith("9999")


async def _send_json(world: World, binding: Binding, request: Message, token: str, change: dict[str, Any], text: str) -> httpx.Response:
    values = {**json_of(request), **change}
    content = json.dumps(body_of(binding, values)).replace(f'"{MARK}"', text).encode()
    return await world.stack.send(binding.http_method, path_of(binding, values), token, content=content)


@every_binding(WITH_BODY)
async def test_missing_unknown_and_repeated_fields_are_named(world: World, binding: Binding) -> None:
    """A body without a required field, with one field too many, or with a field twice is refused by name."""
    method = method_of(binding)
    request = await sample_of(method).build(world)
    token = await token_for(world, method)
    values = json_of(request)
    body = body_of(binding, values)
    assert body is not None
    path = path_of(binding, values)
    before = world.stack.fingerprint()
    cases = [(json.dumps({**body, "unheard_of": 1}), "unheard_of"), (json.dumps({**body, "__proto__": {}}), "__proto__")]
    for name, value in body.items():
        cases.append((json.dumps(body)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}", name))
    for field in binding.method.input_type.fields:
        if field.name in binding.variables:
            continue
        if rules_of(field).required:
            cases.append((json.dumps({key: item for key, item in body.items() if key != name_of(field)}), name_of(field)))
        if name_of(field) != field.name:
            cases.append((json.dumps({**body, field.name: 1}), field.name))
    for content, name in cases:
        answer = await world.stack.send(binding.http_method, path, token, content=content.encode())
        assert problem_with(answer, {400}) == "", content
        assert names(answer, name), (content, answer.text)
    assert world.stack.fingerprint() == before


NOT_OBJECTS = {
    "nothing": b"",
    "text": b"hello",
    "half": b'{"amount": ',
    "list": b"[]",
    "number": b"1",
    "null": b"null",
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": Infinity}',
    "deep list": b"[" * 30_000,
    "deep object": b'{"a":' * 10_000,
    "bad UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "two": b"{} {}",
    "comment": b"{} // all",
    "single quotes": b"{'amount': 1}",
    "NUL": b"\0",
}


@pytest.mark.parametrize("content", NOT_OBJECTS.values(), ids=NOT_OBJECTS)
async def test_a_body_that_is_no_json_object_is_refused(world: World, content: bytes) -> None:
    """Every method that takes a body says that this one cannot be read, and changes nothing."""
    before = world.stack.fingerprint()
    for binding in WITH_BODY:
        required = [field for field in binding.method.input_type.fields if rules_of(field).required]
        if content == b"" and all(field.name in binding.variables for field in required):
            continue  # nothing is missing from it
        token = await token_for(world, method_of(binding))
        answer = await world.stack.send(binding.http_method, path_of(binding, {"id": 1}), token, content=content)
        assert problem_with(answer, {400}) == "", (binding.template, answer.text)
    assert world.stack.fingerprint() == before


@every_binding(WITH_BODY)
async def test_a_body_too_large_or_of_another_type_is_refused(world: World, binding: Binding) -> None:
    """413 beyond the documented size, 415 for what is not JSON by its headers."""
    token, path = await token_for(world, method_of(binding)), path_of(binding, {"id": 1})
    largest = http_facts_of(binding.method).max_body_bytes or 65_536
    before = world.stack.fingerprint()
    # The head alone: a client that is still sending when the connection closes may never see the answer.
    head = f"{binding.http_method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {largest + 1}\r\n"
    refusal = await world.stack.send_raw(f"{head}authorization: Token {token}\r\n\r\n".encode())
    assert refusal.startswith(b"HTTP/1.1 413 ")
    assert b'"reason":"BODY_TOO_LARGE"' in refusal
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonx"):
        answer = await world.stack.send(binding.http_method, path, token, content=b"{}", headers={"content-type": content_type})
        assert problem_with(answer, {415}) == "", content_type
    answer = await world.stack.send(binding.http_method, path, token, content=b"{}", headers={"content-encoding": "gzip"})
    assert problem_with(answer, {415}) == ""
    assert world.stack.fingerprint() == before


@every_binding([binding for binding in BINDINGS if not binding.takes_body])
async def test_query_text_of_the_wrong_kind_names_its_field(world: World, binding: Binding) -> None:
    """The same for parameters of a query and variables of a path, and for unknown and repeated ones."""
    method = method_of(binding)
    request = await sample_of(method).build(world)
    token = await token_for(world, method)
    values = json_of(request)
    before = world.stack.fingerprint()
    wrong = []
    for field in binding.method.input_type.fields:
        for text in query_texts(field):
            path = path_of(binding, {**values, name_of(field): MARK}).replace("%40%40here%40%40", text)
            answer = await world.stack.send(binding.http_method, path, token)
            problem = problem_with(answer, {400}) or ("" if names(answer, name_of(field)) else f"not named: {answer.text[:200]}")
            if problem:
                wrong.append(f"{name_of(field)} = {text[:60]}: {problem}")
    for name in ("unheard_of", "page_size[]"):
        path = path_of(binding, values)
        answer = await world.stack.send(binding.http_method, f"{path}{'&' if '?' in path else '?'}{name}=1", token)
        if problem := problem_with(answer, {400}) or ("" if names(answer, name) else "not named"):
            wrong.append(f"{name}: {problem}")
    answer = await world.stack.send(binding.http_method, path_of(binding, values), token, content=b"{}")
    wrong += [problem] if (problem := problem_with(answer, {400})) else []
    assert wrong == []
    assert world.stack.fingerprint() == before
