"""Arrays written in binary form come back from PostgreSQL as they were."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.vendor_credit.domain.debits import Outcome
from shared.local.postgres import Postgres
from shared.sql_arrays import (
    SqlArray,
    bytes_array,
    int_array,
    nullable_int_array,
    nullable_text_array,
    text_array,
    time_array,
    uuid_array,
)

EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
CASES: list[tuple[Callable[[Any], SqlArray], str, st.SearchStrategy[Any]]] = [
    (int_array, "bigint[]", NUMBERS),
    (int_array, "smallint[]", st.integers(-(2**15), 2**15 - 1)),
    (nullable_int_array, "bigint[]", st.none() | NUMBERS),
    (uuid_array, "uuid[]", st.uuids().map(str)),
    (text_array, "text[]", TEXTS | st.text("é", min_size=100, max_size=200)),
    (nullable_text_array, "text[]", st.none() | TEXTS),
    (time_array, "timestamptz[]", st.integers(0, 2**42).map(lambda us: EPOCH + timedelta(microseconds=us * 4096))),
    (bytes_array, "bytea[]", st.binary(max_size=64)),
]


@pytest.mark.parametrize(("write", "kind", "values"), CASES, ids=[case[1] + case[0].__name__ for case in CASES])
def test_arrays_survive_the_way_to_the_database(
    postgres_server: Postgres, write: Callable[[Any], SqlArray], kind: str, values: st.SearchStrategy[Any]
) -> None:
    """Quotes, backslashes, braces, commas, NULL as a word, empty lists and empty texts included."""
    with psycopg.connect(postgres_server.url()) as connection:

        @settings(max_examples=60, deadline=None)
        @given(st.lists(values, max_size=8))
        def check(items: list[Any]) -> None:
            row = connection.execute(f"SELECT %s::{kind}", [write(items)]).fetchone()
            assert row is not None
            assert [str(item) if kind == "uuid[]" else item for item in row[0]] == items

        check()


def test_enum_members_and_zones_are_written_plainly() -> None:
    """An IntEnum is its number, and a time keeps its moment in any zone."""
    assert int_array([Outcome.DEBITED, True]) == int_array([1, 1])
    assert time_array([datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=3)))]) == time_array([datetime(2025, 12, 31, 21, tzinfo=UTC)])


@pytest.mark.parametrize("wrong", ["", "0190", "0" * 33, "g" * 32, "01900000-0000-7000-8000-00000000000", "x" * 36])
def test_what_is_no_uuid_is_refused(wrong: str) -> None:
    """It never shifts its neighbours."""
    with pytest.raises(ValueError, match=r"hexadecimal|not all"):
        uuid_array(["01900000-0000-7000-8000-000000000001", wrong])


def test_numbers_beyond_64_bits_are_refused() -> None:
    """They are not cut."""
    with pytest.raises(OverflowError):
        int_array([2**63])


@pytest.mark.parametrize("value", ["NULL", "null", "{}", '"', "\\", "a,b", "", " x "])
def test_words_that_mean_something_in_an_array_are_only_text(postgres_server: Postgres, value: str) -> None:
    """An idempotency key may be any printable text."""
    with psycopg.connect(postgres_server.url()) as connection:
        row = connection.execute("SELECT %s::text[]", [text_array([value])]).fetchone()
    assert row == ([value],)
