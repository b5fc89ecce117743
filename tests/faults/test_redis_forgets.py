"""Redis may lose everything it holds at any moment: the truth is elsewhere."""

from pathlib import Path

import pytest

from shared.local.stack import Stack
from shared.local.valkey import Valkey
from tests.faults.seeds import SEEDS
from tests.faults.strikes import strike_under_load
from tests.system.office import Office
from tests.system.stacks import flush

CHARGES = 300


@pytest.mark.parametrize("seed", SEEDS)
def test_flushing_claims_and_messages_under_load_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """Both instances are emptied three times during 300 charges."""
    strike_under_load(stack, office, lambda: flush(stack), seed=seed, history=server_folder / f"flush-{seed}.jsonl", charges=CHARGES)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broker_that_comes_back_empty_breaks_no_promise(stack: Stack, office: Office, server_folder: Path, seed: int) -> None:
    """The broker is killed and its file removed: hints are lost, and the sweeper finds the work."""
    broker = stack.engines["broker"]
    assert isinstance(broker, Valkey)

    def lose_everything() -> None:
        broker.kill()
        broker.forget()
        broker.start()

    strike_under_load(stack, office, lose_everything, seed=seed, history=server_folder / f"empty-{seed}.jsonl", charges=CHARGES)
