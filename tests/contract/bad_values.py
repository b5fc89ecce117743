"""Wrong values for every field of the contract, made from its descriptors and rules: at the wire, and as JSON and query text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.gateway.http.json_names import json_name
from shared.maps import is_map
from shared.policy import rules_of
from tests.contract.contract import INNER

TIMESTAMP = "google.protobuf.Timestamp"
INTEGERS = frozenset({FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64})
WIDEST = {FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1), FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1)}
DEFAULT_MAX_ITEMS = 1_000


@dataclass(frozen=True)
class Fault:
    """One wrong request: `what` is wrong with the field at `path`, as the door names fields."""

    path: str
    what: str
    request: Any


def wire_faults(request: Message) -> Iterator[Fault]:
    """Yield copies of a valid request, each with one value that protobuf can carry and the rules forbid."""
    yield from _of_message(request, request, "")


def _of_message(whole: Message, part: Message, prefix: str) -> Iterator[Fault]:
    fields: Any = part.DESCRIPTOR.fields  # the type stubs give two types of descriptors
    for field in fields:
        path = prefix + field.name
        if is_map(field):
            yield from _of_map(whole, part, field, path)
        elif field.is_repeated:
            yield from _of_list(whole, part, field, path)
        elif field.message_type is not None:
            yield from _of_submessage(whole, part, field, path)
        else:
            for what, value in _bad_scalars(field):
                if value == field.default_value and not rules_of(field).required and not field.has_presence:
                    continue  # the wire cannot tell it from an absent value
                yield _with(whole, part, field, path, what, value)


def _with(whole: Message, part: Message, field: FieldDescriptor, path: str, what: str, value: object) -> Fault:
    """Return the fault of a copy of `whole` in which the field of `part` has the value; `part` itself stays as it is."""
    had, before = (part.HasField(field.name) if field.has_presence else True), getattr(part, field.name)
    setattr(part, field.name, value)
    changed = type(whole)()
    changed.CopyFrom(whole)
    setattr(part, field.name, before)
    if not had:
        part.ClearField(field.name)
    return Fault(path, what, changed)


def _of_list(whole: Message, part: Message, field: Any, path: str) -> Iterator[Fault]:
    rules = rules_of(field)
    kept = list(getattr(part, field.name))
    if field.message_type is not None:
        kept = [type(item).FromString(item.SerializeToString()) for item in kept]

    def fill(values: list[Any]) -> None:
        part.ClearField(field.name)
        getattr(part, field.name).extend(values)

    def fault(path: str, what: str, values: list[Any]) -> Fault:
        fill(values)
        changed = type(whole)()
        changed.CopyFrom(whole)
        fill(kept)
        return Fault(path, what, changed)

    if rules.required:
        yield fault(path, "no item", [])
    if kept:
        yield fault(path, "too many items", kept[:1] * ((rules.max_items or DEFAULT_MAX_ITEMS) + 1))
    if field.message_type is None:
        for what, value in _bad_scalars(field):
            yield fault(f"{path}[0]", what, [value])
    elif kept and field.message_type.full_name not in INNER:
        yield from _of_message(whole, getattr(part, field.name)[0], f"{path}[0].")


def _of_map(whole: Message, part: Message, field: Any, path: str) -> Iterator[Fault]:
    rules = rules_of(field)
    entries = getattr(part, field.name)
    kept = dict(entries)

    def fault(path: str, what: str, values: dict[str, str]) -> Fault:
        entries.clear()
        entries.update(values)
        changed = type(whole)()
        changed.CopyFrom(whole)
        entries.clear()
        entries.update(kept)
        return Fault(path, what, changed)

    yield fault(path, "too many entries", {f"key{number}": "x" for number in range(rules.max_items + 1)})
    yield fault(path, "empty key", {"": "x"})
    yield fault(path, "key too long", {"k" * (rules.max_key_length + 1): "x"})
    yield fault(f"{path}.color", "value too long", {"color": "x" * (rules.max_length + 1)})
    yield fault(f"{path}.color", "NUL in a value", {"color": "a\0b", "size": "x"})
    yield fault(path, "NUL in a key", {"a\0b": "x"})
    if rules.key_pattern:
        yield from (fault(path, f"key {key!r}", {key: "x"}) for key in ("é\n", "a b", "[0]", " ", "color\n"))
    if rules.max_bytes:
        value = "\U0001f600" * rules.max_length
        yield fault(path, "too many bytes", {f"key{number}": value for number in range(rules.max_bytes // (4 * rules.max_length) + 1)})


def _of_submessage(whole: Message, part: Message, field: Any, path: str) -> Iterator[Fault]:
    inner = getattr(part, field.name)
    had = part.HasField(field.name)
    if field.message_type.full_name == TIMESTAMP:
        for what, seconds, nanos in (
            ("year 0", -62_135_596_801, 0),
            ("year 10000", 253_402_300_800, 0),
            ("nanos", 0, -1),
            ("nanos", 0, 10**9),
        ):
            before = inner.SerializeToString()
            inner.seconds, inner.nanos = seconds, nanos
            changed = type(whole)()
            changed.CopyFrom(whole)
            part.ClearField(field.name)
            inner = getattr(part, field.name)
            if had:
                inner.MergeFromString(before)  # a later fault is to be the only one
            yield Fault(path, what, changed)
        return
    if not had:
        inner.SetInParent()
        for inner_field in inner.DESCRIPTOR.fields:
            good = max(rules_of(inner_field).min, 1) if inner_field.type in INTEGERS else "x"
            if inner_field.type in INTEGERS and inner_field.is_repeated:
                getattr(inner, inner_field.name).append(good)
            elif inner_field.type in INTEGERS or (inner_field.type == FieldDescriptor.TYPE_STRING and rules_of(inner_field).required):
                setattr(inner, inner_field.name, good)
    yield from _of_message(whole, inner, f"{path}.")
    if not had:
        part.ClearField(field.name)


def _bad_scalars(field: FieldDescriptor) -> Iterator[tuple[str, Any]]:
    rules = rules_of(field)
    if field.type in INTEGERS:
        low, high = WIDEST[field.type]
        values = {0, -1, low, high, 2**53} if field.type == FieldDescriptor.TYPE_INT64 else {0, -1, low, high}
        values |= {rules.min - 1, rules.max + 1}
        for value in sorted(values):
            below, above = rules.HasField("min") and value < rules.min, rules.HasField("max") and value > rules.max
            if below or above or (value == 0 and rules.required and not field.is_repeated):
                yield str(value), value
    elif field.enum_type is not None:
        yield from (("unknown value", 99), ("negative value", -1))
        if rules.required:
            yield "unspecified", 0
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield "NUL", "a\0b"
        yield "too long", "a" * ((rules.max_length or 1_000) + 1)
        if rules.min_length > 1:
            yield "too short", "a" * (rules.min_length - 1)
        if rules.required or (rules.min_length and field.has_presence):
            yield "empty", ""
        if rules.pattern:
            yield from (("against the pattern", "é\n"), ("line break at the end", "a\n"))
        if field.name == "page_token":
            yield from ((f"made up: {token}", token) for token in ("x", "!!!", "WyJhIiwiYiJd", "bnVsbA", "WzFlNDAwXQ"))


def json_texts(field: FieldDescriptor) -> Iterator[str]:
    """Yield JSON texts that are wrong for a field."""
    if is_map(field):
        yield from _map_texts(field)
    elif field.is_repeated:
        yield from ("{}", '"x"', "1", "null", "[null]", "[[]]", "true")
        yield from (f"[{text}]" for text in ("1.0", '"1"', "true", "-1", "0", str(2**53)) if field.message_type is None)
        if field.message_type is not None:
            yield from ("[1]", '[{"unheard_of": 1}]')
    elif field.message_type is not None and field.message_type.full_name != TIMESTAMP:
        yield from ("[]", '"x"', "1", "null", "true", '{"unheard_of": 1}')
    else:
        yield from _scalar_texts(field)


def _map_texts(field: FieldDescriptor) -> Iterator[str]:
    rules = rules_of(field)
    yield from ("[]", '"x"', "1", "null", "true", "1.5", '[["color", "red"]]', '[{"key": "color", "value": "red"}]')
    for value in ("5", "1.5", "true", "null", "[]", "{}", '"a\\u0000b"', '"\\ud800"', json.dumps("a" * (rules.max_length + 1))):
        yield f'{{"color": {value}}}'
    for key in ("", "\\u0000", "\\ud800", "k" * (rules.max_key_length + 1), "a b", "a\\r\\nX-Injected: 1"):
        yield f'{{"{key}": "x"}}'
    yield '{"color": "red", "color": "red"}'
    yield json.dumps({f"key{number}": "x" for number in range(rules.max_items + 1)})


def _scalar_texts(field: FieldDescriptor) -> Iterator[str]:
    rules = rules_of(field)
    yield from ("null", "[]", "{}", "1.5")
    if field.type in INTEGERS:
        yield from ('"5"', '""', "true", "1.0", "1e2", "1E0", "-0.0", "-1", str(2**53), str(2**63), str(2**64), str(-(2**63)), "9" * 5_000)
        if rules.required:
            yield "0"
    elif field.type == FieldDescriptor.TYPE_BOOL:
        yield from ("0", "1", '"true"', '"yes"')
    elif field.enum_type is not None:
        full = json.dumps(field.enum_type.values[1].name)
        yield from ("1", "true", '""', '"nonsense"', full, '"unspecified"', '"\\u0000"')
    elif field.message_type is not None:
        yield from (
            "0",
            "true",
            '""',
            '"yesterday"',
            '"2026-13-01T00:00:00Z"',
            '"2026-01-01"',
            '"2026-01-01T00:00:00"',
            '"0000-01-01T00:00:00Z"',
        )
    else:
        yield from ("5", "true", '"a\\u0000b"', '"\\ud800"', json.dumps("a" * ((rules.max_length or 1_000) + 1)))
        if rules.required:
            yield '""'
        if rules.pattern:
            yield from ('"é "', '"a\\r\\nX-Injected: 1"')


def query_texts(field: FieldDescriptor) -> Iterator[str]:
    """Yield texts, percent-encoded, that are wrong for a field in a query or path."""
    rules = rules_of(field)
    if field.type in INTEGERS:
        yield from (
            "1.5",
            "1.0",
            "1e2",
            "abc",
            "true",
            "null",
            "-1",
            "+1",
            "%201",
            "1_0",
            "0x10",
            "%D9%A1",
            "%EF%BC%91",
            "01",
            "a%00",
            "%0d%0aX:1",
        )
        yield from (str(2**53), str(2**63), str(2**64), "9" * 5_000)
        if rules.required:
            yield "0"
    elif field.enum_type is not None:
        yield from ("1", "nonsense", field.enum_type.values[1].name, "unspecified", "%00")
    elif field.message_type is not None:
        yield from ("0", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01")
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield from ("a%00b", "a" * (rules.max_length + 1))
        if rules.pattern or field.name == "page_token":
            yield from ("%C3%A9%20", "a%0d%0aX-Injected:%201")


def name_of(field: FieldDescriptor) -> str:
    """Return the name by which the HTTP door speaks of a field."""
    return json_name(field)
