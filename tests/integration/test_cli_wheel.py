"""The wheel of the command line, as a partner installs it: alone, and enough to verify documents."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.documents.keys import document_keys, key_id
from shared.documents.signing import DocumentSigner
from shared.peer_keys import write_peer_keys
from tests.unit.documents.conftest import Desk

CLI = Path(__file__).parents[2] / "cli"
HIDDEN = ("charging", "shared", "services", "tests")
"""What a partner does not have: the stubs and everything of the system itself."""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    program: Path

    def run(self, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the command in a folder outside the checkout."""
        command = [self.program, "-I", "-m", "charging_cli", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it into an empty environment. Needs no network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(CLI, folder / "cli", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source], check=True)  # noqa: S603 - pip
    (wheel,) = folder.glob("charging_cli-*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)  # noqa: S603 - pip
    # What the wheel requires comes from the environment of the tests; its .pth files, and with them this checkout, do not.
    (packages,) = (environment / "lib").glob("python3*/site-packages")
    (packages / "requirements.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return Installed(python)


def test_a_document_is_verified_by_the_installed_command_alone(installed: Installed, tmp_path: Path) -> None:
    """True and false ones, with nothing of the system to be imported, and the altered entry named."""
    write_peer_keys(tmp_path / "keys")
    public = {key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for _, raw in document_keys(tmp_path / "keys")}
    desk = Desk(tmp_path, DocumentSigner(tmp_path / "keys", "vendor_credit"), public)
    names = ", ".join(f"{name!r}: find_spec({name!r}) is not None" for name in HIDDEN)
    code = f"import json; from importlib.util import find_spec; print(json.dumps({{{names}}}))"
    seen = subprocess.run([installed.program, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603 - fixed
    assert json.loads(seen.stdout) == dict.fromkeys(HIDDEN, False)
    statement, keys = desk.statement(), desk.key_set()
    path = desk.file(statement)
    done = installed.run("verify", path, "--keys", keys, folder=tmp_path)
    assert (done.returncode, done.stdout.startswith("true: statement of vendor 7")) == (0, True), done.stderr
    statement[3]["amount"] += 1
    done = installed.run("verify", desk.file(statement), "--keys", keys, folder=tmp_path)
    assert done.returncode == 1
    assert f"FALSE  entry {statement[3]['seq']}:" in done.stdout
