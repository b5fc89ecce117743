"""Certificates for a trial."""

import stat
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from shared.clock import utc_now
from shared.tls.files import TlsFiles
from shared.tls.issuing import CERTIFICATE_DAYS, Authority, main, write_certificate


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command."""
    monkeypatch.setattr(sys, "argv", ["issuing", *arguments])
    return main()


def test_what_the_command_writes_can_be_served_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificate, key and authority fit, and the keys are for their owner only."""
    assert run(monkeypatch, str(tmp_path), "gateway", "vendor_credit") == 0

    for name in ("gateway", "vendor_credit"):
        files = TlsFiles(tmp_path / f"{name}.cert.pem", tmp_path / f"{name}.key.pem", tmp_path / "ca.pem")
        assert files.read(now=utc_now()).ca == (tmp_path / "ca.pem").read_bytes()
        assert files.server_names() == [name, "localhost"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("*.key.pem")} == {0o600}


def test_a_certificate_is_issued_anew_only_when_it_is_due(tmp_path: Path) -> None:
    """A second run keeps what is good; a certificate near its end, or of another authority, is replaced."""
    now = utc_now()
    authority = Authority.kept_in(tmp_path, now)
    assert write_certificate(tmp_path, "gateway", authority, now)
    assert not write_certificate(tmp_path, "gateway", authority, now)

    assert write_certificate(tmp_path, "gateway", authority, now + timedelta(days=CERTIFICATE_DAYS - 29))
    assert write_certificate(tmp_path, "gateway", Authority.new(now), now)


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name there is nothing to issue."""
    assert run(monkeypatch, "somewhere") == 2
    assert "usage" in capsys.readouterr().err
