"""JSON schemas (2020-12, as OpenAPI 3.1 uses them) of the contract's messages: what requests may hold and what answers do hold."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from services.gateway.http.json_names import enum_names, fields_by_json_name
from services.gateway.http.scalars import TIMESTAMP, integer_range
from shared.maps import is_map
from shared.policy import rules_of

Schema = dict[str, Any]

LENGTH_MAX = 1000
"""Of a string without a `max_length`, and of a list without `max_items`, in requests: what FieldRules say about 0."""

_FIXED: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}

_INT32_TYPES = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32)


class Schemas:
    """Collects the schemas that a document refers to, in `components`.

    A message that is both asked for and answered has two: requests are closed and carry rules, answers are open, so that they can grow.
    """

    def __init__(self, comments: Mapping[str, str]) -> None:
        self.components: dict[str, Schema] = {}
        self._comments = comments
        self._names: dict[tuple[str, bool], str] = {}

    def answer(self, message: Descriptor) -> Schema:
        """Return a reference to the schema of an answer."""
        return self._reference(message, request=False)

    def body(self, message: Descriptor, elsewhere: Collection[str]) -> Schema:
        """Return the schema of a request body without the fields that come from the path, by their JSON names in `elsewhere`."""
        return self._object(message, True, elsewhere) if elsewhere else self._reference(message, request=True)

    def parameter(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a path variable or query parameter. A list that is there has an item: an empty one cannot be written."""
        schema = self._field(field, request=True, described=False)
        return schema | {"minItems": 1} if field.is_repeated else schema

    def _reference(self, message: Descriptor, *, request: bool) -> Schema:
        key = (message.full_name, request)
        if key not in self._names:
            name = message.name
            if name in self.components:
                name = f"{message.name}Input" if request else f"{message.name}Output"
            if name in self.components:
                name = message.full_name
            self._names[key] = name
            self.components[name] = {}  # taken, before inner messages ask for names
            self.components[name] = self._object(message, request, ())
        return {"$ref": f"#/components/schemas/{self._names[key]}"}

    def _object(self, message: Descriptor, request: bool, elsewhere: Collection[str]) -> Schema:
        fields = {name: field for name, field in fields_by_json_name(message).items() if name not in elsewhere}
        schema: Schema = {"type": "object"}
        if description := self._comments.get(message.full_name):
            schema["description"] = description
        schema["properties"] = {name: self._field(field, request=request) for name, field in fields.items()}
        required = [name for name, field in fields.items() if (rules_of(field).required if request else _always_there(field))]
        if required:
            schema["required"] = required
        if request:
            schema["additionalProperties"] = False
        return schema

    def _field(self, field: FieldDescriptor, *, request: bool, described: bool = True) -> Schema:
        schema = _map(field, request) if is_map(field) else self._value(field, request)
        if field.is_repeated and not is_map(field):
            schema = {"type": "array", "items": schema}
            if request:
                rules = rules_of(field)
                schema |= {"minItems": 1} if rules.required else {}
                schema["maxItems"] = rules.max_items or LENGTH_MAX
        if described and (description := self._comments.get(field.full_name)):
            schema["description"] = description
        return schema

    def _value(self, field: FieldDescriptor, request: bool) -> Schema:
        if field.message_type is not None:
            if field.message_type.full_name == TIMESTAMP:
                return {"type": "string", "format": "date-time"}
            return self._reference(field.message_type, request=request)
        if field.enum_type is not None:
            return {"type": "string", "enum": _enum_values(field.enum_type)}
        if (limits := integer_range(field)) is not None:
            return _integer(field, limits, request)
        return _FIXED[field.type].copy() if field.type in _FIXED else _string(field, request)


def _always_there(field: FieldDescriptor) -> bool:
    """Tell whether an answer holds the field whatever its value."""
    return not field.has_presence and not is_map(field)


def _map(field: FieldDescriptor, request: bool) -> Schema:
    values: Schema = {"type": "string"}
    schema: Schema = {"type": "object", "additionalProperties": values}
    if request:
        rules = rules_of(field)
        values["maxLength"] = rules.max_length or LENGTH_MAX
        schema |= {"minProperties": 1} if rules.required else {}
        schema["maxProperties"] = rules.max_items or LENGTH_MAX
        keys: Schema = {"minLength": 1, "maxLength": rules.max_key_length or LENGTH_MAX}
        schema["propertyNames"] = keys | ({"pattern": f"^(?:{rules.key_pattern})$"} if rules.key_pattern else {})
        schema |= {"examples": [json.loads(rules.example)]} if rules.example else {}
    return schema


def _enum_values(enum: EnumDescriptor) -> list[str]:
    return [name for number, name in enum_names(enum).items() if number != 0]


def _integer(field: FieldDescriptor, limits: tuple[int, int], request: bool) -> Schema:
    schema: Schema = {"type": "integer", "format": "int32" if field.type in _INT32_TYPES else "int64"}
    if request:
        rules = rules_of(field)
        schema["minimum"] = rules.min if rules.HasField("min") else limits[0]
        schema["maximum"] = rules.max if rules.HasField("max") else limits[1]
        schema |= {"examples": [int(rules.example)]} if rules.example else {}
    return schema


def _string(field: FieldDescriptor, request: bool) -> Schema:
    rules = rules_of(field)
    schema: Schema = {"type": "string"}
    if rules.secret:
        schema["format"] = "password"
    if request:
        least = max(rules.min_length, 1) if rules.required else rules.min_length if field.has_presence else 0
        schema |= {"minLength": least} if least else {}
        schema["maxLength"] = rules.max_length or LENGTH_MAX
        if rules.pattern:
            # A pattern is about strings that are not empty; where the empty one is allowed it means "not given".
            schema["pattern"] = f"^(?:{rules.pattern})$" if rules.required else f"^(?:{rules.pattern})?$"
        schema |= {"examples": [rules.example]} if rules.example else {}
    return schema
