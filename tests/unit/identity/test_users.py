"""Which users and tokens may be created."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.gateway.domain.tokens import api_token, login_token
from services.gateway.domain.users import NewUser, check_new_password, checked_new_user
from shared.errors import InvalidArgument
from shared.principal import RateLimit, Role

NOW = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
LIFE = timedelta(days=90)


def test_a_good_user_is_taken_as_it_is() -> None:
    """Vendors come sorted and each once."""
    user = checked_new_user("a.B@c_d-1", Role.SERVICE, [3, 1, 3], RateLimit(1, 86_400))
    assert user == NewUser("a.B@c_d-1", "service", [1, 3], RateLimit(1, 86_400))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        *(("username", {"username": name}) for name in ("", "a b", "a\x00", "é", "a" * 151, "a\n")),
        *(("role", {"role": role}) for role in (0, Role.PEER, 99, -1)),
        ("vendor_ids", {"role": Role.OPERATOR}),
        ("vendor_ids", {"vendor_ids": range(1, 102)}),
        *(("vendor_ids[1]", {"vendor_ids": [1, bad]}) for bad in (0, -1, 2**53)),
        *(("rate_limit.requests", {"rate_limit": RateLimit(bad, 60)}) for bad in (0, -1, 10**9 + 1)),
        *(("rate_limit.window_seconds", {"rate_limit": RateLimit(10, bad)}) for bad in (0, -1, 86_401)),
    ],
)
def test_a_bad_field_is_named(field: str, changes: dict[str, object]) -> None:
    """Every rule of the contract holds here too, whatever the door has checked before."""
    good = {"username": "alice", "role": Role.PARTNER, "vendor_ids": [1], "rate_limit": None}
    with pytest.raises(InvalidArgument) as caught:
        checked_new_user(**{**good, **changes})  # type: ignore[arg-type]
    assert caught.value.violations[0].field == field


def test_a_password_has_8_to_1000_characters() -> None:
    """Shorter and longer ones are refused, without repeating them."""
    check_new_password("12345678")
    check_new_password("x" * 1000)
    for password in ("", "1234567", "x" * 1001):
        with pytest.raises(InvalidArgument) as caught:
            check_new_password(password)
        assert not password or password not in str(caught.value)


def test_a_login_token_lives_whole_seconds() -> None:
    """A token's times have no fraction, so what the caller is told is what is signed."""
    token = login_token(uuid4(), NOW, timedelta(hours=12))
    assert (token.issued_at.microsecond, token.expires_at - token.issued_at, token.kind) == (0, timedelta(hours=12), "login")


def test_an_api_token_lives_as_long_as_asked_up_to_the_longest() -> None:
    """Absent means the longest life; beyond it, or in the past, is refused."""

    def expiry(asked: datetime | None) -> datetime:
        return api_token(uuid4(), NOW, LIFE, expires_at=asked, label="till", rate_limit=None).expires_at

    start = NOW.replace(microsecond=0)
    assert expiry(None) == start + LIFE
    assert expiry(start + timedelta(days=1, microseconds=5)) == start + timedelta(days=1)
    for bad in (start, start + timedelta(microseconds=900_000), start - LIFE, start + LIFE + timedelta(seconds=1)):
        with pytest.raises(InvalidArgument) as caught:
            expiry(bad)
        assert caught.value.violations[0].field == "expires_at"


@pytest.mark.parametrize("label", ["", "  ", "x" * 201, "a\x00"])
def test_an_api_token_needs_a_label(label: str) -> None:
    """People must be able to tell what a token is for."""
    with pytest.raises(InvalidArgument) as caught:
        api_token(uuid4(), NOW, LIFE, expires_at=None, label=label, rate_limit=None)
    assert caught.value.violations[0].field == "label"
