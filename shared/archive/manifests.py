"""The manifest of one month's files: what must be in them, as a small JSON file beside them."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from shared.archive.errors import BadArchive
from shared.archive.months import Month
from shared.archive.tables import sha256_of

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class BaseManifest:
    """What every service says of a month; a subclass adds numbers, sums and the digest of each file as text `<file>_sha256`."""

    format: int
    schema: str
    month: str

    def write(self, folder: Path) -> None:
        """Write it into the folder, down to the disk."""
        with (folder / MANIFEST).open("x") as file:
            json.dump(asdict(self), file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path, expected_format: int) -> Self:
        """Return the manifest of a folder. Raises BadArchive."""
        try:
            found = json.loads((folder / MANIFEST).read_text())
        except (OSError, ValueError) as error:
            raise BadArchive(f"{folder / MANIFEST} cannot be read: {error}") from error
        kinds = {field.name: field.type for field in fields(cls)}
        if not isinstance(found, dict) or found.keys() != kinds.keys():
            raise BadArchive(f"{folder / MANIFEST} is not a manifest")
        if any(type(value) is not kinds[name] for name, value in found.items()) or found["format"] != expected_format:
            raise BadArchive(f"{folder / MANIFEST} is not a manifest of format {expected_format}")
        return cls(**found)

    def check(self, folder: Path, month: Month, schema: str, **digests: str) -> None:
        """Compare with the place it was found in, and the digests, named as their files are, with those. Raises BadArchive."""
        if (self.month, self.schema) != (str(month), schema):
            raise BadArchive(f"{folder} holds {self.schema} of {self.month}")
        for name, digest in digests.items():
            path = folder / f"{name}.parquet"
            if sha256_of(path) != digest:
                raise BadArchive(f"{path} was changed: its SHA-256 is not that of the manifest")
