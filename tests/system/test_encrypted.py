"""Everything as `make run` serves it, with TLS at every door: the tools of people and machines work as they are described."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from charging_cli.main import cli
from click.testing import CliRunner

from shared.local.binaries import EngineMissing
from shared.local.ports import free_port
from shared.local.stack import Stack
from shared.local.supervision import ROOT
from shared.tls.files import TlsFiles
from tests.certificates import Certificates
from tests.support import require_tool, tool_missing
from tests.system.stacks import audit, new_stack

COMMAND_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def files(certificates: Certificates) -> TlsFiles:
    """Give the certificate that all processes share."""
    return certificates.issue("charging.example", "127.0.0.1")


@pytest.fixture(scope="module")
def encrypted(server_folder: Path, files: TlsFiles) -> Iterator[Stack]:
    """Give a running stack that encrypts everything, with a port of their own for peers; at its end the books are checked."""
    settings = {
        **{f"CHARGING_TLS_{which}_FILE": str(path) for which, path in _files_of(files).items()},
        **{f"CHARGING_HTTP_TLS_{which}_FILE": str(path) for which, path in _files_of(files).items() if which != "CA"},
        **{f"CHARGING_{service}_PEER_PORT": str(free_port()) for service in ("IDENTITY", "VENDOR_CREDIT", "CUSTOMER_CHARGE")},
        "CHARGING_CA_FILE": str(files.ca_file),
    }
    try:
        prepared = new_stack(server_folder / "encrypted", settings)
    except EngineMissing as error:
        tool_missing(str(error))
    with prepared as running:
        yield running
        audit(running)


def _files_of(files: TlsFiles) -> dict[str, Path | None]:
    return {"CERT": files.cert_file, "KEY": files.key_file, "CA": files.ca_file}


def run(stack: Stack, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the addresses of the stack."""
    return subprocess.run(  # noqa: S603 - a program of ours
        command,
        env={**os.environ, **stack.environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


def test_the_demo_tells_its_story_over_https(encrypted: Stack) -> None:
    """Credit is asked for, approved and posted, a charge settled: all processes reach each other."""
    outcome = run(encrypted, sys.executable, "-m", "shared.local.demo")

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert encrypted.environment["CHARGING_HTTP_URL"].startswith("https://")


def test_the_demo_believes_no_other_authority(encrypted: Stack, tmp_path: Path) -> None:
    """With another authority's certificates it says so and sends no password."""
    strangers = Certificates(tmp_path)

    outcome = run(encrypted, "env", f"CHARGING_CA_FILE={strangers.ca_file}", sys.executable, "-m", "shared.local.demo")

    assert outcome.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.stderr


def test_the_command_line_reads_whole_streams(encrypted: Stack, files: TlsFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign in with `--ca`, look at the books, and take a statement as it streams."""
    monkeypatch.setenv("CHARGING_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CHARGING_HTTP_URL", encrypted.environment["CHARGING_HTTP_URL"])
    trust = ["--ca", str(files.ca_file)]
    signed_in = CliRunner().invoke(cli, ["token", "create", "operator", "--password-stdin", *trust], input="operator\n")
    assert signed_in.exit_code == 0, signed_in.output

    books = CliRunner().invoke(cli, ["books", "--json", *trust])
    entries = CliRunner().invoke(cli, ["vendor", "entries", "1", "--json", *trust])

    assert (books.exit_code, json.loads(books.stdout)["drift"]) == (0, 0), books.output
    assert entries.exit_code == 0, entries.output
    assert CliRunner().invoke(cli, ["books", "--ca", str(tmp_path / "missing.pem")]).exit_code == 2


def test_the_grpcurl_commands_work_encrypted(encrypted: Stack) -> None:
    """Sign in, list, read the books: the script takes its certificates from the settings of the stack."""
    require_tool("grpcurl")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    outcome = run(encrypted, "env", f"PATH={path}", str(ROOT / "scripts" / "grpcurl_examples"))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert '"checked_at"' in outcome.stdout


@pytest.mark.parametrize("port_setting", ["CHARGING_VENDOR_CREDIT_PORT", "CHARGING_CUSTOMER_CHARGE_PEER_PORT", "CHARGING_IDENTITY_PORT"])
def test_the_health_of_an_encrypted_service_can_be_asked(encrypted: Stack, port_setting: str) -> None:
    """The check of a container has the process's own certificate, whatever names are in there."""
    outcome = run(encrypted, sys.executable, "-m", "shared.healthcheck", f"grpcs://127.0.0.1:{encrypted.environment[port_setting]}")

    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_the_health_of_an_encrypted_http_door_can_be_asked(encrypted: Stack, certificates: Certificates) -> None:
    """It is well when it shows its own certificate, and not by any other."""
    url = f"{encrypted.environment['CHARGING_HTTP_URL']}/ready/"
    other = certificates.issue("charging.example", "127.0.0.1")

    well = run(encrypted, sys.executable, "-m", "shared.healthcheck", url)
    unwell = run(encrypted, "env", f"CHARGING_HTTP_TLS_CERT_FILE={other.cert_file}", sys.executable, "-m", "shared.healthcheck", url)

    assert (well.returncode, well.stderr) == (0, "")
    assert unwell.returncode == 1
