"""What a local stack is made of."""

from pathlib import Path

import pytest

from shared.local.choices import SECRET_NAMES, BadChoice, choose

SECRETS = {name: f"secret/{name}" for name in SECRET_NAMES}
STATE = Path("/state")


def test_the_environment_follows_from_the_choices_alone() -> None:
    """The same choices give the same variables, whatever happens around."""
    choices = choose(STATE, {"CHARGING_HTTP_PORT": "8001", "CHARGING_RATE_LIMIT_REQUESTS": "7"}, SECRETS, known_ports=False)

    environment = choices.environment()

    assert environment == choices.environment()
    assert environment["CHARGING_HTTP_URL"] == "http://127.0.0.1:8001"
    assert environment["CHARGING_RATE_LIMIT_REQUESTS"] == "7"
    assert environment["CHARGING_VENDOR_CREDIT_ADDRESS"] == f"127.0.0.1:{environment['CHARGING_VENDOR_CREDIT_PORT']}"


def test_passwords_are_quoted_in_addresses() -> None:
    """A password with a slash does not break the address it stands in."""
    environment = choose(STATE, {}, SECRETS, known_ports=False).environment()

    assert "postgres:secret%2FPOSTGRES_PASSWORD@" in environment["DATABASE_URL"]
    assert "charging_gateway:secret%2FCHARGING_GATEWAY_DB_PASSWORD@" in environment["CHARGING_GATEWAY_DATABASE_URL"]


def test_a_database_of_the_users_own_is_used_and_gets_no_demo_users() -> None:
    """DATABASE_URL replaces the embedded server, and known passwords never get into it unasked."""
    url = "postgresql://admin:pw@db.example:6432/shop?sslmode=require"

    choices = choose(STATE, {"DATABASE_URL": url}, SECRETS, known_ports=False)
    environment = choices.environment()

    assert choices.profile == "production"
    assert environment["DATABASE_URL"] == url
    expected = "postgresql://charging_gateway:secret%2FCHARGING_GATEWAY_DB_PASSWORD@db.example:6432/shop?sslmode=require"
    assert environment["CHARGING_GATEWAY_DATABASE_URL"] == expected


def test_one_redis_serves_both_roles_unless_told_otherwise() -> None:
    """A REDIS_URL without a second one is the cache as well."""
    environment = choose(STATE, {"REDIS_URL": "redis://r.example/3"}, SECRETS, known_ports=False).environment()

    assert environment["REDIS_URL"] == environment["CHARGING_CACHE_REDIS_URL"] == "redis://r.example/3"


def test_a_secret_of_the_users_own_wins() -> None:
    """The environment may bring a secret, which is then not among the settings that all processes get."""
    choices = choose(STATE, {"CHARGING_GATEWAY_DB_PASSWORD": "mine"}, SECRETS, known_ports=False)

    assert choices.database_passwords["gateway"] == "mine"
    assert "CHARGING_GATEWAY_DB_PASSWORD" not in choices.environment()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "example.org", "::"])  # noqa: S104 - the refusal is the point
def test_the_development_profile_is_refused_on_an_open_address(host: str) -> None:
    """Demo users have known passwords."""
    with pytest.raises(BadChoice, match="CHARGING_HOST"):
        choose(STATE, {"CHARGING_HOST": host}, SECRETS, known_ports=False)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "8000.0", "eight", "٨٠"])
def test_a_port_that_cannot_be_is_named(text: str) -> None:
    """The message says which setting is wrong and what it should be."""
    with pytest.raises(BadChoice, match=r"CHARGING_HTTP_PORT=.*1 to 65535"):
        choose(STATE, {"CHARGING_HTTP_PORT": text}, SECRETS, known_ports=False)
