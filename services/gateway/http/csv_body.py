"""A list of a request as a file of CSV (RFC 4180): one row a line, columns by the JSON names of the fields, as strict as JSON.

A refusal names line and column, as an editor and the file's first line have them.
"""

import asyncio
import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.gateway.http.bindings import Binding
from services.gateway.http.contract import ContractError
from services.gateway.http.csv_rows import FORMULA_STARTS
from services.gateway.http.json_names import fields_by_json_name, json_name
from services.gateway.http.parameters import ParameterReader
from services.gateway.http.problems import VIOLATIONS_SHOWN_MAX, ProblemError
from services.gateway.http.scalars import TextReader, read_string, text_reader
from services.gateway.http.unreadable import UnreadableError
from shared.errors import FieldViolation
from shared.policy import http_facts_of, method_name, rules_of

COLUMNS_SHOWN_MAX = 20
"""Of a first line that is none, no more are told to be unknown."""


def csv_body_of(binding: Binding) -> "CsvBody | None":
    """Return how a binding takes CSV, None where the contract says nothing of it. Raises ContractError."""
    return CsvBody(binding) if http_facts_of(binding.method).HasField("csv_body") else None


class CsvBody:
    """Reads the requests of one binding whose body is CSV."""

    def __init__(self, binding: Binding) -> None:
        method = binding.method
        facts = http_facts_of(method).csv_body
        try:
            rows = method.input_type.fields_by_name[facts.rows_field]
            if rows.message_type is None or not rows.is_repeated:
                raise ContractError(f"{method_name(method)}: a body of CSV needs a list of messages")
            line = rows.message_type.fields_by_name[facts.line_field]
        except KeyError as error:
            raise ContractError(f"{method_name(method)}: the body of CSV names {error}, which is not there") from None
        self._rows_field = rows.name
        self._parameters = ParameterReader(method.input_type, binding.variables, query=True, elsewhere=[rows.name])
        self._make_request = GetMessageClass(method.input_type)
        self._line_name, self._line_column = line.name, json_name(line)
        fields = fields_by_json_name(rows.message_type)
        self._columns: Mapping[str, tuple[str, TextReader]] = {name: (each.name, text_reader(each)) for name, each in fields.items()}
        self._required = [name for name, each in fields.items() if rules_of(each).required]
        self._rows_max = rules_of(rows).max_items
        self._make_row = GetMessageClass(rows.message_type)
        self._of_row = re.compile(rf"{re.escape(json_name(rows))}\[(\d+)\]\.?")

    async def read(self, body: bytes, values: tuple[str, ...], query: bytes) -> "CsvRequest":
        """Return the request of a file, path variables and query. Raises ProblemError."""
        try:
            parameters = self._parameters.read(values, query)
        except UnreadableError as error:
            raise ProblemError.unreadable(error, "the query") from None
        try:
            # A large file is read beside the other requests, not before them.
            rows, numbers = await asyncio.to_thread(self._read, body)
        except UnreadableError as error:
            raise ProblemError.unreadable(error, "the body") from None
        return CsvRequest(self._make_request(**parameters, **{self._rows_field: rows}), numbers, self._of_row)

    def _read(self, body: bytes) -> tuple[list[Message], list[int]]:
        """Return the rows and the numbers of their lines. Raises UnreadableError."""
        try:
            text = body.decode("utf-8-sig")  # spreadsheets put a byte order mark in front
        except UnicodeDecodeError as error:
            raise UnreadableError.of(f"is not UTF-8 at byte {error.start}") from None
        lines = _lines(text)
        columns = self._heading(next(lines, (1, []))[1])
        rows: list[Message] = []
        numbers: list[int] = []
        violations: list[FieldViolation] = []
        for number, cells in lines:
            if len(rows) == self._rows_max:
                raise UnreadableError([FieldViolation(f"line {number}", f"is more than the {self._rows_max} rows that are taken at once")])
            content = self._row(number, columns, cells, violations)
            if len(violations) >= VIOLATIONS_SHOWN_MAX:
                break
            rows.append(self._make_row(**content))
            numbers.append(number)
        if violations:
            raise UnreadableError(violations)
        return rows, numbers

    def _heading(self, names: list[str]) -> list[str]:
        """Return the names of the columns. Raises UnreadableError where one is unknown, repeated or missing."""
        if not names:
            raise UnreadableError.of(f"is empty: its first line names the columns, some of {', '.join(self._columns)}")
        violations = [
            FieldViolation(f"line 1, column {place}", f"is called {_shown(name)!r}, not one of {', '.join(self._columns)}")
            for place, name in enumerate(names, 1)
            if name not in self._columns
        ][:COLUMNS_SHOWN_MAX]
        violations += [FieldViolation(f"line 1, {name}", "is there more than once") for name in self._columns if names.count(name) > 1]
        violations += [FieldViolation(f"line 1, {name}", "is missing") for name in self._required if name not in names]
        if violations:
            raise UnreadableError(violations)
        return names

    def _row(self, number: int, columns: list[str], cells: list[str], violations: list[FieldViolation]) -> dict[str, Any]:
        """Return what a line says, by proto name; what is wrong with it goes to `violations`. An empty cell says nothing."""
        content: dict[str, Any] = {self._line_name: number}
        if len(cells) != len(columns):
            violations.append(FieldViolation(f"line {number}", f"has {len(cells)} cells under {len(columns)} columns"))
            return content
        for column, cell in zip(columns, cells, strict=True):
            if cell == "":
                continue
            name, read = self._columns[column]
            try:
                content[name] = read(read_string(_unguarded(cell)))
            except UnreadableError as error:
                violations.append(FieldViolation(f"line {number}, {column}", error.violations[0].message))
        return content


class CsvRequest:
    """The request of one file, and the lines of its rows, to name them by when the service refuses one."""

    def __init__(self, message: Message, numbers: list[int], of_row: re.Pattern[str]) -> None:
        self.message = message
        self._numbers = numbers
        self._of_row = of_row

    def named_by_line(self, problem: ProblemError) -> ProblemError:
        """Return the problem with `rows[3].amount` called `line 5, amount`."""
        if not problem.errors:
            return problem
        errors = [FieldViolation(self._named(each.field), each.message) for each in problem.errors]
        metadata = {name: self._named(value) if name == "field" else value for name, value in problem.metadata.items()}
        first = problem.errors[0].field
        detail = f"{errors[0].field}{problem.detail.removeprefix(first)}" if problem.detail.startswith(f"{first}:") else problem.detail
        return ProblemError(
            problem.status, problem.reason, detail, errors=errors, metadata=metadata, headers=problem.headers, closes=problem.closes
        )

    def _named(self, field: str) -> str:
        match = self._of_row.match(field)
        if match is None or int(match[1]) >= len(self._numbers):
            return field
        column = field[match.end() :]
        return f"line {self._numbers[int(match[1])]}" + (f", {column}" if column else "")


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, each with the number of the line of text in which it begins. Raises UnreadableError."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begin = 1
    try:
        for cells in reader:
            if cells:
                yield begin, cells
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError([FieldViolation(f"line {begin}", f"is not CSV: {error}")]) from None


def _unguarded(cell: str) -> str:
    """Return a cell without the apostrophe that keeps spreadsheets from running it: what this system writes is read back as it was."""
    return cell[1:] if cell[0] == "'" and cell[1:2] and cell[1:].lstrip(" ")[:1] in FORMULA_STARTS else cell


def _shown(name: str) -> str:
    return name[:40]
