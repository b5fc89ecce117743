"""Refuse migrations that break the code which still runs beside them.

In a rollout old and new processes share a schema: it is expanded in one release and contracted in a later one, when nothing that runs uses
the old form any more. A file that contracts says so: `-- unused since: 0.4.0` names the release that stopped using what the file removes or
changes; it may be applied from the release after that one on.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = "services/*/migrations/*.sql"

BREAKING = (
    (re.compile(r"\bDROP\s+(TABLE|VIEW|FUNCTION|SCHEMA|TYPE|SEQUENCE)\b"), "removes what running code may use"),
    (
        re.compile(r"\bDROP\s+(COLUMN\b|(?!CONSTRAINT\b|DEFAULT\b|NOT\b|INDEX\b|IDENTITY\b|EXPRESSION\b|POLICY\b|ROLE\b|IF\b)\w)"),
        "removes a column",
    ),
    (re.compile(r"\bRENAME\b"), "takes away a name that running code may use"),
    (re.compile(r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b"), "changes a type under running code"),
    (re.compile(r"\bSET\s+NOT\s+NULL\b"), "refuses rows that running code may write"),
    (
        re.compile(r"\bADD\s+(COLUMN\s+)?(?!CONSTRAINT\b)\w+\s(?=[^,;]*\bNOT\s+NULL\b)(?![^,;]*\b(DEFAULT|GENERATED)\b)"),
        "adds a column that running code does not fill",
    ),
    (re.compile(r"\bTRUNCATE\b"), "removes rows that running code may read"),
    (re.compile(r"\bREVOKE\b"), "takes away a right that running code may need"),
)
UNUSED_SINCE = re.compile(r"^-- unused since: (\d+\.\d+\.\d+)\b", re.MULTILINE)
NEW_TABLE = re.compile(r"\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)")
TABLE = re.compile(r"\b(?:ALTER|DROP)\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(\w+)")

BEFORE_THE_RULE = frozenset({"services/gateway/migrations/0030_audit_log.sql"})
"""Written when nothing ran anywhere yet."""


def faults(text: str) -> Iterator[str]:
    """Yield what in a migration breaks running code: the statement's beginning, and why. Tables made by the same file are nobody's yet."""
    if UNUSED_SINCE.search(text):
        return
    sql = re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)).upper()
    made = set(NEW_TABLE.findall(sql))
    for statement in filter(None, (each.strip() for each in sql.split(";"))):
        table = TABLE.search(statement)
        if statement.startswith("CREATE") or (table and table[1] in made):
            continue
        for pattern, why in BREAKING:
            if pattern.search(statement):
                yield f"`{' '.join(statement.split())[:80]}` {why}"
                break


def main() -> int:
    """Print every fault; return 1 when there is one."""
    found = [
        f"{name}: {fault}"
        for path in sorted(ROOT.glob(MIGRATIONS))
        if (name := str(path.relative_to(ROOT))) not in BEFORE_THE_RULE
        for fault in faults(path.read_text())
    ]
    if found:
        print("\n".join(found))
        print("Expand in one release and contract in a later one: see CONTRIBUTING.md, Migrations. A file that contracts says since when")
        print("nothing uses what it removes: -- unused since: <release>")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
