"""The files in deploy/ha say what the services ask for, and hold no secret."""

from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "ha"


@pytest.fixture(scope="module")
def patroni() -> dict[str, Any]:
    """Give the configuration of Patroni."""
    return dict(yaml.safe_load((FOLDER / "patroni.yml").read_text()))


def test_commits_wait_for_a_standby_and_only_one_that_has_them_is_promoted(patroni: dict[str, Any]) -> None:
    """Quorum commit, and no acknowledgement with one copy."""
    dcs = patroni["bootstrap"]["dcs"]
    assert dcs["synchronous_mode"] == "quorum"
    assert dcs["synchronous_mode_strict"] is True
    assert dcs["synchronous_node_count"] >= 1
    assert dcs["primary_start_timeout"] == 0


def test_the_times_of_patroni_fit_together(patroni: dict[str, Any]) -> None:
    """Patroni asks for loop_wait + 2 * retry_timeout <= ttl, and for 20, 1 and 3 s at least."""
    dcs = patroni["bootstrap"]["dcs"]
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]
    assert (dcs["ttl"] >= 20, dcs["loop_wait"] >= 1, dcs["retry_timeout"] >= 3) == (True, True, True)


def test_the_server_is_as_durable_as_the_services_ask(patroni: dict[str, Any]) -> None:
    """What check_durability refuses is not set, and the names of the standbys are left to Patroni."""
    parameters = patroni["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert {parameters[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}
    assert "synchronous_standby_names" not in parameters
    assert "synchronous_standby_names" not in patroni["postgresql"]["parameters"]


def test_no_password_is_in_the_files(patroni: dict[str, Any]) -> None:
    """They come from the environment, and from a file that is included."""
    assert all(set(account) == {"username"} for account in patroni["postgresql"]["authentication"].values())
    assert set(patroni["restapi"]["authentication"]) == {"username"}
    words = [line.split() for line in (FOLDER / "sentinel.conf").read_text().splitlines() if line and not line.startswith("#")]
    assert not [line for line in words if {"auth-pass", "requirepass"} & set(line)]
    assert {line[2] for line in words if line[:2] == ["sentinel", "monitor"]} == {"broker", "cache"}
