"""Where months are: `<root>/<month>/<schema>/`, a folder that gets its name when all in it is proved."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.archive.errors import BadArchive
from shared.archive.months import Month


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """Lend a new folder that takes the name of `folder` at the end of the block, and is gone when the block fails."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """See to it that the new name outlasts a loss of power."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def archived_months(root: Path, schema: str) -> list[Month]:
    """Return the months that an archive holds of a schema, oldest first."""
    return sorted(Month.parse(path.parent.name) for path in root.glob(f"[0-9][0-9][0-9][0-9]-[0-9][0-9]/{schema}"))


def archived_schemas(root: Path, service: str) -> list[str]:
    """Return the schemas of a service that an archive holds any month of: the service's own name, or that with a number for each cell."""
    found = {path.name for path in root.glob(f"[0-9][0-9][0-9][0-9]-[0-9][0-9]/{service}*")}
    return sorted(name for name in found if name == service or name.removeprefix(f"{service}_").isdigit())


def whole_schemas(root: Path, service: str) -> list[str]:
    """Return the archived schemas of a service. Raises BadArchive where a month is there of some cells and not of others."""
    months = {schema: archived_months(root, schema) for schema in archived_schemas(root, service)}
    every = sorted({month for there in months.values() for month in there})
    for schema, there in months.items():
        if missing := [str(month) for month in every if month not in there]:
            raise BadArchive(f"{root}: {schema} of {', '.join(missing)} is not archived, and that of other cells is")
    return list(months)
