"""The guides' code as it stands, run against a stack whose sandbox loses and refuses answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.gateway.http.guides import GUIDES, guide_text
from services.gateway.sandbox.scripts import CUSTOMERS, Script
from shared.local.stack import Stack
from tests.support import require_tool
from tests.system.office import Office, Partner, caller
from tests.system.stacks import another_gateway, flush

AMOUNT = 70
RUN_SECONDS_MAX = 100

Command = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    """Give a gateway with a sandbox, and the whole of the default limit to the guides' own sign-ins."""
    flush(stack)
    with another_gateway(stack, {"CHARGING_SANDBOX": "true"}) as address:
        yield address


def blocks(guide: str, language: str) -> list[str]:
    """Return a guide's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", guide_text(guide), flags=re.MULTILINE | re.DOTALL)


def _optional(name: str) -> str:
    """Return a tool that need not be on a machine that works on this project, also not in CI."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing")
    return path


def _curl(folder: Path) -> list[str]:
    require_tool("curl")
    (folder / "charge.sh").write_text(blocks("retries", "sh")[0])
    return [require_tool("bash"), str(folder / "charge.sh")]


def _python(folder: Path) -> list[str]:
    (folder / "charge.py").write_text(blocks("retries", "python")[0])
    return [sys.executable, str(folder / "charge.py")]


def _go(folder: Path) -> list[str]:
    (folder / "main.go").write_text(blocks("retries", "go")[0])
    build = [_optional("go"), "build", "-o", "charge", "main.go"]
    subprocess.run(build, cwd=folder, env={**os.environ, "GO111MODULE": "off"}, check=True, timeout=RUN_SECONDS_MAX)  # noqa: S603 - fixed
    return [str(folder / "charge")]


def _typescript(folder: Path) -> list[str]:
    (folder / "charge.ts").write_text(blocks("retries", "typescript")[0])
    node = _optional("node")
    if (compiler := shutil.which("tsc")) is not None:
        subprocess.run([compiler, "--target", "es2022", "--noCheck", "charge.ts"], cwd=folder, check=True)  # noqa: S603 - fixed
        return [node, str(folder / "charge.js")]
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - fixed
    major, minor = (int(number) for number in re.findall(r"\d+", version)[:2])
    if (major, minor) < (22, 18):
        pytest.skip("neither tsc nor a node that runs TypeScript is here")
    return [node, str(folder / "charge.ts")]


@pytest.fixture(scope="module", params=[_curl, _python, _go, _typescript], ids=["curl", "python", "go", "typescript"])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give the command that charges by a guide's code."""
    write: Command = request.param
    return write(tmp_path_factory.mktemp("guide"))


@pytest.fixture
def partner(office: Office) -> Partner:
    """Give a partner with credit."""
    return office.partner(credit=1_000)


def run(command: list[str], url: str, partner: Partner, customer: int, key: str) -> subprocess.CompletedProcess[str]:
    """Charge once by the code of the guide."""
    given = {"VENDOR": str(partner.vendor), "CUSTOMER": str(customer), "AMOUNT": str(AMOUNT), "KEY": key}
    environment = {**os.environ, **given, "BASE": url, "TOKEN": partner.token}
    arguments = [] if command[0].endswith("bash") else list(given.values())
    return subprocess.run(  # noqa: S603 - the code of our own guide
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False
    )


def charge_in(output: str) -> dict[str, object]:
    """Return the charge that was printed: by itself, or as the whole answers that curl shows, of which the last one counts."""
    left, printed = output.strip(), {}
    while left:
        printed, end = json.JSONDecoder().raw_decode(left)
        left = left[end:].lstrip()
    return dict(printed.get("data", printed))


@pytest.mark.parametrize("script", [Script.REPLY_DROPPED, Script.LIMITED, Script.UNAVAILABLE], ids=lambda script: script.name)
def test_the_code_of_the_retry_guide_charges_once_whatever_is_lost(
    command: list[str], script: Script, url: str, office: Office, partner: Partner
) -> None:
    """A dropped reply, a limit and an outage are all got over with one key, and the end is told."""
    number = next(number for number, each in CUSTOMERS.items() if each is script)
    with caller(url, partner.token) as client:
        customer = client.post("/api/customer/", json={"phone_number": number}).json()["data"]["id"]
    done = run(command, url, partner, customer, str(uuid4()))
    assert done.returncode == 0, done.stderr
    (made,) = office.charges(partner.vendor)
    told = charge_in(done.stdout)
    assert (told["id"], told["status"], told["amount"]) == (made["id"], "succeeded", AMOUNT)


def test_the_code_of_the_retry_guide_stops_at_a_refusal(command: list[str], url: str, office: Office, partner: Partner) -> None:
    """A customer who does not exist will not exist at the next try either."""
    done = run(command, url, partner, 987_654_321, str(uuid4()))
    assert "CUSTOMER_NOT_FOUND" in done.stdout + done.stderr
    assert office.charges(partner.vendor) == []


def test_the_quick_start_works_as_it_stands(url: str, stack: Stack) -> None:
    """Its blocks, one after the other in one shell."""
    require_tool("curl")
    lines = "".join(f"{block}\necho\n" for block in blocks("quick-start", "sh"))
    script = f"set -eu\n{lines}"
    done = subprocess.run(  # noqa: S603 - the code of our own guide
        [require_tool("bash"), "-c", script], env={**os.environ, "BASE": url}, capture_output=True, text=True, timeout=30, check=True
    )
    request, customer, charge = (json.loads(line) for line in done.stdout.splitlines() if line)
    assert all("data" in answer for answer in (request, customer, charge)), done.stdout
    assert (request["data"]["status"], customer["data"]["phone_number"]) == ("pending", "+989120000001")
    assert charge["data"]["vendor"] == 1
    assert charge["status"] in ("accepted", "succeeded", "failed")


@pytest.mark.parametrize("guide", GUIDES)
def test_guides_link_only_to_what_is_there(guide: str, url: str) -> None:
    """Within the docs, and nowhere outside."""
    with caller(url) as client:
        page = client.get(f"/api/docs/{guide}/")
        assert page.status_code == 200
        for address in set(re.findall(r'href="([^"]+)"', page.text)):
            assert address.startswith("/"), address
            assert client.get(address).status_code == 200, address
        assert "{{" not in page.text
