"""Logs: one form for all lines, and no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

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
