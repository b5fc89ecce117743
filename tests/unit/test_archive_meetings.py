"""Neighbouring months meet: two sorted streams beside each other, whatever is in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.archive.errors import BadArchive
from shared.archive.meetings import beside, verify_meeting
from shared.archive.months import Month

ENDS = st.dictionaries(st.integers(1, 12), st.integers(0, 2))


@given(ENDS, ENDS)
def test_every_key_of_either_comes_once_with_what_each_has_of_it(left: dict[int, int], right: dict[int, int]) -> None:
    """In order."""
    found = list(beside(sorted(left.items()), sorted(right.items())))
    assert found == [(key, left.get(key), right.get(key)) for key in sorted(left.keys() | right.keys())]


@given(ENDS, ENDS)
def test_months_meet_when_every_ledger_goes_on_where_it_ended(left: dict[int, int], right: dict[int, int]) -> None:
    """One that is not there stands at nothing."""
    meet = all(left.get(key, 0) == right.get(key, 0) for key in left.keys() | right.keys())
    if meet:
        verify_meeting(sorted(left.items()), sorted(right.items()), 0, "vendor", Path("after"))
    else:
        with pytest.raises(BadArchive, match="the ledger of vendor"):
            verify_meeting(sorted(left.items()), sorted(right.items()), 0, "vendor", Path("after"))


@given(st.integers(1970, 2999), st.integers(1, 12))
def test_the_month_before_is_the_one_whose_next_is_this(year: int, number: int) -> None:
    """Over the end of a year too."""
    assert Month(year, number).previous().next() == Month(year, number)
