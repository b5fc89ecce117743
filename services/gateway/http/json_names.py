"""Names in JSON: snake_case as in the .proto, unless the .proto gives a `json_name` of its own."""

import re

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from services.gateway.http.contract import ContractError
from shared.maps import is_map

_SEGMENT = re.compile(r"([^.\[\]]+)((?:\[\d+\])?)(?:\.|\Z)")


def json_name(field: FieldDescriptor) -> str:
    """Return the one name a field has in JSON.

    A descriptor cannot tell whether `json_name` was written down or made by the compiler; one that differs from the lowerCamelCase
    form, which the compiler makes, was written down.
    """
    return field.json_name if field.json_name != _camel_case(field.name) else field.name


def _camel_case(name: str) -> str:
    """Return the name as the protobuf compiler would turn it into JSON."""
    return re.sub(r"_+(.?)", lambda match: match[1].upper(), name)


def fields_by_json_name(message: Descriptor) -> dict[str, FieldDescriptor]:
    """Return the fields of a message by their JSON names, in order of declaration. Raises ContractError where two share a name."""
    fields: dict[str, FieldDescriptor] = {}
    for field in message.fields:
        name = json_name(field)
        if name in fields:
            raise ContractError(f"{field.full_name} and {fields[name].full_name} are both {name!r} in JSON")
        fields[name] = field
    return fields


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the JSON name of every number: lower case, without the prefix that the UNSPECIFIED value shows."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}


def json_path(message: Descriptor, proto_path: str) -> str:
    """Translate a field path of the .proto (`items[3].vendor_id`) into JSON (`items[3].vendor`); what is no such path stays as it is."""
    parts = []
    current: Descriptor | None = message
    for segment in _SEGMENT.finditer(proto_path):
        field = current.fields_by_name.get(segment[1]) if current is not None else None
        if field is None:
            return proto_path
        parts.append(json_name(field) + segment[2])
        if is_map(field):
            # What follows is a key of the caller's own, with dots and brackets or without.
            key = proto_path[segment.end() :]
            return ".".join([*parts, key] if key else parts)
        current = field.message_type
    return ".".join(parts) or proto_path
