"""Check a request against the rules that its proto gives, compiled once per message type."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from charging.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from shared.errors import FieldViolation
from shared.policy import rules_of

DEFAULT_MAX_LENGTH = 1_000
DEFAULT_MAX_ITEMS = 1_000
MAX_VIOLATIONS = 100
"""Most violations reported for one request: enough to mend it, too few to be a burden."""

TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)
"""Years 1 to 9999, what google.protobuf.Timestamp allows."""

NANOS = 1_000_000_000

Check = Callable[[Any, str, list[FieldViolation]], None]
"""Checks one value; appends violations, named by the given path."""


def violations_of(message: Message) -> list[FieldViolation]:
    """Return what is wrong with a request, by field path such as `items[3].amount`; empty when nothing is."""
    found: list[FieldViolation] = []
    _message_check(message.DESCRIPTOR)(message, "", found)
    return found


@cache
def _message_check(descriptor: Descriptor) -> Check:
    if descriptor.full_name == "google.protobuf.Timestamp":
        return _check_timestamp
    checks = [_field_check(field) for field in descriptor.fields]

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        for each in checks:
            if len(found) < MAX_VIOLATIONS:
                each(message, path, found)

    return check


def _check_timestamp(value: Any, path: str, found: list[FieldViolation]) -> None:
    if value.seconds not in TIMESTAMP_SECONDS or not 0 <= value.nanos < NANOS:
        found.append(FieldViolation(path.removesuffix("."), "is not a time between the years 1 and 9999"))


def _field_check(field: FieldDescriptor) -> Check:
    name, rules = field.name, rules_of(field)
    check_value = _value_check(field, rules)
    if field.is_repeated:
        return _list_check(name, rules, check_value if _has_rules(field) else None)
    if field.has_presence:
        return _presence_check(name, rules, check_value)
    required = rules.required

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        value = getattr(message, name)
        if value:
            check_value(value, path + name, found)
        elif required:
            found.append(FieldViolation(path + name, "is required" if value == "" else "is required and must not be 0"))

    return check


def _presence_check(name: str, rules: options_pb2.FieldRules, check_value: Check) -> Check:
    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        if message.HasField(name):
            check_value(getattr(message, name), path + name, found)
        elif rules.required:
            found.append(FieldViolation(path + name, "is required"))

    return check


def _has_rules(field: FieldDescriptor) -> bool:
    """Tell whether the items of a list are to be looked at: messages none of whose fields has a rule are carried unread."""
    if field.message_type is None or field.message_type.full_name == "google.protobuf.Timestamp":
        return True
    return any(rules_of(inner) != options_pb2.FieldRules() for inner in field.message_type.fields)


def _list_check(name: str, rules: options_pb2.FieldRules, check_value: Check | None) -> Check:
    max_items = rules.max_items or DEFAULT_MAX_ITEMS

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        values = getattr(message, name)
        if not values and rules.required:
            found.append(FieldViolation(path + name, "must have at least one item"))
        if len(values) > max_items:
            found.append(FieldViolation(path + name, f"has {len(values)} items, more than the {max_items} allowed"))
            return
        if check_value is None:
            return
        for index, value in enumerate(values):
            if len(found) >= MAX_VIOLATIONS:
                return
            check_value(value, f"{path}{name}[{index}]", found)

    return check


def _value_check(field: FieldDescriptor, rules: options_pb2.FieldRules) -> Check:
    if field.message_type is not None:
        inner = _message_check(field.message_type)
        return lambda value, path, found: inner(value, path + ".", found)
    if field.enum_type is not None:
        return _enum_check(frozenset(field.enum_type.values_by_number))
    if field.type == FieldDescriptor.TYPE_STRING:
        return _string_check(rules)
    return _number_check(rules)


def _enum_check(known: frozenset[int]) -> Check:
    def check(value: int, path: str, found: list[FieldViolation]) -> None:
        if value not in known:
            found.append(FieldViolation(path, "is not one of the known values"))

    return check


def _number_check(rules: options_pb2.FieldRules) -> Check:
    low = rules.min if rules.HasField("min") else None
    high = rules.max if rules.HasField("max") else None

    def check(value: Any, path: str, found: list[FieldViolation]) -> None:
        if low is not None and value < low:
            found.append(FieldViolation(path, f"must be at least {low}"))
        elif high is not None and value > high:
            found.append(FieldViolation(path, f"must be at most {high}"))

    return check


def _string_check(rules: options_pb2.FieldRules) -> Check:
    shortest, longest = rules.min_length, rules.max_length or DEFAULT_MAX_LENGTH
    pattern = re.compile(rules.pattern) if rules.pattern else None

    def check(value: str, path: str, found: list[FieldViolation]) -> None:
        if len(value) > longest:
            found.append(FieldViolation(path, f"has {len(value)} characters, more than the {longest} allowed"))
        elif len(value) < shortest:
            found.append(FieldViolation(path, f"must have at least {shortest} characters"))
        elif "\0" in value:
            found.append(FieldViolation(path, "must not contain a NUL character"))
        elif pattern is not None and not pattern.fullmatch(value):
            found.append(FieldViolation(path, f"must match {pattern.pattern}"))

    return check
