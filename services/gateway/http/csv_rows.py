"""Messages as rows of CSV (RFC 4180) that no spreadsheet takes for a program."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.http.contract import ContractError
from services.gateway.http.json_names import fields_by_json_name
from services.gateway.http.json_writer import JsonWriter
from services.gateway.http.scalars import TIMESTAMP

FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""With what a text begins that a spreadsheet would run (OWASP, CSV injection), the full-width forms included."""


class CsvRows:
    """Writes messages of one type, and of others that have some of the same columns, as lines of CSV."""

    def __init__(self, rows: Descriptor, writer: JsonWriter) -> None:
        """Raise ContractError for a field that has no form in one cell."""
        fields = fields_by_json_name(rows)
        for field in fields.values():
            _check_cell(field)
        self.columns = list(fields)
        self._write = writer.for_message(rows)
        self._writer = writer

    def header(self) -> bytes:
        """Return the line with the names of the columns."""
        return _lines([self.columns])

    def lines(self, messages: Iterable[Any]) -> bytes:
        """Return one line per message."""
        return _lines([self._cells(self._write(message)) for message in messages])

    def edge(self, message: Any) -> bytes:
        """Return the line of a message of another type, in the columns that it has."""
        return _lines([self._cells(self._writer.for_message(message.DESCRIPTOR)(message))])

    def check_edge(self, message: Descriptor) -> None:
        """Raise ContractError for a message that has something for which there is no column."""
        if unknown := [name for name in fields_by_json_name(message) if name not in self.columns]:
            raise ContractError(f"{message.full_name} is to be a row and has {', '.join(unknown)}, which is no column")

    def _cells(self, content: dict[str, Any]) -> list[object]:
        return [_cell(content.get(name, "")) for name in self.columns]


def _check_cell(field: FieldDescriptor) -> None:
    if (field.is_repeated and field.enum_type is None) or (field.message_type is not None and field.message_type.full_name != TIMESTAMP):
        raise ContractError(f"{field.full_name} has no form in one cell of CSV")


def _cell(value: object) -> object:
    """Return the text of a cell. Numbers stay what they are: a minus sign before digits is no formula."""
    if isinstance(value, list):
        return " ".join(map(str, value))  # names of enum values
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lstrip(" ")[:1] in FORMULA_STARTS:
        return f"'{value}"
    return value


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
