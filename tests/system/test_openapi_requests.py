"""Requests by the OpenAPI document, as it allows them and as it does not, from every kind of caller (Schemathesis).

Whatever is sent, no answer is a server error, and each has a status, content type, headers and body that the document names; what the
document forbids is refused; what needs a token refuses to be called without one. FUZZ_FACTOR=60 takes sixty times as long and as many
examples, FUZZ_SEED another seed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.local.binaries import EngineMissing
from shared.local.stack import Stack
from tests.support import tool_missing
from tests.system.office import log_in
from tests.system.stacks import audit, new_stack

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))
SEED = os.environ.get("FUZZ_SEED", "1")
RUN_SECONDS_MAX = 120
"""Of one run; far more than any takes."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)
UNLIMITED = "1000000"
ENDING = ("/api/auth/token/revoke/", "/api/auth/users/{id}/disable/", "/api/auth/keys/rotate/")
"""What takes the callers of the others their tokens; these are called last."""

OTHERS = [argument for path in ENDING for argument in ("--exclude-path", path)]
LAST = [argument for path in ENDING for argument in ("--include-path", path)]

SERVICE_PASSWORD = "correct horse battery"

EXAMPLES = {"operator": 2, "partner": 2, "service": 1, "stranger": 1}
"""Requests for each operation and kind of data, by caller; most for who may do most."""

ACCEPTED_MIN = {"operator": 5, "partner": 3, "service": 1, "stranger": 0}
"""Operations of which valid data must have been accepted: a run in which everything is refused would show nothing."""

EDGES_SECONDS = 8
"""For the edges of every field, one by one, in the order of the document: as far as this time leads."""


@pytest.fixture(scope="module")
def fuzzed(server_folder: Path) -> Iterator[Stack]:
    """Give a running stack for these requests alone, with limits out of the way; at its end the books are whole."""
    settings = {"CHARGING_RATE_LIMIT_REQUESTS": UNLIMITED, "CHARGING_REPLAY_LIMIT_REQUESTS": UNLIMITED}
    try:
        prepared = new_stack(server_folder / "fuzzed", settings)
    except EngineMissing as error:
        tool_missing(str(error))
    with prepared as running:
        yield running
        audit(running)


@pytest.fixture(scope="module")
def tokens(fuzzed: Stack) -> dict[str, str]:
    """Give a token for each kind of caller."""
    url = fuzzed.environment["CHARGING_HTTP_URL"]
    operator = log_in(url, "operator", "operator")
    service = {"username": "sensor", "password": SERVICE_PASSWORD, "role": "service", "vendors": [1]}
    made = httpx.post(f"{url}/api/auth/users/", json=service, headers={"Authorization": f"Token {operator}"})
    assert made.is_success, made.text
    return {
        "operator": operator,
        "partner": log_in(url, "partner", "partner"),
        "service": log_in(url, "sensor", SERVICE_PASSWORD),
        "stranger": "of-somebody-else",
    }


def requests_of(stack: Stack, token: str, folder: Path, phase: str, *choice: str) -> dict[str, Any]:
    """Send requests as the holder of the token to the operations chosen, and return Schemathesis' report. Fails with its words."""
    url = stack.environment["CHARGING_HTTP_URL"]
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/api/openapi.json", "--phases", phase, *choice]
    command += ["--checks", ",".join(CHECKS), "--seed", SEED, "--request-timeout", "20"]
    command += ["--continue-on-failure", "--suppress-health-check", "all"]
    command += ["--warnings", "off", "--no-color", "--report", "json", "--report-json-path", str(folder / "report.json")]
    command += ["--header", f"Authorization: Token {token}"]
    outcome = subprocess.run(  # noqa: S603 - a tool of ours
        command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.system.openapi_hooks", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX * FACTOR,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@pytest.mark.timeout(0)
@pytest.mark.parametrize("caller", EXAMPLES)
def test_every_answer_is_one_that_the_document_names(caller: str, fuzzed: Stack, tokens: dict[str, str], tmp_path: Path) -> None:
    """Valid and invalid data for every operation, from operators, partners, services and strangers."""
    report = requests_of(fuzzed, tokens[caller], tmp_path, "fuzzing", *OTHERS, "--max-examples", str(EXAMPLES[caller] * FACTOR))

    accepted = {name for name, phases in report["valid_rates"].items() if any(phase["accepted"] for phase in phases.values())}
    assert report["operations"]["tested"] == report["operations"]["selected"]
    assert len(accepted) >= ACCEPTED_MIN[caller], accepted


@pytest.mark.timeout(0)
def test_every_edge_of_a_field_is_answered_as_documented(fuzzed: Stack, tokens: dict[str, str], tmp_path: Path) -> None:
    """Just inside and just outside of each limit, missing, doubled, of another type."""
    requests_of(fuzzed, tokens["operator"], tmp_path, "coverage", *OTHERS, "--max-time", str(EDGES_SECONDS * FACTOR))


@pytest.mark.timeout(0)
def test_even_what_takes_tokens_away_answers_as_documented(fuzzed: Stack, tokens: dict[str, str], tmp_path: Path) -> None:
    """Revoking, disabling and rotating, until nobody is let in any more."""
    report = requests_of(fuzzed, tokens["operator"], tmp_path, "fuzzing", *LAST, "--max-examples", str(5 * FACTOR))

    assert report["operations"]["tested"] == len(ENDING)
