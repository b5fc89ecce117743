"""Maps from text to text: a JSON object whose names are the caller's own."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from services.gateway.http.contract import ContractError
from services.gateway.http.json_text import RepeatedNames
from services.gateway.http.scalars import Reader, read_string
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation
from shared.maps import is_text_map

KEY_SHOWN_MAX = 40
"""Characters of a bad key that are shown back."""


def map_reader(field: FieldDescriptor) -> Reader:
    """Return the reader of a map. Raises ContractError for one that is not from text to text."""
    refuse_other_maps(field)
    return _read_map


def refuse_other_maps(field: FieldDescriptor) -> None:
    """Raise ContractError for a map that is not from text to text."""
    if not is_text_map(field):
        raise ContractError(f"{field.full_name} has a type that this door cannot carry")


def write_map(entries: Mapping[str, str]) -> dict[str, str]:
    """Return the JSON object of a map that is not empty, in order of its keys: the message has none of its own."""
    return dict(sorted(entries.items()))


def _read_map(value: object) -> dict[str, str]:
    if type(value) is not dict and not isinstance(value, RepeatedNames):
        raise UnreadableError.of("must be an object")
    content: dict[str, str] = {}
    violations: list[FieldViolation] = []
    for key, item in value.items():
        if fault := _key_fault(key):
            violations.append(FieldViolation("", fault))
            continue
        try:
            content[key] = read_string(item)
        except UnreadableError as error:
            violations.extend(error.under(key))
    if isinstance(value, RepeatedNames):
        violations.extend(FieldViolation("" if _key_fault(name) else name, "is given more than once") for name in value.names)
    if violations:
        raise UnreadableError(violations)
    return content


def _key_fault(key: Any) -> str:
    """Return what is wrong with a key as text, empty when nothing is. Its form is the rules' business."""
    if key == "":
        return "has an empty key"
    try:
        read_string(key)
    except UnreadableError as error:
        return f"has the key {key[:KEY_SHOWN_MAX]!a}, which {error.violations[0].message}"
    return ""
