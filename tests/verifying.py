"""The offline verifier as its users run it: `charging verify`."""

import pytest
from charging_cli.main import cli


def main(arguments: list[str]) -> int:
    """Run the command in this process and return its exit status; it prints as usual."""
    with pytest.raises(SystemExit) as ended:
        cli(["verify", *arguments], prog_name="charging")
    assert isinstance(ended.value.code, int)
    return ended.value.code
