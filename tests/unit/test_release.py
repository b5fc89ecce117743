"""What a release is made of: the same commit gives the same bytes, and what does not fit is refused."""

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from scripts import release
from shared.local.supervision import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
AT_SECONDS = 1_800_000_000


def test_the_bill_of_materials_has_every_package_that_runs() -> None:
    """Each as the lock has it, with its hashes; twice the same."""
    text = release.sbom("1.2.3", LOCK, AT_SECONDS)
    bill = json.loads(text)
    pins = {line.split("==")[0] for line in LOCK.splitlines() if "==" in line and not line.startswith((" ", "#"))}
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "1.2.3")
    assert {component["name"] for component in bill["components"]} == pins
    assert all(component["purl"].startswith("pkg:pypi/") and component["hashes"] for component in bill["components"])
    assert sum(len(component["hashes"]) for component in bill["components"]) == LOCK.count("--hash=sha256:")
    assert release.sbom("1.2.3", LOCK, AT_SECONDS) == text
    assert json.loads(release.sbom("1.2.4", LOCK, AT_SECONDS))["serialNumber"] != bill["serialNumber"]


def test_a_lock_that_pins_nothing_is_refused() -> None:
    """A package that is missing in the bill would be worse than none."""
    with pytest.raises(ValueError, match="pins nothing"):
        release.sbom("1.2.3", "left-pad>=1\n", AT_SECONDS)


def test_the_notes_are_the_section_of_the_version() -> None:
    """And of no other; a version that says nothing is not released."""
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-01\n\n### Added\n\n- New.\n\n## [1.1.0]\n\n- Old.\n"
    assert release.section_of(changelog, "1.2.0") == "### Added\n\n- New.\n"
    assert release.section_of(changelog, "1.1.0") == "- Old.\n"
    for version in ("Unreleased", "1.2", "1x2x0"):
        with pytest.raises(release.ReleaseError):
            release.section_of(changelog, version)


def test_all_distributions_have_one_version() -> None:
    """What is released together is called the same."""
    assert release.section_of((ROOT / "CHANGELOG.md").read_text(), release.version_of_all())


def test_the_source_archive_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds what is committed, and no time of its own."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("charging-1/README.md"))
    monkeypatch.setattr(release, "_git", lambda *_arguments: content.getvalue())
    archives = [tmp_path / name for name in ("one.tar.gz", "two.tar.gz")]
    for archive in archives:
        release.source_archive(archive, "charging-1")
    assert archives[0].read_bytes() == archives[1].read_bytes()
    assert gzip.decompress(archives[0].read_bytes()) == content.getvalue()
    (tmp_path / "SHA256SUMS").write_text("of another day")
    assert [line.split()[1] for line in release.checksums(tmp_path).splitlines()] == ["one.tar.gz", "two.tar.gz"]


def test_a_tree_with_changes_is_not_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built could not be built again."""
    monkeypatch.setattr(release, "_git", lambda *_arguments: b" M README.md\n")
    with pytest.raises(release.ReleaseError, match="not committed"):
        release.release(tmp_path / "release", draft=False)
    assert not (tmp_path / "release").exists()
