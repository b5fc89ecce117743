"""What each service's role may do in the database: its own schema, and there no more than its code needs."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from shared.database_setup import SERVICES, ServiceDatabase, set_up_database
from tests.databases import PASSWORDS, Databases

APPEND_ONLY = {
    "vendor_credit": {
        "vendor_entries",
        "debit_decisions",
        "guarded_debits",
        "reversal_credits",
        "write_keys",
        "credit_request_approvals",
        "audit_log",
    },
    "customer_charge": {
        "customer_entries",
        "customer_vendors",
        "charge_keys",
        "charge_events",
        "fact_events",
        "reversal_events",
        "webhook_attempts",
        "audit_log",
    },
    "gateway": {"audit_log", "issued_tokens", "revoked_tokens", "signing_keys"},
}
"""Tables whose rows say what happened: nobody may change or remove one at run time."""

DELETABLE = {
    "customer_charge": {"pending_charges", "pending_reversals", "mismatched_charges", "mismatched_reversals"},
    "vendor_credit": {"fact_outbox"},
}
"""Lists of work to do, and of what is wrong for as long as it is. Nothing else is ever removed."""

every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module", autouse=True)
def _set_up_in_place(module_databases: Databases) -> None:
    """Set the database up as an upgrade would: a clone gets the tables of its template, but not the rights on the database itself."""
    set_up_database(module_databases.admin_url, PASSWORDS, cells=module_databases.cells)


def tables_of(databases: Databases, service: str) -> list[tuple[str, str]]:
    """Return schema and name of each table of a service, in all its cells."""
    with psycopg.connect(databases.admin_url) as connection:
        query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2"
        return connection.execute(query, (databases.schemas(service),)).fetchall()


def rights(databases: Databases, service: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield service, table and the rights that the service's role has on it in each cell, whole or on some columns."""
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    columns = {"SELECT", "INSERT", "UPDATE", "REFERENCES"}
    with psycopg.connect(databases.admin_url) as connection:
        role = ServiceDatabase(service).role
        for owner in SERVICES:
            for schema, table in tables_of(databases, owner):
                name = f"{schema}.{table}"
                held = {
                    kind
                    for kind in kinds
                    if connection.execute("SELECT has_table_privilege(%s, %s, %s)", (role, name, kind)).fetchone() == (True,)
                    or (
                        kind in columns
                        and connection.execute("SELECT has_any_column_privilege(%s, %s, %s)", (role, name, kind)).fetchone() == (True,)
                    )
                }
                yield owner, table, held


@every_service
def test_a_role_reaches_no_other_schema(module_databases: Databases, service: str) -> None:
    """Another service's tables are out of reach, for reading too."""
    with psycopg.connect(module_databases.urls[service], autocommit=True) as connection:
        for other in SERVICES:
            for name in tables_of(module_databases, other) if other != service else ():
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(*name)))
    assert [name for owner, name, held in rights(module_databases, service) if owner != service and held] == []


@every_service
def test_append_only_tables_can_be_read_and_added_to_only(module_databases: Databases, service: str) -> None:
    """The ledgers, decisions, keys and logs allow SELECT and INSERT and nothing that would change a row."""
    found = [
        (table, kinds) for owner, table, kinds in rights(module_databases, service) if owner == service and table in APPEND_ONLY[service]
    ]
    assert {table for table, _ in found} == APPEND_ONLY[service]
    assert len(found) == len(APPEND_ONLY[service]) * len(module_databases.schemas(service))
    assert [each for each in found if each[1] != {"SELECT", "INSERT"}] == []


@every_service
def test_changing_or_removing_an_append_only_row_is_refused(module_databases: Databases, service: str) -> None:
    """What the catalogue says of rights is what the server does."""
    with psycopg.connect(module_databases.urls[service], autocommit=True) as connection:
        for table in sorted(APPEND_ONLY[service]):
            column = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass ORDER BY attnum DESC LIMIT 1", (table,)
            ).fetchone()
            assert column is not None
            name, last = sql.Identifier(table), sql.Identifier(column[0])
            for statement in (
                sql.SQL("UPDATE {} SET {} = {}").format(name, last, last),
                sql.SQL("DELETE FROM {}").format(name),
                sql.SQL("TRUNCATE {}").format(name),
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)


@every_service
def test_only_lists_of_work_can_be_emptied(module_databases: Databases, service: str) -> None:
    """No money row, key or user can be removed, and nothing can be truncated or given a trigger."""
    for owner, table, held in rights(module_databases, service):
        assert not held & {"TRUNCATE", "REFERENCES", "TRIGGER"}, table
        if owner == service and "DELETE" in held:
            assert table in DELETABLE.get(service, set()), table


@every_service
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE made_up (id int)",
        "CREATE TABLE public.made_up (id int)",
        "CREATE TEMPORARY TABLE made_up (id int)",
        "CREATE SCHEMA made_up",
        "CREATE FUNCTION made_up() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE made_up",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_a_role_creates_nothing(module_databases: Databases, service: str, statement: str) -> None:
    """Tables, functions, schemas and roles come from migrations alone."""
    with psycopg.connect(module_databases.urls[service], autocommit=True) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


@every_service
def test_a_role_cannot_become_another(module_databases: Databases, service: str) -> None:
    """Not the owner of its schema, not another service, not the administrator; and it owns nothing and holds no special power."""
    others = [ServiceDatabase(other) for other in SERVICES]
    names = [role for other in others for role in (other.owner, other.role) if role != ServiceDatabase(service).role]
    with psycopg.connect(module_databases.urls[service], autocommit=True) as connection:
        for name in [*names, "postgres"]:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(name)))
        powers = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owned = connection.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole").fetchone()
    assert powers == (False,) * 5
    assert owned == (0,)


@every_service
def test_every_table_has_a_primary_key(module_databases: Databases, service: str) -> None:
    """Without one a schema could not be moved as a cell."""
    query = """
    SELECT t.tablename FROM pg_tables t WHERE t.schemaname = %s
    AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = format('%%I.%%I', t.schemaname, t.tablename)::regclass AND i.indisprimary)
    """
    with psycopg.connect(module_databases.admin_url) as connection:
        for schema in module_databases.schemas(service):
            assert connection.execute(query, (schema,)).fetchall() == []
