"""Check a request against the rules that its proto gives, compiled once per message type."""

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from charging.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from shared.errors import FieldViolation
from shared.maps import is_text_map
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
    by_number = {field.number: (check, rules_of(field).required) for field, check in zip(descriptor.fields, checks, strict=True)}
    required = sum(rules_of(field).required for field in descriptor.fields)

    def check_set_fields(message: Any, path: str, found: list[FieldViolation]) -> bool:
        """Tell whether all is well, looking only at the fields that are set: most are not, and reading one costs more than its rules."""
        missing = required
        for field, _ in message.ListFields():
            check_field, needed = by_number[field.number]
            check_field(message, path, found)
            missing -= needed
        return not missing and not found

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        if check_set_fields(message, path, []):
            return
        for each in checks:
            if len(found) < MAX_VIOLATIONS:
                each(message, path, found)

    return check


def _check_timestamp(value: Any, path: str, found: list[FieldViolation]) -> None:
    if value.seconds not in TIMESTAMP_SECONDS or not 0 <= value.nanos < NANOS:
        found.append(FieldViolation(path.removesuffix("."), "is not a time between the years 1 and 9999"))


def _field_check(field: FieldDescriptor) -> Check:
    name, rules = field.name, rules_of(field)
    if is_text_map(field):
        return _map_check(name, rules)
    check_value = _value_check(field, rules)
    if field.is_repeated:
        return _list_check(name, rules, check_value if _has_rules(field) else None, _range_of(field, rules))
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


def _range_of(field: FieldDescriptor, rules: options_pb2.FieldRules) -> tuple[float, float] | None:
    """Return the bounds of a list of plain numbers, None for other lists."""
    if field.message_type is not None or field.enum_type is not None or field.type == FieldDescriptor.TYPE_STRING:
        return None
    return rules.min if rules.HasField("min") else -math.inf, rules.max if rules.HasField("max") else math.inf


def _list_check(name: str, rules: options_pb2.FieldRules, check_value: Check | None, bounds: tuple[float, float] | None = None) -> Check:
    """Check a list. Numbers are looked at all at once; one by one only to tell which of them is out of bounds."""
    max_items = rules.max_items or DEFAULT_MAX_ITEMS

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        values = getattr(message, name)
        if not values and rules.required:
            found.append(FieldViolation(path + name, "must have at least one item"))
        if len(values) > max_items:
            found.append(FieldViolation(path + name, f"has {len(values)} items, more than the {max_items} allowed"))
            return
        if check_value is None or not values:
            return
        if bounds is not None and bounds[0] <= min(values) and max(values) <= bounds[1]:
            return
        for index, value in enumerate(values):
            if len(found) >= MAX_VIOLATIONS:
                return
            check_value(value, f"{path}{name}[{index}]", found)

    return check


def _map_check(name: str, rules: options_pb2.FieldRules) -> Check:
    """Check a map from text to text. A bad value is named by its key, a bad key by the map itself: it may be of any form and length."""
    max_entries = rules.max_items or DEFAULT_MAX_ITEMS
    check_key, check_value = _key_check(rules), _string_check(rules)

    def check(message: Any, path: str, found: list[FieldViolation]) -> None:
        entries = getattr(message, name)
        if not entries:
            if rules.required:
                found.append(FieldViolation(path + name, "must have at least one entry"))
            return
        if len(entries) > max_entries:
            found.append(FieldViolation(path + name, f"has {len(entries)} entries, more than the {max_entries} allowed"))
            return
        for key, value in sorted(entries.items()):
            if fault := check_key(key):
                found.append(FieldViolation(path + name, fault))
            elif value:
                check_value(value, f"{path}{name}.{key}", found)
        size = sum(len(key.encode()) + len(value.encode()) for key, value in entries.items())
        if size > (rules.max_bytes or size):
            found.append(FieldViolation(path + name, f"has {size} bytes, more than the {rules.max_bytes} allowed"))

    return check


def _key_check(rules: options_pb2.FieldRules) -> Callable[[str], str]:
    """Return what tells the fault of a map's key, empty when there is none."""
    longest = rules.max_key_length or DEFAULT_MAX_LENGTH
    pattern = re.compile(rules.key_pattern) if rules.key_pattern else None

    def fault_of(key: str) -> str:
        if not key:
            return "has an empty key"
        if len(key) > longest:
            return f"has a key of {len(key)} characters, more than the {longest} allowed"
        if "\0" in key:
            return "has a key with a NUL character"
        if pattern is not None and not pattern.fullmatch(key):
            return f"has the key {key!a}, which must match {pattern.pattern}"
        return ""

    return fault_of


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
