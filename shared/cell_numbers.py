"""Which cell a row lives in: a rule, so that every process and the set-up of the database know it alike. See shared/cells.py."""

import hashlib

CELLS_MAX = 64


def cell_of(identifier: int, cells: int) -> int:
    """Return the number of the cell whose sequences give this id."""
    return identifier % cells


def cell_of_text(text: str, cells: int) -> int:
    """Return the number of the cell of what is named by a text: the same in every process, for ever."""
    if cells == 1:
        return 0
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % cells


def schema_of(service: str, cell: int, cells: int) -> str:
    """Return the name of a cell's schema: the service's own name when it has only one."""
    return service if cells == 1 else f"{service}_{cell:02d}"


def schemas_of(service: str, cells: int) -> list[str]:
    """Return the names of the schemas of a service, in order of their cells."""
    return [schema_of(service, cell, cells) for cell in range(cells)]
