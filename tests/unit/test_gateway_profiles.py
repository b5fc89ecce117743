"""What the gateway refuses to be in a profile."""

from pathlib import Path
from typing import Any

import pytest

from services.gateway.app import GatewayApp
from services.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"profile": "production", "sandbox": True}, "CHARGING_SANDBOX"),
        ({"profile": "development", "host": "0.0.0.0"}, "CHARGING_HOST"),  # noqa: S104 - it is what is refused
    ],
)
async def test_a_gateway_that_would_be_unsafe_does_not_start(changes: dict[str, Any], named: str) -> None:
    """The setting is named, before anything is opened."""
    settings = GatewaySettings(
        database_url="postgresql://nowhere/x", key_encryption_secret="k" * 32, keys_dir=Path("/nonexistent"), **changes
    )
    with pytest.raises(SystemExit, match=named):
        GatewayApp(settings)
