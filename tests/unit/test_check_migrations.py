"""The check of migrations: what breaks running code is refused, unless the file says since when nothing uses it."""

import pytest

from scripts.check_migrations import faults

BREAKING = [
    "DROP TABLE vendors",
    "drop table if exists vendors cascade",
    "ALTER TABLE vendors DROP COLUMN name",
    "ALTER TABLE vendors DROP name",
    "ALTER TABLE vendors RENAME COLUMN name TO title",
    "ALTER TABLE vendors RENAME TO resellers",
    "ALTER TABLE vendors ALTER COLUMN name TYPE integer",
    "ALTER TABLE vendors ALTER name SET DATA TYPE integer",
    "ALTER TABLE vendors ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE vendors ADD COLUMN title text NOT NULL",
    "ALTER TABLE vendors ADD COLUMN one text NOT NULL DEFAULT '', ADD COLUMN title text NOT NULL",
    "ALTER TABLE vendors ADD title text CHECK (title <> 'DEFAULT') NOT NULL",
    "TRUNCATE vendors",
    "REVOKE UPDATE ON vendors FROM somebody",
]
HARMLESS = [
    "CREATE TABLE title (name text NOT NULL, type text NOT NULL)",
    "CREATE TABLE fresh (id bigint PRIMARY KEY); ALTER TABLE fresh ADD COLUMN title text NOT NULL",
    "ALTER TABLE vendors ADD COLUMN title text",
    "ALTER TABLE vendors ADD COLUMN title text NOT NULL DEFAULT ''",
    "ALTER TABLE vendors ADD COLUMN number bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE vendors DROP CONSTRAINT vendors_check, ADD CONSTRAINT vendors_check CHECK (name IS NOT NULL)",
    "ALTER TABLE vendors ALTER COLUMN name DROP NOT NULL",
    "CREATE INDEX vendors_name ON vendors (name)",
    "-- DROP TABLE vendors\nSELECT 'RENAME'",
    "GRANT SELECT ON vendors TO somebody",
]


@pytest.mark.parametrize("sql", BREAKING)
def test_what_breaks_running_code_is_refused(sql: str) -> None:
    """Each statement is named with the reason."""
    assert len(list(faults(f"SELECT 1;\n{sql};\n"))) == 1


@pytest.mark.parametrize("sql", BREAKING)
def test_what_nothing_uses_any_more_may_go(sql: str) -> None:
    """The file says since which release; a word without a number does not do."""
    assert list(faults(f"-- unused since: 0.4.0\n{sql};\n")) == []
    assert list(faults(f"-- unused since: long ago\n{sql};\n")) != []


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_running_code_does_not_notice_passes(sql: str) -> None:
    """New tables, columns with a default, wider rules."""
    assert list(faults(sql)) == []
