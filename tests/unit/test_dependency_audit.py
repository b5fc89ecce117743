"""What the audit of the dependencies finds, in reports made up for it."""

from typing import Any

import pytest

from scripts import dependency_audit
from scripts.dependency_audit import (
    DEV_LOCK,
    OTHER_LOCKS,
    allowed,
    disagreements,
    entries_of,
    findings_of,
    licence_of,
    main,
    vulnerabilities,
)

LOCK = """# comment
alpha==1.0 ; python_version >= '3.11' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via beta
beta[extra]==2.0 \\
    --hash=sha256:cc
"""


def package(**metadata: Any) -> dict[str, Any]:
    """Return a package as pip reports it."""
    return {"is_yanked": False, "metadata": {"name": "alpha", "version": "1.0", "license_expression": "MIT", **metadata}}


def test_nothing_is_found_in_a_package_that_is_in_order() -> None:
    """No finding, no noise."""
    assert list(findings_of([package()])) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (package() | {"is_yanked": True}, "withdrawn"),
        (package(classifier=["Development Status :: 7 - Inactive"]), "inactive"),
        (package(license_expression="AGPL-3.0-only"), "AGPL-3.0-only"),
        (package(license_expression="MIT AND AGPL-3.0-only"), "AGPL-3.0-only"),
        (package(license_expression=None, license="", classifier=[]), "unknown"),
    ],
)
def test_what_must_not_be_shipped_is_named(changed: dict[str, Any], words: str) -> None:
    """One finding, with the package's name and version."""
    (finding,) = findings_of([changed])

    assert finding.startswith("alpha 1.0")
    assert words in finding


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "Apache-2.0 OR BSD-3-Clause"}, "Apache-2.0 OR BSD-3-Clause"),
        ({"license_expression": None, "classifier": ["License :: OSI Approved :: MIT License"]}, "MIT"),
        ({"license_expression": None, "license": "3-Clause BSD License"}, "BSD-3-Clause"),
    ],
)
def test_a_licence_is_found_wherever_it_is_said(metadata: dict[str, Any], licence: str) -> None:
    """As an expression, a classifier, or words."""
    assert licence_of(package(**metadata)["metadata"]) == licence


def test_one_allowed_way_of_several_is_enough() -> None:
    """OR gives the choice, AND does not."""
    assert allowed("AGPL-3.0-only OR MIT")
    assert allowed("MIT AND (PSF-2.0)")
    assert not allowed("AGPL-3.0-only")
    assert not allowed("")


def test_locks_that_disagree_are_found() -> None:
    """Another version, another hash, or a package that the tested lock lacks."""
    assert list(disagreements(LOCK, LOCK)) == []
    assert list(disagreements(LOCK, LOCK.replace("==2.0", "==2.1"))) == ["beta"]
    assert list(disagreements(LOCK, LOCK.replace("sha256:bb", "sha256:dd"))) == ["alpha"]
    assert list(disagreements(LOCK, LOCK + "gamma==1 \\\n    --hash=sha256:ee\n")) == ["gamma"]


def test_our_own_locks_agree_and_every_entry_has_hashes() -> None:
    """What is deployed is what was tested."""
    reference = DEV_LOCK.read_text()

    assert all(len(entry) > 1 for entry in entries_of(reference).values())
    assert {name: list(disagreements(reference, lock.read_text())) for lock in OTHER_LOCKS for name in [lock.name]} == {
        lock.name: [] for lock in OTHER_LOCKS
    }


def test_a_known_vulnerability_is_a_finding_and_silence_of_the_feed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its id and the version that mends it; what the feed does not know is not taken for safe."""
    flaw = {"id": "CVE-1", "fix_versions": ["1.1"]}
    report = {"dependencies": [{"name": "alpha", "version": "1.0", "vulns": [flaw]}, {"name": "beta", "skip_reason": "unknown"}]}

    findings, unknown = vulnerabilities(report)
    assert findings == ["alpha 1.0 has CVE-1, mended in 1.1"]
    assert unknown == ["beta"]

    monkeypatch.setattr(dependency_audit, "ACCEPTED", {"CVE-1": "not reachable", "CVE-2": "gone"})
    assert vulnerabilities({"dependencies": report["dependencies"][:1]})[0] == ["CVE-2 is accepted and does not come up any more"]


@pytest.mark.parametrize(("required", "status"), [("", 0), ("required", 1)])
def test_a_feed_out_of_reach_never_passes_for_a_clean_bill(
    required: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told in capitals, and fails where the feed is required."""
    monkeypatch.setattr(dependency_audit, "resolved", lambda _: [package()])
    monkeypatch.setattr(dependency_audit, "asked_feed", lambda _: None)
    monkeypatch.setenv("AUDIT_FEED", required)

    assert main() == status

    assert "KNOWN VULNERABILITIES WERE NOT CHECKED" in capsys.readouterr().out
