"""Messages to JSON: one writer per message type, compiled once.

Plain fields and lists are always there; `optional` fields and messages are left out when unset, and maps when empty. 64-bit integers are
JSON numbers.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.http.contract import ContractError, refuse_recursion
from services.gateway.http.json_maps import refuse_other_maps, write_map
from services.gateway.http.json_names import enum_names, fields_by_json_name
from services.gateway.http.scalars import TIMESTAMP, integer_range
from services.gateway.http.times import format_time
from shared.maps import is_map

Writer = Callable[[Any], Any]
"""Turns a field's value into what `encode_json` takes."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def encode_json(value: object) -> bytes:
    """Return the JSON text of plain values, in UTF-8."""
    return _ENCODE(value).encode()


class JsonWriter:
    """Writes messages; keeps the compiled writers, so that a type used in many places is compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[str, Writer] = {}

    def for_message(self, message: Descriptor) -> Writer:
        """Return the function that turns a message of this type into a dict."""
        if message.full_name not in self._compiled:
            self._compiled[message.full_name] = self._compile(message)
        return self._compiled[message.full_name]

    def value_writer(self, field: FieldDescriptor) -> Writer | None:
        """Return the writer of one value of a field; None where JSON takes the value as it is."""
        if field.message_type is not None:
            if field.message_type.full_name == TIMESTAMP:
                return format_time
            if field.message_type.full_name.startswith("google.protobuf."):
                raise ContractError(f"{field.full_name} has a type that this door cannot carry")
            return self.for_message(field.message_type)
        if field.enum_type is not None:
            names = enum_names(field.enum_type)
            # A newer service may know a value that this door does not: its number is better than no answer.
            return lambda number: names.get(number, number)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return lambda value: base64.b64encode(value).decode()
        if integer_range(field) is not None or field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL):
            return None
        raise ContractError(f"{field.full_name} has a type that this door cannot carry")

    def _compile(self, message: Descriptor) -> Writer:
        refuse_recursion(message)
        named = fields_by_json_name(message)
        fields = [(name, *self._field(field)) for name, field in named.items() if not is_map(field)]
        maps = [(name, field) for name, field in named.items() if is_map(field)]
        for _, field in maps:
            refuse_other_maps(field)
        map_names = [(name, field.name) for name, field in maps]

        def write_message(value: Any) -> dict[str, Any]:
            content = {}
            for name, proto_name, presence, write in fields:
                if presence and not value.HasField(proto_name):
                    continue
                item = getattr(value, proto_name)
                content[name] = item if write is None else write(item)
            for name, proto_name in map_names:
                if entries := getattr(value, proto_name):
                    content[name] = write_map(entries)
            return content

        return write_message

    def _field(self, field: FieldDescriptor) -> tuple[str, bool, Writer | None]:
        write = self.value_writer(field)
        if not field.is_repeated:
            return field.name, field.has_presence, write
        return field.name, False, list if write is None else lambda items: [write(item) for item in items]
