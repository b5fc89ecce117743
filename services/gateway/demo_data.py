"""Create the demo users: `python -m services.gateway.demo_data`, in the development profile or where CHARGING_DEMO_DATA allows it.

Operator `operator`/`operator`, and partner `partner`/`partner`, who owns vendor 1. Running it again changes nothing.
"""

import asyncio
import contextlib
import sys
from datetime import UTC, datetime

from services.gateway.command_line import open_database
from services.gateway.domain.users import checked_new_user
from services.gateway.operations.create_user import create_user
from services.gateway.passwords import Passwords
from services.gateway.settings import GatewaySettings
from shared.database import Database
from shared.errors import AlreadyExists
from shared.principal import Role
from shared.settings import load_settings

ACTOR = "demo_data"


async def create_demo_users(database: Database, passwords: Passwords, now: datetime) -> None:
    """Create those demo users that are not there yet."""
    for username, role, vendor_ids in (("operator", Role.OPERATOR, []), ("partner", Role.PARTNER, [1])):
        new_user = checked_new_user(username, role, vendor_ids, rate_limit=None)
        # The password is the name, even where that is shorter than a real user's may be.
        with contextlib.suppress(AlreadyExists):
            await create_user(database, passwords, new_user=new_user, password=username, now=now, actor=ACTOR)


async def run(settings: GatewaySettings) -> None:
    """Create the demo users in the database that the settings name."""
    passwords = Passwords()
    try:
        async with open_database(settings) as database:
            await create_demo_users(database, passwords, datetime.now(UTC))
    finally:
        passwords.close()


def main() -> int:
    """Run the command; returns the exit status."""
    settings = load_settings(GatewaySettings)
    if not settings.demo_data_allowed:
        sys.stderr.write("demo users have well-known passwords: only for the development profile, or with CHARGING_DEMO_DATA=true\n")
        return 2
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
