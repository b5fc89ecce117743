"""Single values: from a JSON value, and from the text of a query parameter or a path segment. Both are strict in the same way."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from services.gateway.http.contract import ContractError
from services.gateway.http.json_names import enum_names
from services.gateway.http.times import parse_time
from services.gateway.http.unreadable import UnreadableError

Reader = Callable[[Any], Any]
"""Turns a parsed JSON value into what a message field takes. Raises UnreadableError."""

TextReader = Callable[[str], Any]
"""The same for the text of a query parameter or path segment."""

EXACT_INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON implementation reads exactly (RFC 8259, 6)."""

_INTEGER_RANGES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT64: (-EXACT_INTEGER_MAX, EXACT_INTEGER_MAX),
    FieldDescriptor.TYPE_SINT64: (-EXACT_INTEGER_MAX, EXACT_INTEGER_MAX),
    FieldDescriptor.TYPE_SFIXED64: (-EXACT_INTEGER_MAX, EXACT_INTEGER_MAX),
    FieldDescriptor.TYPE_UINT64: (0, EXACT_INTEGER_MAX),
    FieldDescriptor.TYPE_FIXED64: (0, EXACT_INTEGER_MAX),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
}

_INTEGER_TEXT = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)

TIMESTAMP = "google.protobuf.Timestamp"


def integer_range(field: FieldDescriptor) -> tuple[int, int] | None:
    """Return the smallest and largest value of an integer field, None for a field of another type."""
    return _INTEGER_RANGES.get(field.type)


def scalar_reader(field: FieldDescriptor) -> Reader:
    """Return the reader of one value of a scalar or Timestamp field. Raises ContractError for a type that has no strict JSON form."""
    if (limits := integer_range(field)) is not None:
        return _integer_reader(*limits)
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        return _read_time
    if field.type in _PLAIN_READERS:
        return _PLAIN_READERS[field.type]
    raise ContractError(f"{field.full_name} has a type that this door cannot carry")


def text_reader(field: FieldDescriptor) -> TextReader:
    """Return the reader of a query parameter or path segment; a list of enum values is written with commas between them.

    Raises ContractError for other lists and for messages, which have no form as text.
    """
    if field.is_repeated:
        return _names_reader(field)
    read = scalar_reader(field)
    if integer_range(field) is not None:
        return lambda text: read(int(text) if _INTEGER_TEXT.fullmatch(text) else text)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return lambda text: read({"true": True, "false": False}.get(text, text))
    return read


def _names_reader(field: FieldDescriptor) -> TextReader:
    if field.enum_type is None:
        raise ContractError(f"{field.full_name} is a list and cannot be a query parameter or path variable")
    read = _enum_reader(field.enum_type)
    return lambda text: [read(name) for name in text.split(",")]


def _integer_reader(low: int, high: int) -> Reader:
    def read(value: object) -> int:
        if type(value) is not int:  # bool is a subclass of int, and `true` is no number
            raise UnreadableError.of("must be an integer")
        if low <= value <= high:
            return value
        raise UnreadableError.of(f"must be an integer from {low} to {high}")

    return read


def read_string(value: object) -> str:
    """Return a JSON string that UTF-8 and PostgreSQL can hold. Raises UnreadableError."""
    if type(value) is not str:
        raise UnreadableError.of("must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnreadableError.of("must not hold half of a surrogate pair") from None
    if "\0" in value:
        raise UnreadableError.of("must not hold the character NUL")
    return value


def _read_bool(value: object) -> bool:
    if value is True or value is False:
        return value
    raise UnreadableError.of("must be true or false")


def _read_bytes(value: object) -> bytes:
    try:
        return base64.b64decode(read_string(value).encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise UnreadableError.of("must be base64") from None


def _read_time(value: object) -> object:
    try:
        return parse_time(read_string(value))
    except ValueError:
        # In a query a bare + is a space, the usual reason for a time with an offset to arrive broken.
        raise UnreadableError.of("must be an RFC 3339 time such as 2026-01-31T12:00:00Z (in a query, + is written %2B)") from None


def _enum_reader(enum: EnumDescriptor) -> Reader:
    numbers = {name: number for number, name in enum_names(enum).items() if number != 0}
    allowed = ", ".join(numbers)

    def read(value: object) -> int:
        number = numbers.get(value) if type(value) is str else None
        if number is None:
            raise UnreadableError.of(f"must be one of: {allowed}")
        return number

    return read


_PLAIN_READERS: Mapping[int, Reader] = {
    FieldDescriptor.TYPE_STRING: read_string,
    FieldDescriptor.TYPE_BOOL: _read_bool,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
}
