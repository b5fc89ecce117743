"""The file of charges: what is read from it, and what is refused before anything is sent."""

from pathlib import Path

import click
import pytest
from charging_cli.bulk.lines import read_lines

HEADING = "vendor,customer,amount\n"


def written(folder: Path, text: str, name: str = "charges.csv") -> Path:
    """Write a file of charges."""
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_the_same_content_has_the_same_keys_under_any_name(tmp_path: Path) -> None:
    """A copy, a byte order mark, other line ends and blank lines make no other charges."""
    first = read_lines(written(tmp_path, f"{HEADING}1,2,3\n1,2,3\n"))
    second = read_lines(written(tmp_path, f"\ufeff{HEADING}1,2,3\r\n\r\n 1 ,2,03\r\n".replace("\n\n", "\n"), "copy.csv"))

    assert [line.key for line in first.lines] == [line.key for line in second.lines]
    assert len({line.key for line in first.lines}) == 2, "two equal lines are two charges"
    assert [line.number for line in second.lines] == [2, 4], "lines are counted as an editor does"


@pytest.mark.parametrize("other", [f"{HEADING}1,2,4\n", f"{HEADING}1,2,3\n1,2,3\n", f"{HEADING}2,2,3\n"])
def test_other_content_or_another_run_has_other_keys(tmp_path: Path, other: str) -> None:
    """Nothing that is meant as a charge of its own is taken for a repetition."""
    path = written(tmp_path, f"{HEADING}1,2,3\n")
    key = read_lines(path).lines[0].key

    assert key not in [line.key for line in read_lines(written(tmp_path, other, "other.csv")).lines]
    assert key != read_lines(path, run="2026-02").lines[0].key


def test_keys_of_the_file_are_taken_as_they_are(tmp_path: Path) -> None:
    """Other columns may be there too."""
    read = read_lines(written(tmp_path, "note,customer,amount,idempotency_key\nhello,7,5,order-1\n"), vendor=4)

    assert [(line.vendor, line.customer, line.amount, line.key) for line in read.lines] == [(4, 7, 5, "order-1")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "missing: vendor, customer, amount"),
        ("customer,amount\n1,1\n", "--vendor"),
        (HEADING, "no charges"),
        (f"{HEADING}1,2,3\n1,2,x\n", "line 3: amount"),
        (f"{HEADING}1,2,0\n", "line 2: amount"),
        (f"{HEADING}1,2,1.5\n", "line 2: amount"),
        (f"{HEADING}1,2,1e3\n", "line 2: amount"),
        (f"{HEADING}1,2,1000000000001\n", "line 2: amount"),
        (f"{HEADING}1,2,٣\n", "line 2: amount"),
        (f"{HEADING}-1,9007199254740992,3\n", "line 2: customer"),
        (f"{HEADING}1,2\n", "line 2: 2 values under 3 headings"),
        (f'{HEADING}1,2,"3\n', "no CSV file"),
        ("vendor,vendor,customer,amount\n1,1,2,3\n", "twice"),
        ("vendor,customer,amount,idempotency_key\n1,2,3,\n", "line 2: idempotency_key"),
        ("vendor,customer,amount,idempotency_key\n1,2,3,ключ\n", "line 2: idempotency_key"),
        ("vendor,customer,amount,idempotency_key\n1,2,3,a\n1,2,3,a\n", "line 3 has the idempotency_key of line 2"),
    ],
)
def test_a_wrong_file_is_refused_and_names_the_line(tmp_path: Path, text: str, named: str) -> None:
    """All of it is checked first."""
    with pytest.raises(click.UsageError, match=named):
        read_lines(written(tmp_path, text))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """A spreadsheet's own format, say."""
    path = tmp_path / "charges.csv"
    path.write_bytes(HEADING.encode() + b"1,2,3\n\xff\xfe\x00\n")
    with pytest.raises(click.UsageError, match="UTF-8"):
        read_lines(path)
