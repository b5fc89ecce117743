"""Passwords and private keys."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import argon2
import pytest

from services.gateway import passwords as module
from services.gateway.key_safe import KeySafe
from services.gateway.passwords import Passwords, recommended_hasher
from shared.errors import Overloaded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class RecordingHasher(argon2.PasswordHasher):
    """A quick hasher that records what is verified, and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
        """Record the hash, then verify."""
        assert self.go_on.wait(10)
        self.verified.append(str(hash))
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> RecordingHasher:
    """Give a hasher that records."""
    return RecordingHasher()


@pytest.fixture
def passwords(hasher: RecordingHasher) -> Iterator[Passwords]:
    """Give passwords hashed quickly."""
    passwords = Passwords(hasher)
    yield passwords
    hasher.go_on.set()
    passwords.close()


async def test_only_the_right_password_matches(passwords: Passwords) -> None:
    """A hash matches its own password."""
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "correct horse ")


async def test_an_unknown_user_costs_the_same_work(passwords: Passwords, hasher: RecordingHasher) -> None:
    """Without a user a hash of the same parameters is verified all the same, and never matches."""
    stored = await passwords.hash("x")
    await passwords.matches(stored, "x")
    assert not await passwords.matches(None, "x")
    known, unknown = (argon2.extract_parameters(hash_) for hash_ in hasher.verified)
    assert known == unknown


async def test_a_flood_is_turned_away_and_the_queue_recovers(
    passwords: Passwords, hasher: RecordingHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound Overloaded is raised at once, and who left no longer takes a place."""
    stored = await passwords.hash("x")
    hasher.go_on.clear()
    waiting = [asyncio.create_task(passwords.matches(stored, "x")) for _ in range(module.WAITING_MAX)]
    await asyncio.wait(waiting, timeout=0)
    await asyncio.wait(waiting, timeout=0)
    with pytest.raises(Overloaded):
        await passwords.matches(stored, "x")
    for task in waiting[1:]:
        task.cancel()
    await asyncio.wait(waiting[1:])
    hasher.go_on.set()
    assert await passwords.matches(stored, "x")
    assert await waiting[0]
    assert len(hasher.verified) <= 3


def test_real_passwords_are_hashed_as_recommended() -> None:
    """The parameters in force are OWASP's for argon2id, or dearer."""
    parameters = argon2.extract_parameters(recommended_hasher().hash("x"))
    assert parameters.type is argon2.Type.ID
    assert parameters.memory_cost * parameters.time_cost >= 19 * 1024 * 2


def test_a_stored_key_opens_with_its_secret_only() -> None:
    """The private key is nowhere in what is stored, and another secret is named as the mistake."""
    key = KeySafe("s" * 32).make(1, NOW)
    private_key = KeySafe("s" * 32).open(key)
    assert private_key.public_key().public_bytes_raw() == key.public_key
    assert private_key.private_bytes_raw() not in key.encrypted_private_key
    with pytest.raises(ValueError, match="CHARGING_KEY_ENCRYPTION_SECRET"):
        KeySafe("t" * 32).open(key)


def test_keys_have_names_of_their_own() -> None:
    """Two keys of the same number, made by two gateways at once, are told apart."""
    safe = KeySafe("s" * 32)
    assert safe.make(1, NOW).kid != safe.make(1, NOW).kid
