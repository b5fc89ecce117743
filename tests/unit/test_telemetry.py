"""Logs: one form for all lines, and no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from charging.customer_charge.v1 import customer_charge_pb2

from shared.call import CURRENT_CALL, Call
from shared.policy import checked_policy
from shared.principal import Principal, Role
from shared.settings import CommonSettings
from shared.telemetry import configure_logging


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Leave the logging of the test run as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("logging_restored")
def test_json_logs_are_json_whoever_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning, with its traceback, is one JSON line like our own."""
    configure_logging(CommonSettings(log_format="json"), "tests")
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("some.library").warning("it broke", exc_info=True)
    structlog.get_logger().warning("ours", token="secret", principal="user:1")
    theirs, ours = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (theirs["event"], theirs["logger"], theirs["level"], theirs["service"]) == ("it broke", "some.library", "warning", "tests")
    assert (ours["event"], ours["token"], ours["principal"]) == ("ours", "***", "user:1")


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_says_which_call_it_was_written_in(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Request, call, trace and principal, in both forms, and nothing of them outside of a call."""
    configure_logging(CommonSettings(log_format=form), "tests")
    charge = "01a20a01-0d2f-75aa-babb-13881e61f002"
    method = customer_charge_pb2.DESCRIPTOR.services_by_name["ChargeService"].methods_by_name["IncreaseCredit"]
    principal = Principal("user:7", Role.PARTNER, frozenset(), "", 0.0)
    call = Call(method.full_name, checked_policy(method), {}, "request-9", charge, "127.0.0.1", 0.0, principal=principal)
    token = CURRENT_CALL.set(call)
    structlog.get_logger().warning("inside")
    CURRENT_CALL.reset(token)
    structlog.get_logger().warning("outside")
    inside, outside = capsys.readouterr().out.splitlines()
    for told in ("request-9", charge, charge.replace("-", ""), "user:7"):
        assert told in inside
        assert told not in outside


@pytest.mark.usefixtures("logging_restored")
def test_secrets_are_hidden_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    """Under the name of a secret at any depth and in any case, behind a header's scheme, and before the host of a URL."""
    configure_logging(CommonSettings(log_format="json"), "tests")
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyOjEifQ.c2lnbmF0dXJl"
    url = "postgresql://charging_gateway:geheim@127.0.0.1:5432/charging"
    structlog.get_logger().warning(
        "ours", headers={"Authorization": token, "inner": [{"password": "geheim"}]}, sent=f"Token {token}", url=url
    )
    logging.getLogger("some.library").warning("no connection to %s with Bearer %s", url, token)
    written = capsys.readouterr().out
    assert "geheim" not in written
    assert token not in written
    ours, theirs = (json.loads(line) for line in written.splitlines())
    assert ours["url"] == "postgresql://charging_gateway:***@127.0.0.1:5432/charging"
    assert ours["headers"]["inner"] == [{"password": "***"}]
    assert theirs["event"].endswith("with Bearer ***")


def fail_with(password: str) -> None:
    """Fail while a secret is at hand, with an error that names another one."""
    raise RuntimeError(f"no way with {len(password)} characters to redis://:geheim@127.0.0.1:6379/0")


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_variables_and_no_secret_of_its_error(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Where it failed and why, from us and from libraries; what the failed functions had in hand stays there."""
    configure_logging(CommonSettings(log_format=form), "tests")
    password = "correct horse battery"
    try:
        fail_with(password)
    except RuntimeError:
        structlog.get_logger().exception("ours")
        logging.getLogger("some.library").exception("theirs")
    written = capsys.readouterr().out
    assert password not in written
    assert "geheim" not in written
    assert written.count("no way with 21 characters to redis://:***@127.0.0.1:6379/0") == 2
    assert written.count("fail_with") >= 2
