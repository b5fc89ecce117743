"""How the processes of the system have gRPC do its input and output."""

import subprocess
import sys

import pytest

TELL = "import os, sys, {module}; print('grpc' in sys.modules, os.environ['GRPC_EXPERIMENTS'])"


def experiments(module: str, **environment: str) -> list[str]:
    """Return what a fresh interpreter that imports a module says: whether gRPC is loaded, and how it was told to work."""
    command = [sys.executable, "-c", TELL.format(module=module)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - this Python


@pytest.mark.parametrize("service", ["gateway", "customer_charge", "vendor_credit"])
def test_every_service_decides_before_it_loads_the_library(service: str) -> None:
    """What is set later is not read any more."""
    assert experiments("services") == ["False", "-event_engine_client,-event_engine_listener"]
    assert experiments(f"services.{service}.app") == ["True", "-event_engine_client,-event_engine_listener"]


def test_what_the_environment_says_holds() -> None:
    """An operator can have the library's own choice back."""
    assert experiments("services", GRPC_EXPERIMENTS="event_engine_client") == ["False", "event_engine_client"]
