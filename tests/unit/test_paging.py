"""Page tokens and page sizes."""

import pytest

from shared.errors import InvalidArgument
from shared.paging import decode_page_token, encode_page_token, page_size_of


@pytest.mark.parametrize("key", [(1,), (2**63 - 1, "é"), ("a", "b"), (-5, "")])
def test_a_token_brings_its_key_back(key: tuple[int | str, ...]) -> None:
    """What was encoded is decoded, as a text that fits a query string."""
    token = encode_page_token(*key)
    assert decode_page_token(token, *(type(value) for value in key)) == key
    assert token.replace("-", "").replace("_", "").isalnum()


def test_no_token_is_the_first_page() -> None:
    """An empty token has no key."""
    assert decode_page_token("", int) is None


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "====",
        "é",
        "a b",
        "bnVsbA",
        encode_page_token("1"),
        encode_page_token(1, 2),
        encode_page_token(2**63),
        "W3RydWVd",
        "WzEuMF0",
        "W" * 199,
    ],
)
def test_a_made_up_token_is_refused_by_name(token: str) -> None:
    """Garbage, another list's token, other types and numbers no database holds are InvalidArgument of page_token."""
    with pytest.raises(InvalidArgument) as caught:
        decode_page_token(token, int)
    assert caught.value.metadata == {"field": "page_token"}


def test_a_text_that_postgres_cannot_hold_is_refused() -> None:
    """A NUL would fail in the database."""
    with pytest.raises(InvalidArgument):
        decode_page_token(encode_page_token("a\x00"), str)


def test_the_page_size_has_a_default_and_a_bound() -> None:
    """0 means 50, and more than 200 is refused."""
    assert [page_size_of(size) for size in (0, 1, 200)] == [50, 1, 200]
    for size in (-1, 201):
        with pytest.raises(InvalidArgument):
            page_size_of(size)
