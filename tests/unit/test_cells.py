"""Where rows live."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.cell_numbers import cell_of, cell_of_text, schemas_of
from shared.cells import Cells, merged
from shared.database import Database
from shared.errors import Unavailable


def cells(count: int) -> Cells:
    """Return cells that are never opened."""
    return Cells([Database("", schema, pool_size=1, application_name=schema) for schema in schemas_of("s", count)])


@pytest.mark.parametrize(("count", "names"), [(1, ["s"]), (3, ["s_00", "s_01", "s_02"])])
def test_one_cell_is_named_like_the_service(count: int, names: Sequence[str]) -> None:
    """Who has one cell sees nothing of cells."""
    assert schemas_of("s", count) == names


def test_every_way_to_a_cell_agrees() -> None:
    """An id leads to the same cell however it is asked for."""
    four = cells(4)
    for identifier in range(1, 20):
        number = cell_of(identifier, 4)
        assert four.of(identifier) is four[number]
        assert four.of_some([identifier]) == [four[number]]
        assert four.split([identifier], lambda each: each) == {number: [identifier]}


def test_a_text_stays_in_its_cell() -> None:
    """The placing of texts is part of the data: these figures must never change."""
    assert [cell_of_text(f"+98912000000{digit}", 4) for digit in range(8)] == [2, 0, 0, 3, 2, 3, 0, 1]
    assert {cell_of_text(f"+9891200{number:05}", 4) for number in range(100)} == {0, 1, 2, 3}


def test_items_keep_their_order_within_a_cell() -> None:
    """Splitting is stable."""
    assert cells(2).split([5, 4, 3, 2, 1], lambda each: each) == {0: [4, 2], 1: [5, 3, 1]}


async def test_answers_come_in_the_order_asked() -> None:
    """Each item is answered by its own cell, once, wherever the items of a cell stood."""
    four, asked = cells(4), []

    async def work(database: Database, items: Sequence[int]) -> list[str]:
        asked.append((four.all.index(database), list(items)))
        return [f"{item}@{four.all.index(database)}" for item in items]

    assert await four.answer_each([9, 4, 5, 6, 1], lambda each: each, work) == ["9@1", "4@0", "5@1", "6@2", "1@1"]
    assert sorted(asked) == [(0, [4]), (1, [9, 5, 1]), (2, [6])]
    assert await four.answer_each([], lambda each: each, work) == []


def test_pages_make_one_page() -> None:
    """The first of all cells, in order; of one cell its own."""
    assert merged([[1, 5, 6], [], [2, 3, 9]], key=lambda each: each, limit=4) == [1, 2, 3, 5]
    assert merged([[6, 5, 1], [9, 3, 2]], key=lambda each: each, limit=3, newest_first=True) == [9, 6, 5]
    assert merged([[3, 1]], key=lambda each: each, limit=9) == [3, 1]


async def test_an_unexpected_error_is_not_hidden_by_a_cell_out_of_reach() -> None:
    """The most telling error is raised, whatever cell it comes from, after all cells are done."""
    four, done = cells(4), []

    async def work(database: Database) -> int:
        number = four.all.index(database)
        if number == 0:
            raise Unavailable("out of reach", reason="DATABASE_UNAVAILABLE")
        if number == 1:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        done.append(number)
        return number

    with pytest.raises(ZeroDivisionError):
        await four.gather(work)
    assert done == [2, 3]
    assert await four.gather(work, [four[3], four[2]]) == [3, 2]
