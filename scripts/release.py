"""Build a release into dist/: wheels, source archive, notes, bill of materials, checksums, and the image where Docker runs.

Everything is made from the commit that is checked out, with its time, so that the same commit gives the same bytes. A tree with changes
that are not committed is refused, and so is a version whose section is missing in CHANGELOG.md.
"""

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from scripts.sbom import sbom

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = (".", "shared/stubs", "cli")
UNRELEASED = "Unreleased"


class ReleaseError(Exception):
    """The release cannot be built as things are; the message says why."""


def section_of(changelog: str, version: str) -> str:
    """Return what the changelog says of a version, without its heading. Raises ReleaseError where it says nothing."""
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}")
    return found[1].strip() + "\n"


def version_of_all() -> str:
    """Return the version. Raises ReleaseError where the distributions disagree."""
    versions = {project: tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]["version"] for project in PROJECTS}
    if len(set(versions.values())) != 1:
        raise ReleaseError(f"the distributions have different versions: {versions}")
    return str(versions["."])


def source_archive(target: Path, prefix: str) -> None:
    """Write the committed tree as a tar.gz; its times are those of the commit, and the compressed file carries none of its own."""
    tar = _git("archive", "--format=tar", f"--prefix={prefix}/", "HEAD")
    with target.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as packed:
        packed.write(tar)


def build_wheels(target: Path, at_seconds: int) -> None:
    """Build a wheel of each distribution."""
    # Left-over files of earlier builds would end up in the wheel.
    for leftover in [ROOT / project / "build" / kind for project in PROJECTS for kind in ("lib", "bdist.linux-x86_64")]:
        shutil.rmtree(leftover, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(at_seconds)}
    projects = [str(ROOT / project) for project in PROJECTS]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, *projects], check=True, env=environment, cwd=ROOT)


def build_image(version: str) -> str:
    """Build the container image; return what was done, or why not."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        return "no image: Docker does not run here; build it with: docker build -t charging:" + version + " ."
    subprocess.run([docker, "build", "--tag", f"charging:{version}", "."], check=True, cwd=ROOT)
    return f"image charging:{version}"


def checksums(folder: Path) -> str:
    """Return a line for each file of a folder, as sha256sum reads them."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def release(target: Path, *, draft: bool) -> None:
    """Build everything into a new folder; a draft may have uncommitted changes, and notes of what is unreleased. Raises ReleaseError."""
    if _git("status", "--porcelain") and not draft:
        raise ReleaseError("there are changes that are not committed: a release is built from a commit")
    version = version_of_all()
    notes = section_of((ROOT / "CHANGELOG.md").read_text(), UNRELEASED if draft else version)
    at_seconds = int(_git("show", "--no-patch", "--format=%ct", "HEAD"))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    build_wheels(target, at_seconds)
    source_archive(target / f"charging-{version}.tar.gz", f"charging-{version}")
    (target / "RELEASE_NOTES.md").write_text(notes)
    (target / f"charging-{version}.cdx.json").write_text(sbom(version, (ROOT / "requirements.lock").read_text(), at_seconds))
    (target / "SHA256SUMS").write_text(checksums(target))


def main() -> int:
    """Build, and say what there is now."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draft", action="store_true", help="build from a tree with changes, with the notes of what is unreleased")
    parser.add_argument("--target", type=Path, default=ROOT / "dist" / "release")
    options = parser.parse_args()
    try:
        release(options.target, draft=options.draft)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print((options.target / "SHA256SUMS").read_text(), end="")
    print("no image: a draft has none" if options.draft else build_image(version_of_all()))
    if not options.draft:
        print(f"then: git tag -a v{version_of_all()}; renew the contract to compare with: scripts/proto_breaking.py --renew")
    return 0


def _git(*arguments: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise ReleaseError("git is missing: a release is built from a commit")
    outcome = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, check=False)
    if outcome.returncode != 0:
        raise ReleaseError(f"git {arguments[0]}: {outcome.stderr.decode().strip()}")
    return outcome.stdout


if __name__ == "__main__":
    sys.exit(main())
