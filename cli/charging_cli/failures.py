"""What can go wrong, how it is told, and the exit status that says it to scripts."""

import json
from collections.abc import Mapping
from typing import IO, Any

import click

REFUSED = 1
"""The service refused, or a charge failed: repeating the command as it is cannot help."""

WRONG_USAGE = 2
"""The command line or the file is wrong; nothing was sent. It is the status that click itself uses."""

UNAVAILABLE = 3
"""No answer, or none yet: repeat the command. With the same idempotency key it has one effect."""

NOT_SIGNED_IN = 4
"""The token is missing, not valid any more, or of a role that may not do this."""

INTERRUPTED = 130
"""Ctrl-C, as shells say it."""

FIELDS_SHOWN_MAX = 20
UNAUTHORIZED, FORBIDDEN, TOO_MANY, FIRST_SERVER_ERROR = 401, 403, 429, 500


class Failure(click.ClickException):
    """A sentence for people and an exit status for scripts. `as_json` says how it is shown."""

    as_json = False

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # declared for the class, read from the instance

    def document(self) -> dict[str, Any]:
        """Return the failure as JSON shows it."""
        return {"detail": self.message, "exit_status": self.exit_code}

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the failure to stderr."""
        click.echo(json.dumps(self.document()) if self.as_json else f"error: {self.format_message()}", file=file, err=True)


class Unreachable(Failure):
    """Nothing answers, or nothing useful: the outcome of a write may be unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNAVAILABLE)


class Refused(Failure):
    """The service answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"the service answered {status}"), _exit_code(status))
        self.status = status
        self.problem = dict(problem)

    @property
    def reason(self) -> str:
        """Return the stable reason, empty where the answer has none."""
        return str(self.problem.get("reason", ""))

    def document(self) -> dict[str, Any]:
        """Return the problem document itself."""
        return {**self.problem, "status": self.status, "exit_status": self.exit_code}

    def format_message(self) -> str:
        """Return the detail, the reason, the fields and what support needs."""
        lines = [f"{self.message} ({self.reason or self.status})"]
        fields = self.problem.get("errors") or []
        lines += [f"  {each.get('field')}: {each.get('message')}" for each in fields[:FIELDS_SHOWN_MAX]]
        if len(fields) > FIELDS_SHOWN_MAX:
            lines.append(f"  and {len(fields) - FIELDS_SHOWN_MAX} more")
        if self.exit_code == NOT_SIGNED_IN and self.status == UNAUTHORIZED:
            lines.append("  sign in with: charging token create USERNAME")
        if self.problem.get("request_id"):
            lines.append(f"  request_id: {self.problem['request_id']}")
        return "\n".join(lines)


def _exit_code(status: int) -> int:
    if status in (UNAUTHORIZED, FORBIDDEN):
        return NOT_SIGNED_IN
    return UNAVAILABLE if status == TOO_MANY or status >= FIRST_SERVER_ERROR else REFUSED
