"""Query parameters and path variables: the request fields that do not come from a body."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor

from services.gateway.http.json_names import fields_by_json_name, json_name
from services.gateway.http.scalars import TextReader, text_reader
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation

PARAMETERS_MAX = 100
"""No method has nearly as many; beyond it the query is refused unread."""


class ParameterReader:
    """Reads the path variables and query parameters of one binding.

    `variables` are proto names of the request fields in the path, in order; with `query` all others may be query parameters, but for those
    `elsewhere`, else none.
    """

    def __init__(self, message: Descriptor, variables: Iterable[str], query: bool, elsewhere: Iterable[str] = ()) -> None:
        named = {name: message.fields_by_name[name] for name in variables}
        self._variables: list[tuple[str, str, TextReader]] = [(name, json_name(each), text_reader(each)) for name, each in named.items()]
        others = [(name, each) for name, each in fields_by_json_name(message).items() if query and each.name not in {*named, *elsewhere}]
        self._parameters: Mapping[str, tuple[str, TextReader]] = {name: (each.name, text_reader(each)) for name, each in others}

    def read(self, values: tuple[str, ...], query: bytes) -> dict[str, Any]:
        """Return the values by proto name. Raises UnreadableError that names every bad one by its JSON name."""
        content: dict[str, Any] = {}
        violations: list[FieldViolation] = []
        for (proto_name, name, read), text in zip(self._variables, values, strict=True):
            try:
                content[proto_name] = read(text)
            except UnreadableError as error:
                violations.extend(error.under(name))
        for name, text in _split(query):
            try:
                proto_name, read = self._parameters[name]
                if proto_name in content:
                    raise UnreadableError.of("is given more than once")
                content[proto_name] = read(text)
            except KeyError:
                violations.append(FieldViolation(name, "is not a known parameter"))
            except UnreadableError as error:
                violations.extend(error.under(name))
        if violations:
            raise UnreadableError(violations)
        return content


def _split(query: bytes) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:  # UnicodeDecodeError is one
        raise UnreadableError.of("the query is not a sequence of name=value pairs in UTF-8") from None
