"""JSON values to messages: one reader per message type, compiled once.

Strict, because money is moved on what is read: unknown and repeated names, null, and values of another type are refused, never guessed at,
and all of a request's faults are reported together. Rules beyond types (required, ranges, patterns) are the interceptors' business.
"""

from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.gateway.http.contract import ContractError, refuse_recursion
from services.gateway.http.json_maps import map_reader
from services.gateway.http.json_names import fields_by_json_name
from services.gateway.http.json_text import RepeatedNames
from services.gateway.http.problems import VIOLATIONS_SHOWN_MAX
from services.gateway.http.scalars import TIMESTAMP, Reader, scalar_reader
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation
from shared.maps import is_map


class JsonReader:
    """Reads messages; keeps the compiled readers, so that a type used in many places is compiled once."""

    def __init__(self) -> None:
        self._compiled: dict[str, Reader] = {}

    def for_request(self, message: Descriptor, elsewhere: Collection[str] = ()) -> Reader:
        """Return the reader of a request body; the fields whose JSON names are in `elsewhere` come from the path and are refused in it."""
        return self._compile(message, frozenset(elsewhere)) if elsewhere else self._message(message)

    def _message(self, message: Descriptor) -> Reader:
        if message.full_name not in self._compiled:
            self._compiled[message.full_name] = self._compile(message, frozenset())
        return self._compiled[message.full_name]

    def _field(self, field: FieldDescriptor) -> Reader:
        if is_map(field):
            return map_reader(field)
        read = self._value(field)
        return _list_reader(read) if field.is_repeated else read

    def _value(self, field: FieldDescriptor) -> Reader:
        if field.message_type is None or field.message_type.full_name == TIMESTAMP:
            return scalar_reader(field)
        if field.message_type.full_name.startswith("google.protobuf."):
            raise ContractError(f"{field.full_name} has a type that this door cannot carry")
        return self._message(field.message_type)

    def _compile(self, message: Descriptor, elsewhere: frozenset[str]) -> Reader:
        refuse_recursion(message)
        make = GetMessageClass(message)
        fields: dict[str, tuple[str, Reader]] = {}
        for name, field in fields_by_json_name(message).items():
            if field.containing_oneof is not None and field.containing_oneof.name != f"_{field.name}":
                raise ContractError(f"{field.full_name} is part of a oneof, which this door cannot carry")
            if name not in elsewhere:
                fields[name] = (field.name, self._field(field))

        def read_message(value: object) -> Message:
            if type(value) is not dict and not isinstance(value, RepeatedNames):
                raise UnreadableError.of("must be an object")
            content: dict[str, Any] = {}
            violations: list[FieldViolation] = []
            for name, item in value.items():
                if len(violations) >= VIOLATIONS_SHOWN_MAX:
                    break
                try:
                    proto_name, read = fields[name]
                    content[proto_name] = read(item)
                except KeyError:
                    violations.append(FieldViolation(name, "is given by the path" if name in elsewhere else "is not a known field"))
                except UnreadableError as error:
                    violations.extend(error.under(name))
            if type(value) is RepeatedNames:
                violations.extend(FieldViolation(name, "is given more than once") for name in value.names)
            if violations:
                raise UnreadableError(violations)
            return make(**content)

        return read_message


def _list_reader(read: Reader) -> Reader:
    def read_list(value: object) -> list[Any]:
        if type(value) is not list:
            raise UnreadableError.of("must be a list")
        items: list[Any] = []
        violations: list[FieldViolation] = []
        for index, item in enumerate(value):
            try:
                items.append(read(item))
            except UnreadableError as error:
                violations.extend(error.under(f"[{index}]"))
                if len(violations) >= VIOLATIONS_SHOWN_MAX:
                    break
        if violations:
            raise UnreadableError(violations)
        return items

    return read_list
