"""`make run`: serve the whole system from one terminal until Ctrl-C."""

import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

import psycopg

from shared.database_cells import CellsChanged
from shared.database_migrations import MigrationFailed
from shared.local.binaries import EngineMissing
from shared.local.choices import SECRET_NAMES, SERVER_PORTS, BadChoice, Choices, choose
from shared.local.engine import EngineFailed
from shared.local.env_file import keep_secrets
from shared.local.folder_lock import FolderInUse, FolderLock
from shared.local.follow_logs import LogFollower
from shared.local.ports import freed, listened_on, port_free
from shared.local.stack import Stack, StackFailed
from shared.local.state_folder import state_folder
from shared.local.supervision import SupervisionFailed
from shared.local.wal_archive import NoBackup

FOLLOW_SECONDS = 0.2
"""How often logs are shown and the engines looked after: soon enough for a reader, and no load."""


FAILURES = (
    BadChoice,
    CellsChanged,
    EngineFailed,
    EngineMissing,
    FolderInUse,
    MigrationFailed,
    NoBackup,
    StackFailed,
    SupervisionFailed,
    psycopg.Error,
)
"""What may keep a stack from starting; each says why in a sentence."""

LINGER_SECONDS_MAX = 65.0
"""A closed connection holds its port for a minute on Linux."""


class _StopAsked(Exception):
    """Ctrl-C or SIGTERM; the second one ends this process at once, and the kernel ends its children."""


def main() -> int:
    """Start, serve, stop. Returns 0 after a stop that was asked for, 1 with one line of reason otherwise."""
    state = state_folder()
    lock = FolderLock(state)
    _stop_on_signals()
    try:
        lock.acquire()
        choices = choose(state, os.environ, keep_secrets(state / "secrets", SECRET_NAMES))
        _refuse_taken_ports(choices)
        print(f"starting in {state} ...", flush=True)
        _serve(Stack(choices), lock)
    except _StopAsked:
        return 0
    except FAILURES as error:
        print(f"charging: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(stack: Stack, lock: FolderLock) -> None:
    follower = LogFollower({name: stack.supervision.log_of(name) for name in (*(one.name for one in stack.instances), "supervisor")})
    try:
        stack.start(lock)
        print(_welcome(stack), flush=True)
        while stack.supervision.running:
            follower.poll()
            _revive_engines(stack)
            time.sleep(FOLLOW_SECONDS)
        raise StackFailed(f"supervisord ended: {stack.last_words('supervisor')}")
    except _StopAsked:
        print("\nstopping; Ctrl-C once more ends everything at once", flush=True)
    finally:
        stack.stop()
        with suppress(OSError):
            follower.close()
    print("stopped", flush=True)


def _revive_engines(stack: Stack) -> None:
    for name, engine in stack.engines.items():
        if not engine.running:
            print(f"charging: {name} ended; starting it again", file=sys.stderr)
            try:
                engine.start()
            except EngineFailed as error:
                print(f"charging: {error}", file=sys.stderr)


def _stop_on_signals() -> None:
    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        raise _StopAsked

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _refuse_taken_ports(choices: Choices) -> None:
    ports = {name: choices.ports[name] for name in SERVER_PORTS}
    if lingering := [str(port) for port in ports.values() if not port_free(port) and not listened_on(port)]:
        print(f"port {', '.join(lingering)} is still held by a connection of some client; waiting up to a minute for it", flush=True)
    taken = [
        f"port {port} is taken by another program: set {name} to a free one"
        for name, port in ports.items()
        if not freed(port, LINGER_SECONDS_MAX)
    ]
    if taken:
        raise BadChoice("; ".join(taken))


def _welcome(stack: Stack) -> str:
    environment = stack.environment
    url = environment["CHARGING_HTTP_URL"]
    lines = [
        "",
        f"ready: {url}   docs {url}/api/docs/",
        f"gRPC:  identity {environment['CHARGING_IDENTITY_ADDRESS']}   vendor_credit {environment['CHARGING_VENDOR_CREDIT_ADDRESS']}"
        f"   customer_charge {environment['CHARGING_CUSTOMER_CHARGE_ADDRESS']}",
    ]
    if stack.choices.profile == "development":
        login = """curl -s {url}/api/auth/token/ -H 'Content-Type: application/json' -d '{{"username": "{user}", "password": "{user}"}}'"""
        login += """ | sed 's/.*"token": *"//; s/".*//'"""
        curl = f"curl -H 'Content-Type: application/json' {url}/api"
        lines += [
            "users: operator/operator, and partner/partner who owns vendor 1; customers 1 to 10. Try, in another terminal:",
            "",
            f"  OPERATOR=$({login.format(url=url, user='operator')})",
            f"  PARTNER=$({login.format(url=url, user='partner')})",
            f"""  {curl}/vendor/submit-request/ -H "Authorization: Token $PARTNER" -d '{{"requester": 1, "amount": 1000}}'""",
            f"""  curl '{url}/api/vendor/approve-request/?request_credit_id=1' -H "Authorization: Token $OPERATOR\"""",
            f"""  {curl}/customer/increase-credit/ -H "Authorization: Token $PARTNER" -d '{{"vendor": 1, "customer": 1, "amount": 100}}'""",
            "",
            "or `make demo` for the whole story.",
        ]
    lines += [f"addresses in use: {stack.state / 'env'}   logs: {stack.state / 'logs'}   Ctrl-C stops everything.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
