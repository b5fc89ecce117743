"""The bill of materials of a release (CycloneDX 1.5): every package that runs with it, as the lock has it, with its hashes."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot5
from packageurl import PackageURL

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: *; *(?P<marker>[^\\]+?))? *\\?$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
SERIALS = uuid.UUID("5f0a3c1e-6f0b-5c8e-9f0e-3f4f6f1b7a55")
"""The namespace of serial numbers: one content, one number."""


def sbom(version: str, lock: str, at_seconds: int) -> str:
    """Return the document for a version, from the text of its lock; the same input gives the same bytes."""
    application = Component(name="charging", version=version, type=ComponentType.APPLICATION, bom_ref="charging")
    components = list(_packages(lock))
    bom = Bom(
        serial_number=uuid.uuid5(SERIALS, f"{version}\n{lock}"),
        metadata=BomMetaData(component=application, timestamp=datetime.fromtimestamp(at_seconds, UTC)),
        components=components,
    )
    bom.register_dependency(application, components)
    return str(JsonV1Dot5(bom).output_as_string(indent=2)) + "\n"


def _packages(lock: str) -> Iterator[Component]:
    """Yield each pinned package. Raises ValueError for a line of a lock that is none of what a lock has."""
    pinned: re.Match[str] | None = None
    hashes: list[HashType] = []
    for line in lock.splitlines():
        if found := PIN.match(line):
            if pinned is not None:
                yield _component(pinned, hashes)
            pinned, hashes = found, []
        elif found := HASH.search(line):
            hashes.append(HashType(alg=HashAlgorithm.SHA_256, content=found[1]))
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ValueError(f"the lock has a line that pins nothing: {line}")
    if pinned is not None:
        yield _component(pinned, hashes)


def _component(pinned: re.Match[str], hashes: list[HashType]) -> Component:
    name, version = pinned["name"], pinned["version"]
    # A lock lists the hashes of every file of a version, for each platform: none of them alone is the package's.
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, name, version),
        bom_ref=f"{name}=={version}",
        description=f"where {pinned['marker']}" if pinned["marker"] else None,
        hashes=hashes,
    )
