"""A client in Go, generated from the protos: other teams need nothing of ours but the contract."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from shared.local.stack import Stack
from tests.system.office import Office

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).with_name("go")
MODULE = "charging.example/interop/gen"
RUN_SECONDS_MAX = 300


def run(*command: str | Path, folder: Path) -> str:
    """Run a command and return what it printed; a failure shows all of its output."""
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"}
    done = subprocess.run(  # noqa: S603 - programs of the tests only
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def folder_of(module: str) -> Path:
    """Return the folder of an installed package."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the stubs and build the client. Go is not among what a machine must have, so without it there is nothing to test."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is missing")
    folder = tmp_path_factory.mktemp("interop") / "go"
    shutil.copytree(SOURCE, folder)
    fetched = subprocess.run([go, "mod", "download"], cwd=folder, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False)  # noqa: S603
    if fetched.returncode != 0 and "dial tcp" in fetched.stderr:
        pytest.skip("the modules that generate Go cannot be reached")
    assert fetched.returncode == 0, fetched.stderr
    for plugin in ("google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"):
        run(go, "build", "-o", f"bin/{plugin.rpartition('/')[2]}", plugin, folder=folder)
    sources = [str(path.relative_to(ROOT / "protos")) for path in sorted((ROOT / "protos").rglob("*.proto"))]
    options = [f"M{source}={MODULE}/{Path(source).parent}" for source in sources]
    run(
        *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'protos'}"),
        *(f"--proto_path={folder_of('google.api').parents[1]}", f"--proto_path={folder_of('grpc_tools') / '_proto'}"),
        *(f"--plugin=protoc-gen-{kind}=bin/protoc-gen-{kind}" for kind in ("go", "go-grpc")),
        *(f"--{kind}_out=." for kind in ("go", "go-grpc")),
        *(f"--{kind}_opt={option}" for kind in ("go", "go-grpc") for option in ("module=charging.example/interop", *options)),
        *sources,
        folder=folder,
    )
    run(go, "build", "-o", "client", ".", folder=folder)
    return folder / "client"


@pytest.mark.timeout(600)  # the first build of gRPC for Go takes minutes
def test_a_client_in_go_charges_repeats_and_reads_refusals(client: Path, stack: Stack, office: Office) -> None:
    """Sign-in, token, key, wait, map and error details mean the same in a language that we have no code in."""
    partner = office.partner(credit=1_000)
    username = f"go-{uuid4().hex[:8]}"
    office.post("/api/auth/users/", {"username": username, "password": "password-1", "role": "service", "vendors": [partner.vendor]})
    ports = [stack.environment[f"CHARGING_{name}_PORT"] for name in ("IDENTITY", "CUSTOMER_CHARGE")]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    who = (str(partner.vendor), str(partner.customer), username, "password-1", str(uuid4()))

    found = json.loads(run(client, *addresses, *who, folder=client.parent))

    (made,) = office.charges(partner.vendor)
    assert (found["Id"], found["ReplayId"], found["Replayed"]) == (made["id"], made["id"], ["true"])
    assert found["Status"] == "CHARGE_STATE_SUCCEEDED"
    assert (made["amount"], made["metadata"]) == (42, {"client": "go"})
    assert (found["Code"], found["Reason"], found["Field"]) == ("InvalidArgument", "INVALID_ARGUMENT", "amount")
