"""The two kills that matter most, in every run of the tests; `make test-faults` has the others, with more seeds."""

from pathlib import Path

import pytest

from shared.local.stack import Stack
from tests.faults.run import play
from tests.faults.strikes import kill
from tests.system.office import Office


@pytest.mark.parametrize("victim", ["customer_charge", "customer_charge.worker"])
def test_killing_it_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, victim: str) -> None:
    """Three SIGKILLs while a partner charges and retries as documented."""
    history = server_folder / f"{victim}.jsonl"
    play(stack, office, lambda: kill(stack, victim), seed=1, history=history, charges=300)
