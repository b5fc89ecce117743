"""Read documents from files, a line at a time where they are long."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINE_BYTES_MAX = 1_000_000
"""No line of a streamed document is nearly as long; beyond it the file is something else."""

WHOLE_BYTES_MAX = 64 * 1024 * 1024
"""Of a document that is one JSON text, which has to be read whole."""


class UnreadableFileError(Exception):
    """A file that holds no document."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document: what is signed, with its `signature`, and the rows behind it, read as they are asked for."""

    data: dict[str, Any]
    rows: Iterator[dict[str, Any]]


def read_document(path: Path) -> Document:
    """Return the document in a file: lines of JSON, the first one `{"data": {...}}`, or one JSON text with `data` and perhaps `results`.

    Raises OSError, and UnreadableFileError; reading the rows may raise UnreadableFileError too, naming the line.
    """
    lines = _lines(path)
    _, first = next(lines, (1, b""))
    try:
        head = json.loads(first)
        streamed = isinstance(head, dict) and "results" not in head
    except (ValueError, RecursionError):
        streamed = False
    if streamed:
        return Document(_data(head), _rows(lines))
    whole = _whole(path)
    rows = whole.get("results", [])
    if whole.get("next_page_token"):
        raise UnreadableFileError("this is one page of several; ask for application/x-ndjson to get all of it")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableFileError("`results` is no list of objects")
    return Document(_data(whole), iter(rows))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                if number > 1:
                    raise UnreadableFileError(f"line {number} is too long")
                return
            yield number, line


def _rows(lines: Iterator[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UnreadableFileError(f"line {number} is no JSON object")
        yield row


def _whole(path: Path) -> dict[str, Any]:
    if path.stat().st_size > WHOLE_BYTES_MAX:
        raise UnreadableFileError(f"a document that is not in lines may have {WHOLE_BYTES_MAX} bytes")
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        raise UnreadableFileError("the file is neither a JSON object nor lines of them")
    return whole


def _data(head: dict[str, Any]) -> dict[str, Any]:
    data = head.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("signature"), str):
        raise UnreadableFileError("the file has no `data` with a `signature`")
    return data
