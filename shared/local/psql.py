"""`make psql`: open psql on the running stack's database, as the administrator or with SERVICE=vendor_credit as that service's role.

Of several cells a service's role sees the tables of the first by their names, and those of another, say `vendor_credit_01.vendors`, with
the schema's.
"""

import os
import shutil
import sys

from psycopg.conninfo import conninfo_to_dict

from shared.local.binaries import EngineMissing, postgres_programs
from shared.local.env_file import read_env_file
from shared.local.state_folder import state_folder


def main() -> int:
    """Become psql, with our arguments; returns only when that is impossible."""
    environment = {**read_env_file(state_folder() / "env"), **os.environ}
    service = os.environ.get("SERVICE", "")
    setting = f"CHARGING_{service.upper()}_DATABASE_URL" if service else "DATABASE_URL"
    url = environment.get(setting)
    if not url:
        print(f"{setting} is not known: start the stack with `make run` first", file=sys.stderr)
        return 1
    program = shutil.which("psql")
    try:
        embedded = postgres_programs() / "psql"
        program = str(embedded) if embedded.exists() else program
    except EngineMissing:
        pass
    if program is None:
        print("no psql found: run `make setup`", file=sys.stderr)
        return 1
    # In the environment, not on the command line, where everybody could read the password.
    return os.execve(program, [program, *sys.argv[1:]], {**os.environ, **_libpq_variables(url)})  # noqa: S606 - no shell is wanted


def _libpq_variables(url: str) -> dict[str, str]:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE"}
    return {names[name]: str(value) for name, value in conninfo_to_dict(url).items() if name in names}


if __name__ == "__main__":
    sys.exit(main())
