"""The wheel of the stubs, as another team installs it."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from charging.customer_charge.v1 import customer_charge_pb2 as messages

from shared.errors import Unavailable
from tests.unit.client.fake_service import FakeService, serving

STUBS = Path(__file__).parents[2] / "shared" / "stubs"
USER = Path(__file__).with_name("stub_wheel_user.py")


@dataclass(frozen=True)
class Found:
    """What the user of the wheel found, and what the service saw of it."""

    environment: Path
    report: dict[str, Any]
    service: FakeService


def _run(*command: str | Path) -> str:
    """Run a command and return what it printed; a failure shows all of its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - programs of the tests only
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """Build the wheel, install it into an empty environment, and use it there. Needs no network."""
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: a build leaves its own files beside the sources, and would pack those of an earlier one.
    source = shutil.copytree(STUBS, folder / "stubs", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    quiet_pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(*quiet_pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    (wheel,) = folder.glob("charging_stubs-*.whl")

    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    _run(*quiet_pip, "--python", python, "install", "--no-deps", "--no-index", wheel)
    # grpc and protobuf come from the environment of the tests. The editable install of the stubs does not: a folder named in a .pth file is
    # searched for modules, not for further .pth files.
    (packages,) = (environment / "lib").glob("python3*/site-packages")
    (packages / "requirements.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))

    accepted = messages.IncreaseCreditResponse(status=messages.CHARGE_STATE_ACCEPTED)
    with serving(FakeService(script=[Unavailable("down"), accepted])) as service:
        report = json.loads(_run(python, "-I", USER, service.address))
        yield Found(environment, report, service)


def test_every_module_of_the_wheel_can_be_imported(found: Found) -> None:
    """By itself: from the wheel, without our services and what they share."""
    assert Path(found.report["home"]).is_relative_to(found.environment)
    generated = {".".join(path.relative_to(STUBS).with_suffix("").parts) for path in STUBS.rglob("*_pb2*.py")}
    assert generated
    assert generated <= set(found.report["modules"])
    assert found.report["ours"] == []


def test_the_wheel_has_types_and_descriptors(found: Found) -> None:
    """A type checker finds the stubs' types, and tools find the contract with its comments."""
    files = set(found.report["files"])
    assert {"charging/py.typed", "charging/descriptors.binpb", "charging/client/__init__.py"} <= files
    assert {str(path.relative_to(STUBS)) for path in STUBS.rglob("*.pyi")} <= files


def test_a_call_from_the_wheel_reaches_a_service(found: Found) -> None:
    """With the token, and with one key over both tries."""
    assert found.report["status"] == messages.CHARGE_STATE_ACCEPTED
    assert found.service.tokens == ["Token secret", "Token secret"]
    assert len(found.service.keys) == 2
    assert len(set(found.service.keys)) == 1


def test_the_wheel_requires_what_the_generated_code_insists_on(found: Found) -> None:
    """An older grpcio or protobuf would install and then fail at the first import."""
    charge_stubs = STUBS / "charging" / "customer_charge" / "v1"
    grpc_version = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", (charge_stubs / "customer_charge_pb2_grpc.py").read_text())
    protobuf_version = re.search(r"Protobuf Python Version: ([\d.]+)", (charge_stubs / "customer_charge_pb2.py").read_text())
    assert grpc_version
    assert protobuf_version
    requires = " ".join(found.report["requires"])
    assert f"grpcio>={grpc_version[1]}" in requires
    assert re.search(rf"protobuf\S*>={re.escape(protobuf_version[1])}", requires)
