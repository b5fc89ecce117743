"""Create a user from the command line: how a deployment gets its first operator.

    python -m services.gateway.create_user alice --role operator

The password is asked for, or read as the first line of standard input when that is no terminal. It is never an argument, since every
user of a machine can read the arguments of its programs.
"""

import argparse
import asyncio
import getpass
import sys
from datetime import UTC, datetime

from services.gateway.command_line import open_database
from services.gateway.domain.users import NewUser, User, check_new_password, checked_new_user
from services.gateway.operations.create_user import create_user
from services.gateway.passwords import Passwords
from services.gateway.settings import GatewaySettings
from shared.auth.tokens import USER_ROLES
from shared.errors import ChargingError
from shared.settings import load_settings

ACTOR = "command_line"


def read_password() -> str:
    """Return the password that the user of the command types twice or pipes in. Exits when the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise SystemExit("the passwords differ")
    return password


async def run(settings: GatewaySettings, new_user: NewUser, password: str) -> User:
    """Create the user in the database that the settings name."""
    passwords = Passwords()
    try:
        async with open_database(settings) as database:
            return await create_user(database, passwords, new_user=new_user, password=password, now=datetime.now(UTC), actor=ACTOR)
    finally:
        passwords.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway.create_user", description="Create a user; the password is asked for.")
    parser.add_argument("username")
    parser.add_argument("--role", required=True, choices=USER_ROLES)
    parser.add_argument("--vendor", type=int, action="append", default=[], metavar="ID", help="a vendor the user owns; may be repeated")
    parser.add_argument("--approval-limit", type=int, metavar="AMOUNT", help="largest credit request the operator may approve")
    options = parser.parse_args(arguments)
    settings = load_settings(GatewaySettings)
    try:
        new_user = checked_new_user(options.username, USER_ROLES[options.role], options.vendor, None, options.approval_limit)
        password = read_password()
        check_new_password(password)
        user = asyncio.run(run(settings, new_user, password))
    except ChargingError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"created {user.role} {user.username} with id {user.id}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
